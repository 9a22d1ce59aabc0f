"""The rules of the fleet document: defaults, overrides, what is refused in which words."""

from typing import Any

import pytest

from rollcall.broker import fleet
from rollcall.broker.fleet import (
    KINDS,
    AnomalyRule,
    FleetError,
    ForecastRule,
    PresenceRule,
    ThresholdRule,
    inhibited_by,
    silence_s,
)

ALL: dict[str, Any] = {"groups": {"all": ["*"], "web": ["web-*"]}}


def rule(kind: str = "threshold", **keys: Any) -> dict[str, Any]:
    required: dict[str, dict[str, Any]] = {
        "threshold": {"metric": "cpu.percent", "threshold": 90},
        "absence": {"metric": "cpu.percent"},
        "forecast": {"metric": "disk.free_bytes", "target": 0},
        "anomaly": {"metric": "load.load1", "min_delta": 2},
    }
    return {"rules": {"mine": {"kind": kind, **required.get(kind, {}), **keys}}}


CONDITION: dict[str, Any] = {"and": {"metric": "cpu", "threshold": 1}}


def refused(document: dict[str, Any]) -> list[str]:
    with pytest.raises(FleetError) as error:
        fleet.read(document)
    return error.value.problems


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_written_with_its_required_keys_alone(kind: str) -> None:
    assert fleet.read(rule(kind)).rules["mine"].kind == kind


def test_each_kind_has_defaults_of_its_own() -> None:
    rules = {kind: fleet.read(rule(kind)).rules["mine"] for kind in KINDS}
    assert {kind: each.for_s for kind, each in rules.items()} == {
        "threshold": 0,
        "presence": 30,
        "absence": 120,
        "forecast": 1800,
        "anomaly": 600,
    }
    assert {kind for kind, each in rules.items() if each.inhibits} == {"presence"}
    forecast, anomaly = rules["forecast"], rules["anomaly"]
    assert isinstance(forecast, ForecastRule)
    assert isinstance(anomaly, AnomalyRule)
    assert (forecast.horizon_s, forecast.window_s, forecast.min_r2) == (86_400, 21_600, 0.8)
    assert (anomaly.threshold, anomaly.season, anomaly.window_s) == (6, "day", 604_800)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(rule(summary="{node.x}"), "{node.x} is not known here", id="an attribute"),
        pytest.param(rule(summary="{0}"), "{0} is not known here", id="a position"),
        pytest.param(rule(summary="{eta}"), "{eta} is not known here", id="of another kind"),
        pytest.param(rule(summary="{value!r}"), "may be formatted as in", id="a conversion"),
        pytest.param(rule(summary="{value:999999d}"), "may be formatted as in", id="a huge width"),
        pytest.param(
            rule(summary="{node:.1f}"), "is text and takes no format", id="text as number"
        ),
        pytest.param(rule(summary="{value"), "write {{ for a brace", id="an open brace"),
        pytest.param(rule(summary="a\nb"), "control characters", id="two lines"),
        pytest.param(rule(stale_after="3"), 'write intervals such as "3x"', id="stale_after"),
        pytest.param(rule(group_by=["instance"]), "group_by holds", id="grouped by instance"),
        pytest.param(rule(receivers=[]), "at least 1 item", id="nobody is told"),
        pytest.param(rule(receivers=["A B"]), "rules.mine.receivers.0", id="a receiver's name"),
        pytest.param(rule(flap={"start": 2, "stop": 2}), "has to be below start", id="flap"),
        pytest.param(rule(flap={"begin": 2}), "unknown key", id="a key of flap"),
        pytest.param(rule(no_data="drop"), "'hold', 'fire' or 'resolve'", id="no_data"),
        pytest.param(rule(**CONDITION), "rules.mine.and.metric", id="and"),
        pytest.param(rule(inhibits=["mine"]), "cannot inhibit itself", id="itself"),
        pytest.param(rule(inhibits=["cpu_hig"]), 'did you mean "cpu_high"?', id="nobody"),
        pytest.param(rule("forecast", min_span="7h"), "min_span is longer than window", id="span"),
        pytest.param(rule("anomaly", season="week"), 'at least "14d"', id="a week in a week"),
        pytest.param(rule("anomaly", threshold=0), "greater than 0", id="no distance"),
        pytest.param(rule("presence", on=[]), "at least 1 item", id="nothing is a breach"),
        pytest.param(rule("presence", metric="cpu.percent"), "unknown key", id="a metric"),
        pytest.param({"rule_defaults": {"kind": "presence"}}, "rule_defaults.kind", id="a kind"),
        pytest.param({"rule_defaults": {"four": "1m"}}, 'mean "for"?', id="a key of defaults"),
    ],
)
def test_a_mistake_in_a_rule_is_told_in_words(document: dict[str, Any], problem: str) -> None:
    (told,) = refused(document)
    assert problem in told


