"""The fleet document: what is accepted, what is refused in which words, what holds where."""

from typing import Any

import pytest

from rollcall.broker import fleet
from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet import FleetError, PresenceRule, ThresholdRule
from rollcall.broker.messages import FLEET

DOCUMENT: dict[str, Any] = {
    "groups": {"all": ["*"], "pis": ["pi-*"], "web": ["web-*", "label:role=web"]},
    "templates": {
        "base": {
            "groups": ["all"],
            "rules": ["node_offline", "cpu_high"],
            "collectors": {"cpu": {"interval": "10s"}, "disk": {"exclude": ["tmpfs"]}},
        },
        "pi": {"groups": ["pis"], "rules": ["too_hot"]},
        "web": {"groups": ["web"], "rules": ["busy"]},
    },
    "nodes": {"pi-3": {"description": "rack 2, top", "rules": ["disk_full"]}},
    "rules": {
        "node_offline": {"for": "1m"},
        "busy": {"kind": "threshold", "metric": "load.one", "op": ">=", "threshold": 8},
    },
}


def test_without_a_document_all_built_in_rules_hold_everywhere() -> None:
    rules = fleet.built_in().rules_for("anything", {})
    assert sorted(rules) == [
        "cpu_high",
        "disk_filling",
        "disk_forecast",
        "disk_full",
        "memory_low",
        "node_offline",
        "too_hot",
    ]
    full = rules["disk_full"]
    assert isinstance(full, ThresholdRule)
    assert (full.metric, full.op, full.threshold, full.clear) == ("disk.used_percent", ">=", 95, 92)
    assert (full.for_s, full.severity) == (60, "critical")


@pytest.mark.parametrize(
    ("node", "labels", "expected"),
    [
        pytest.param("nas-1", {}, {"node_offline", "cpu_high"}, id="by the template of all"),
        pytest.param("pi-9", {}, {"node_offline", "cpu_high", "too_hot"}, id="by a glob"),
        pytest.param(
            "pi-3", {}, {"node_offline", "cpu_high", "too_hot", "disk_full"}, id="by its own table"
        ),
        pytest.param(
            "nas-1", {"role": "web"}, {"node_offline", "cpu_high", "busy"}, id="by a label"
        ),
        pytest.param("nas-1", {"role": "webs"}, {"node_offline", "cpu_high"}, id="another label"),
    ],
)
def test_rules_hold_where_templates_and_nodes_name_them(
    node: str, labels: dict[str, str], expected: set[str]
) -> None:
    assert set(fleet.read(DOCUMENT).rules_for(node, labels)) == expected


def test_a_rule_of_the_document_is_laid_over_the_built_in_one() -> None:
    rule = fleet.read(DOCUMENT).rules["node_offline"]
    assert isinstance(rule, PresenceRule)
    assert (rule.for_s, rule.severity, rule.keep_firing_for_s) == (60, "critical", 30)


def test_a_built_in_name_may_be_given_to_another_kind() -> None:
    rule = fleet.read({"rules": {"cpu_high": {"kind": "presence"}}}).rules["cpu_high"]
    assert isinstance(rule, PresenceRule)


def test_a_disabled_rule_holds_nowhere() -> None:
    document = DOCUMENT | {"rules": DOCUMENT["rules"] | {"cpu_high": {"enabled": False}}}
    assert "cpu_high" not in fleet.read(document).rules_for("nas-1", {})


def test_a_rule_no_template_asks_for_is_named() -> None:
    assert fleet.read(DOCUMENT).unused_rules() == []
    assert fleet.read({"rules": {"cpu_high": {"for": "1s"}}}).unused_rules() == ["cpu_high"]


def _rule(**keys: Any) -> dict[str, Any]:
    table = {"kind": "threshold", "metric": "cpu.percent", "threshold": 90} | keys
    return {"rules": {"mine": table}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param(
            _rule(treshold=5),
            'rules.mine.treshold: unknown key; did you mean "threshold"?',
            id="a rule's key misspelt",
        ),
        pytest.param(
            {"template": {}},
            'template: unknown key; did you mean "templates"?',
            id="a table misspelt",
        ),
        pytest.param(
            {"templates": {"base": {"groups": [], "rule": []}}},
            'templates.base.rule: unknown key; did you mean "rules"?',
            id="a template's key misspelt",
        ),
        pytest.param(
            {"nodes": {"pi-3": {"colectors": {}}}},
            'nodes.pi-3.colectors: unknown key; did you mean "collectors"?',
            id="a node's key misspelt",
        ),
        pytest.param(
            _rule(kind="magic"),
            "rules.mine: kind must be one of "
            '"threshold", "presence", "absence", "forecast", "anomaly"',
            id="an unknown kind",
        ),
        pytest.param(
            _rule(**{"for": "5 minutes"}),
            'rules.mine.for: a duration is a number and a unit, such as "30s", "5m" or "1h"',
            id="a duration in prose",
        ),
        pytest.param(
            _rule(**{"for": 30}),
            'rules.mine.for: a duration is a number and a unit, such as "30s", "5m" or "1h"',
            id="a duration without a unit",
        ),
        pytest.param(
            _rule(clear=95),
            "rules.mine: clear 95 would hold during a breach (> 90); put it below the threshold",
            id="clear above the threshold",
        ),
        pytest.param(
            _rule(op="<=", clear=90),
            "rules.mine: clear 90 would hold during a breach (<= 90); put it above the threshold",
            id="clear equal to an inclusive threshold",
        ),
        pytest.param(
            _rule(op="==", clear=3),
            'rules.mine: clear has no meaning beside op "=="; leave it out',
            id="clear beside equality",
        ),
        pytest.param(
            {"templates": {"base": {"groups": ["al"]}}, "groups": {"all": ["*"]}},
            'templates.base.groups: no group "al"; did you mean "all"?',
            id="no such group",
        ),
        pytest.param(
            {"nodes": {"pi-3": {"rules": ["disk_ful"]}}},
            'nodes.pi-3.rules: no rule "disk_ful"; did you mean "disk_full"?',
            id="no such rule",
        ),
        pytest.param(
            {"groups": {"web": ["label:role"]}},
            'groups.web.0: a label is written "label:role=web"',
            id="a label without a value",
        ),
        pytest.param(
            {"nodes": {"recorder": {}}},
            "nodes.recorder.[key]: 'recorder' cannot be the name of a node",
            id="a node with a service's name",
        ),
    ],
)
def test_a_refusal_says_what_and_where(document: dict[str, Any], words: str) -> None:
    with pytest.raises(FleetError) as refused:
        fleet.read(document)
    assert refused.value.problems == [words]


def test_all_mistakes_are_told_at_once() -> None:
    document = _rule(kind="magic") | {"nodes": {"pi-3": {"rules": ["nothing"]}}}
    with pytest.raises(FleetError) as refused:
        fleet.read(document)
    assert len(refused.value.problems) == 2


def test_the_message_carries_revision_digest_and_document() -> None:
    payload = b'{"revision":12,"digest":"sha256:00","document":{"groups":{"all":["*"]}}}'
    message = FLEET.decode(payload)
    assert message.revision == 12
    assert fleet.read(message.document).rules_for("pi-3", {}) == {}


@pytest.mark.parametrize("payload", [b"[]", b'{"revision":1}', b'{"revision":-1,"document":{}}'])
def test_a_message_without_its_keys_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        FLEET.decode(payload)
