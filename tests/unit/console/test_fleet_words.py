"""What `rollcall fleet` says: differences, answers, the settings of a node, a document as TOML."""

import tomllib
from typing import Any

import pytest
import tomli_w

from rollcall.broker import fleet
from rollcall.broker.fleet.differences import Difference
from rollcall.broker.fleet.inspection import Finding, Level
from rollcall.broker.fleet.published import sealed
from rollcall.broker.messages import Applied
from rollcall.broker.node_view import NodeState, NodeView
from rollcall.console import fleet_words, words
from rollcall.console.fleet_answers import Answer, Answers
from rollcall.console.fleet_catalogue import as_applied, defaults
from rollcall.console.fleet_effective import rows

DOCUMENT: dict[str, Any] = {
    "groups": {"all": ["*"]},
    "templates": {
        "base": {
            "groups": ["all"],
            "rules": ["cpu_high"],
            "collectors": {"cpu": {"interval": "5s"}, "process": {"groups": {"py": "python*"}}},
        }
    },
    "nodes": {"pi-3": {"description": "rack 2"}},
}


def view(name: str, state: NodeState, applied: Applied | None = None) -> NodeView:
    return NodeView(
        name=name,
        state=state,
        reason=None,
        since=None,
        age_s=None,
        held_back=False,
        interval_s=10,
        info=None,
        reports={},
        applied=applied,
    )


def test_what_changes_alike_is_told_once_the_most_nodes_first() -> None:
    both, one = ("pi-1", "pi-2"), ("nas",)
    found = [
        Difference("collectors.cpu.interval", '"10s"', '"1s"', both),
        Difference("collectors.cpu.sample", '"1s"', None, one),
        Difference("description", None, '"rack 2"', one),
        Difference("group pis", None, "a member", both),
        Difference("group web", "a member", None, one),
        Difference("rule cpu_high", "holds", None, both),
        Difference("rule cpu_high, for", '"5m"', '"1m"', one),
        Difference("rule too_hot", None, "holds", one),
    ]
    assert fleet_words.difference_lines(found, 3) == [
        "pi-1, pi-2 (2 nodes):",
        '  collectors.cpu.interval = "1s" (was "10s")',
        "  joins the group pis",
        "  rule cpu_high no longer holds",
        "nas:",
        '  collectors.cpu.sample is no longer set (was "1s")',
        '  description = "rack 2" (was not set)',
        "  leaves the group web",
        '  rule cpu_high, for = "1m" (was "5m")',
        "  rule too_hot begins to hold",
    ]
    assert fleet_words.difference_lines(found[:1], 2)[0] == "all 2 nodes:"
    assert fleet_words.difference_lines([], 2) == ["Nothing changes for any of 2 nodes."]


def test_findings_are_written_so_that_editors_find_them() -> None:
    findings = [
        Finding(Level.FAULT, "groups: x", 3),
        Finding(Level.FAULT, "is not TOML", None),
        Finding(Level.NOTE, "y", 4),
    ]
    assert fleet_words.finding_lines("fleet.toml", findings) == [
        "fleet.toml:3: fault: groups: x",
        "fleet.toml: fault: is not TOML",
        "fleet.toml:4: note: y",
    ]
    assert fleet_words.counted(findings) == "2 faults, 1 note"


def test_answers_say_who_applied_it_who_refused_what_and_who_is_away() -> None:
    message = sealed(DOCUMENT, 2)
    answers = Answers(message)
    for name in ("pi-1", "pi-2", "pi-3", "pi-4"):
        answers.ask(view(name, NodeState.ONLINE, Applied(revision=1, digest="old")))
    answers.ask(view("nas", NodeState.OFFLINE))
    assert answers.waiting
    answers.hear("pi-1", Applied(revision=2, digest=message.digest))
    answers.hear("pi-2", Applied(revision=2, digest=message.digest, problems=["cpu: no"]))
    answers.hear("pi-3", Applied(revision=1, digest="old", problems=["rules: no"]))
    answers.hear("pi-4", Applied(revision=1, digest="old"))
    assert answers.waiting
    assert not answers.all_applied
    assert answers.lines() == [
        "applied by   pi-1",
        "applied, but pi-2: cpu: no",
        "refused by   pi-3: rules: no",
        "no answer    pi-4",
        "offline      nas; takes it on coming back",
    ]
    assert answers.as_json()["pi-3"] == {"answer": "refused", "problems": ["rules: no"]}


