"""What another document changes, told once for all nodes that it changes alike."""

from typing import Any

import pytest

from rollcall.broker import fleet
from rollcall.broker.fleet.differences import Difference, differences, duration, shown
from rollcall.broker.fleet.published import digest, newest_revision, sealed
from rollcall.broker.messages import FLEET, Applied, encode

NODES: dict[str, dict[str, str]] = {"pi-1": {}, "pi-2": {}, "nas": {"role": "web"}}
BEFORE: dict[str, Any] = {
    "groups": {"all": ["*"], "pis": ["pi-*"]},
    "templates": {
        "base": {
            "groups": ["all"],
            "rules": ["cpu_high"],
            "collectors": {"cpu": {"interval": "10s"}},
        },
        "pi": {"groups": ["pis"], "rules": ["too_hot"]},
    },
}


def changed(**sections: Any) -> list[Difference]:
    return differences(fleet.read(BEFORE), fleet.read(BEFORE | sections), NODES)


def test_the_same_document_changes_nothing() -> None:
    assert changed() == []


def test_a_template_changes_exactly_the_nodes_of_its_groups() -> None:
    pi = {"groups": ["pis"], "collectors": {"cpu": {"interval": "1s"}}}
    assert changed(templates=BEFORE["templates"] | {"pi": pi}) == [
        Difference("collectors.cpu.interval", '"10s"', '"1s"', ("pi-1", "pi-2")),
        Difference("rule too_hot", "holds", None, ("pi-1", "pi-2")),
    ]


def test_a_node_changes_alone() -> None:
    table = {"description": 'the "blue" one', "unset": ["collectors.cpu.interval"]}
    assert changed(nodes={"nas": table}) == [
        Difference("collectors.cpu.interval", '"10s"', None, ("nas",)),
        Difference("description", None, '"the \\"blue\\" one"', ("nas",)),
    ]


def test_a_rule_changes_where_it_holds_and_by_its_keys() -> None:
    assert changed(rules={"too_hot": {"threshold": 85, "for": "90s"}}) == [
        Difference("rule too_hot, for", '"30s"', '"90s"', ("pi-1", "pi-2")),
        Difference("rule too_hot, threshold", "80", "85", ("pi-1", "pi-2")),
    ]


def test_a_group_is_joined_and_left() -> None:
    assert changed(groups={"all": ["*"], "pis": ["pi-1", "label:role=web"]}) == [
        Difference("group pis", None, "a member", ("nas",)),
        Difference("group pis", "a member", None, ("pi-2",)),
        Difference("rule too_hot", None, "holds", ("nas",)),
        Difference("rule too_hot", "holds", None, ("pi-2",)),
    ]


def test_the_first_document_ends_the_rules_that_held_without_it() -> None:
    found = differences(fleet.built_in(), fleet.read({}), NODES)
    assert {each.key for each in found} == {f"rule {name}" for name in fleet.BUILT_IN}
    assert all(each.nodes == ("nas", "pi-1", "pi-2") for each in found)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(True, "true", id="a flag"),
        pytest.param(None, "none", id="nothing"),
        pytest.param(['a"', 1], '["a\\"", 1]', id="a list"),
        pytest.param({}, "{}", id="an empty table"),
        pytest.param({"python": "py*"}, '{ python = "py*" }', id="a table"),
    ],
)
def test_a_value_is_written_as_in_the_file(value: Any, words: str) -> None:
    assert shown(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, '"0s"'), (90, '"90s"'), (300, '"5m"'), (7200, '"2h"'), (1e6, '"1000000s"')],
)
def test_a_duration_is_written_as_in_the_file(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_digest_tells_documents_apart_by_the_order_of_their_templates() -> None:
    turned = BEFORE | {"templates": dict(reversed(BEFORE["templates"].items()))}
    assert turned == BEFORE
    assert digest(turned) != digest(BEFORE)
    nulls = BEFORE | {"nodes": {"nas": {"collectors": {"cpu": {"interval": None}}}}}
    message = sealed(nulls, 7, file="fleet.toml", lines={"cpu_high": 41})
    read = FLEET.decode(encode(message))
    assert digest(read.document) == read.digest == message.digest


def test_a_revision_is_remembered_by_the_nodes_when_the_broker_forgot_it() -> None:
    assert newest_revision(None, []) == 0
    assert newest_revision(None, [Applied(revision=7, digest="x")]) == 7
    assert newest_revision(sealed({}, 9), [Applied(revision=7, digest="x")]) == 9