def test_rules_that_inhibit_each_other_in_a_circle_are_refused() -> None:
    three = {
        name: {"kind": "threshold", "metric": "cpu.percent", "threshold": 1, "inhibits": [other]}
        for name, other in (("one", "two"), ("two", "three"), ("three", "one"))
    }
    (told,) = refused({"rules": three})
    assert "inhibits" in told
    assert "in a circle" in told
    (told,) = refused({"rules": {"cpu_high": {"inhibits": ["node_offline"]}}})
    assert "in a circle" in told


def test_full_inhibits_filling_and_presence_inhibits_all_but_presence() -> None:
    rules = fleet.read(rule("presence")).rules
    assert inhibited_by("disk_full", rules) == {"disk_filling"}
    assert inhibited_by("node_offline", rules) == set(rules) - {"node_offline", "mine"}


def test_defaults_lie_under_built_in_rules_and_those_under_the_documents_own() -> None:
    rules = fleet.read(
        {
            "rule_defaults": {"severity": "info", "for": "2h", "receivers": ["ops"]},
            "rules": {"too_hot": {"for": "1m"}, **rule(receivers=["me"])["rules"]},
        }
    ).rules
    assert (rules["cpu_high"].severity, rules["cpu_high"].for_s) == ("info", 300)
    assert (rules["too_hot"].severity, rules["too_hot"].for_s) == ("critical", 60)
    assert (rules["mine"].for_s, rules["mine"].receivers) == (7200, ["me"])
    assert rules["cpu_high"].receivers == ["ops"]


def overriding(*layers: dict[str, Any], node: dict[str, Any] | None = None) -> dict[str, Any]:
    templates = {
        f"t{number}": {"groups": ["all"], "rules": ["cpu_high"], "override": {"cpu_high": layer}}
        for number, layer in enumerate(layers)
    }
    nodes = {"pi-3": {"override": {"cpu_high": node}}} if node else {}
    return {**ALL, "templates": templates, "nodes": nodes}


def test_later_templates_override_earlier_ones_and_the_node_all() -> None:
    document = overriding({"threshold": 91, "clear": 70}, {"threshold": 92}, node={"for": "1m"})
    found = fleet.read(document).rules_for("pi-3", {})["cpu_high"]
    assert isinstance(found, ThresholdRule)
    assert (found.threshold, found.clear, found.for_s) == (92, 70, 60)
    other = fleet.read(document).rules_for("pi-4", {})["cpu_high"]
    assert other.for_s == 300


def test_an_override_can_switch_a_rule_off_on_one_node() -> None:
    document = overriding({}, node={"enabled": False})
    assert fleet.read(document).rules_for("pi-3", {}) == {}
    assert set(fleet.read(document).rules_for("pi-4", {})) == {"cpu_high"}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(
            overriding({"threshold": "high"}),
            "templates.t0.override.cpu_high.threshold: a number, without quotes",
            id="a value in a template",
        ),
        pytest.param(
            overriding({}, node={"clear": 95}),
            "nodes.pi-3.override.cpu_high: clear 95 would hold",
            id="what the rule's own limit forbids",
        ),
        pytest.param(overriding({"kind": "absence"}), "a rule keeps its kind", id="another kind"),
        pytest.param(
            {"nodes": {"pi-3": {"override": {"cpu_hgih": {}}}}},
            'nodes.pi-3.override: no rule "cpu_hgih"; did you mean "cpu_high"?',
            id="no such rule",
        ),
    ],
)
def test_a_mistake_in_an_override_is_told_with_its_place(
    document: dict[str, Any], problem: str
) -> None:
    (told,) = refused(document)
    assert problem in told


def test_overrides_that_do_not_fit_together_are_left_out_and_told() -> None:
    document = overriding({"threshold": 85}, {"clear": 88})
    found = fleet.read(document)
    limit = found.rules_for("web-1", {})["cpu_high"]
    assert isinstance(limit, ThresholdRule)
    assert (limit.threshold, limit.clear) == (85, 80)
    (conflict,) = found.conflicts_on("web-1", {})
    assert conflict.startswith("templates.t1.override.cpu_high: clear 88 would hold")
    assert conflict.endswith("(on web-1)")


def test_one_rule_alone_holds_where_it_held() -> None:
    document = {**ALL, "templates": {"w": {"groups": ["web"], "rules": ["cpu_high", "too_hot"]}}}
    alone = fleet.read(document).only("too_hot")
    assert list(alone.rules_for("web-1", {})) == ["too_hot"]
    assert alone.rules_for("pi-3", {}) == {}


def test_presence_may_mind_a_planned_stop() -> None:
    found = fleet.read(rule("presence", on=["lost", "shutdown"])).rules["mine"]
    assert isinstance(found, PresenceRule)
    assert found.on == ["lost", "shutdown"]


@pytest.mark.parametrize(
    ("written", "interval_s", "expected"),
    [("3x", 10, 45), ("3x", 60, 180), ("10x", 10, 100), ("20s", 60, 20), ("2m", 5, 120)],
)
def test_silence_is_counted_in_intervals_or_taken_as_it_is(
    written: str, interval_s: float, expected: float
) -> None:
    assert silence_s(written, interval_s, at_least_s=45) == expected
