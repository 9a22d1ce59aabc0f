"""What a change of the rules does to alerts that are there."""

from typing import Any

import pytest

from rollcall.broker import fleet, messages
from rollcall.broker.topics import Address, Kind
from tests.support.alert_stories import NODE, Story


def rules(**cpu_high: Any) -> dict[str, Any]:
    rule = {"kind": "threshold", "metric": "cpu.percent", "threshold": 90, "for": "0s"}
    return {"node_offline": {"enabled": False}, "cpu_high": rule | cpu_high}


def firing() -> Story:
    story = Story({"rules": rules()})
    story.play("95")
    assert story.fired == [0]
    return story


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        pytest.param({"severity": "info"}, [], id="severity"),
        pytest.param({"for": "1h"}, [], id="a longer for demotes nobody"),
        pytest.param({"threshold": 99, "clear": 98}, [], id="threshold: the next sample decides"),
        pytest.param({"metric": "cpu.user_percent"}, ["rule_changed"], id="metric"),
        pytest.param({"op": ">="}, ["rule_changed"], id="op"),
        pytest.param({"instances": ["/"]}, ["rule_changed"], id="instances"),
        pytest.param({"enabled": False}, ["rule_removed"], id="disabled"),
    ],
)
def test_a_rule_that_changes_keeps_or_ends_its_alerts(
    change: dict[str, Any], reasons: list[str]
) -> None:
    story = firing()
    changed = story.adopt({"rules": rules(**change)})
    assert [one.reason for one in changed] == reasons
    assert len(list(story.engine)) == 1 - len(reasons)


def test_a_rule_that_no_longer_applies_to_the_node_ends_once_its_labels_are_known() -> None:
    story = firing()
    document: dict[str, Any] = {
        "groups": {"web": ["label:role=web"]},
        "templates": {"web": {"groups": ["web"], "rules": ["cpu_high"]}},
        "rules": rules(),
    }
    assert story.engine.adopt(fleet.read(document)) == []
    views = story.cluster.nodes(story.now)
    assert story.engine.tick(views, story.now) == []
    info = messages.Info(hostname=NODE, agent="1.0.0", interval=10, labels={"role": "db"})
    story.fold(Address(Kind.INFO, NODE), messages.encode(info))
    changes = story.engine.tick(story.cluster.nodes(story.now), story.now)
    assert [change.reason for change in changes] == ["rule_removed"]


def test_an_alert_of_a_rule_that_went_during_a_restart_ends() -> None:
    story = firing()
    kept = list(story.engine)
    story.engine.adopt(fleet.read({"rules": rules(enabled=False)}, everywhere=True))
    assert [change.reason for change in story.engine.restore(kept)] == ["rule_removed"]
    assert list(story.engine) == []