def test_a_node_that_came_back_with_the_document_needs_no_further_answer() -> None:
    message = sealed(DOCUMENT, 2)
    answers = Answers(message)
    applied = Applied(revision=2, digest=message.digest)
    answers.ask(view("pi-1", NodeState.STALE, applied))
    assert not answers.waiting
    assert answers.nodes(Answer.APPLIED) == ["pi-1"]
    assert answers.all_applied


def test_every_value_of_a_node_has_an_origin() -> None:
    in_force = fleet.read(DOCUMENT)
    own: dict[str, Any] = {
        "cpu": {"interval": 5, "per_core": True, "enabled": True},
        "gpu": {"interval": 60},
    }
    answer = Applied(
        revision=1, digest="x", collectors={**as_applied({"memory": {}}), **own, "disk": {}}
    )
    found = {row.key: row for row in rows(in_force, "pi-3", {}, defaults(), answer)}
    assert {key: (row.shown, row.origin) for key, row in found.items() if key in KEYS} == KEYS
    assert all(row.origin for row in found.values())


KEYS = {
    "cpu.interval": ('"5s"', "templates.base"),
    "cpu.per_core": ("true", "the node's own file"),
    "description": ('"rack 2"', "nodes.pi-3"),
    "gpu.interval": ("60", "plug-in"),
    "memory.interval": ("10", "default"),
    "process.groups.py": ('"python*"', "templates.base"),
    "rule cpu_high": ("holds", "templates.base"),
}


def test_what_a_node_has_beside_the_document_is_its_own() -> None:
    groups: dict[str, Any] = {"py": ["python*"], "mine": ["x"]}
    expected = as_applied({"process": {"groups": {"py": "python*"}}})["process"]
    answer = Applied(revision=1, digest="x", collectors={"process": {**expected, "groups": groups}})
    found = {row.key: row for row in rows(fleet.read(DOCUMENT), "pi-3", {}, defaults(), answer)}
    assert (found["process.groups.py"].origin, found["process.groups.py"].remark) == (
        "templates.base",
        "",
    )
    mine = found["process.groups.mine"]
    assert (mine.value, mine.origin) == (["x"], "the node's own file")


def test_a_value_that_the_node_did_not_take_is_shown_beside_the_documents() -> None:
    document = DOCUMENT | {"nodes": {"pi-3": {"collectors": {"cpu": {"interval": "2s"}}}}}
    answer = Applied(revision=1, digest="x", collectors={"cpu": {"interval": 1, "enabled": True}})
    found = {row.key: row for row in rows(fleet.read(document), "pi-3", {}, defaults(), answer)}
    row = found["cpu.interval"]
    assert (row.shown, row.origin, row.remark) == ('"2s"', "nodes.pi-3", "the node has 1 instead")


def test_what_a_terminal_would_obey_is_escaped_so_that_toml_reads_it_back() -> None:
    text = "é\x1b[31m\x9b\u202e\u00a0\U000e0001"
    said = words.printable(text)
    assert said == "é\\u001b[31m\\u009b\\u202e\\u00a0\\U000e0001"
    assert tomllib.loads(f'a = "{said}"')["a"] == text
    assert words.printable("a\nb") == "a\nb"


@pytest.mark.parametrize("section", ["templates", "nodes"])
def test_a_published_null_becomes_what_toml_has_for_it(section: str) -> None:
    inner: dict[str, Any] = {
        "cpu": {"interval": None},
        "process": {"groups": {"a b": None, "c": 1}},
    }
    table: dict[str, Any] = {"collectors": {**inner, "disk": None}, "unset": ["collectors.load"]}
    written = fleet_words.document_toml({section: {"x": table, "y": {}}})
    read = tomllib.loads(tomli_w.dumps(written))
    assert read[section]["x"] == {
        "collectors": {"cpu": {}, "process": {"groups": {"c": 1}}},
        "unset": [
            "collectors.load",
            "collectors.cpu.interval",
            'collectors.process.groups."a b"',
            "collectors.disk",
        ],
    }
