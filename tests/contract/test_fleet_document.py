"""The page and the sample of the fleet document hold what the document holds."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rollcall.broker.fleet import Document, NodeTable, Template
from rollcall.broker.fleet.inspection import Known, inspect
from rollcall.broker.fleet.source import parse
from rollcall.console.fleet_catalogue import collectors

DOCS = Path(__file__).parents[2] / "docs"
SAMPLE = (DOCS / "fleet.sample.toml").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", (DOCS / "fleet.md").read_text("utf-8"), re.DOTALL)


def test_the_sample_is_in_order() -> None:
    fleet, findings = inspect(parse(SAMPLE), Known(collectors()))
    assert fleet is not None
    assert findings == []


@pytest.mark.parametrize(
    ("model", "tables"),
    [
        pytest.param(Document, lambda sample: [sample], id="document"),
        pytest.param(Template, lambda sample: sample["templates"].values(), id="template"),
        pytest.param(NodeTable, lambda sample: sample["nodes"].values(), id="node"),
    ],
)
def test_the_sample_has_every_key(model: Any, tables: Any) -> None:
    shown = {key for table in tables(tomllib.loads(SAMPLE)) for key in table}
    assert shown == set(model.model_fields)


def test_the_example_is_refused_for_the_one_mistake_that_it_shows() -> None:
    [example] = EXAMPLES
    _, findings = inspect(parse(example), Known(collectors()))
    [fault] = findings
    said = f"fleet.toml:{fault.line}: {fault.level}: {fault.text}"
    assert said in (DOCS / "fleet.md").read_text("utf-8")
    right = example.replace("intervall", "interval")
    assert inspect(parse(right), Known(collectors()))[0] is not None
