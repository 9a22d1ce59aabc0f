"""What consumers ask for is what the agent declares."""

import re
from pathlib import Path

import pytest

from rollcall.broker.fleet import BUILT_IN
from rollcall.node_agent.collectors import DECLARATIONS

PACKAGE = Path(__file__).parents[2] / "rollcall"
METRICS = {
    f"{declared.name}.{field.name}"
    for declared in DECLARATIONS
    for field in (*declared.fields, *declared.instance_fields)
}
OF_INSTANCES = {
    f"{declared.name}.{field.name}"
    for declared in DECLARATIONS
    for field in declared.instance_fields
}
NAMES = "|".join(declared.name for declared in DECLARATIONS)


@pytest.mark.parametrize("rule", BUILT_IN)
def test_a_built_in_rule_is_about_a_metric_that_nodes_have(rule: str) -> None:
    metric = BUILT_IN[rule].get("metric")
    assert metric is None or metric in METRICS


def test_too_hot_is_judged_for_each_sensor() -> None:
    assert BUILT_IN["too_hot"]["metric"] in OF_INSTANCES


@pytest.mark.parametrize("program", ["console", "lcd_display"])
def test_what_is_shown_is_what_nodes_have(program: str) -> None:
    text = "".join(path.read_text("utf-8") for path in (PACKAGE / program).glob("*.py"))
    shown = set(re.findall(rf'"((?:{NAMES})\.[a-z][a-z0-9_]*)"', text))
    assert "temperature.cpu_celsius" in shown
    assert shown <= METRICS
