"""`rollcall command`: the words people write, the lines they get."""

from typing import Any

import click
import pytest
from pydantic import JsonValue

from rollcall.broker.messages import Reply
from rollcall.console.command import document, exit_code, lines, parse
from rollcall.console.command_round import Answered, Round, meant
from rollcall.console.options import CommandError

KNOWN = {"pi-1": True, "pi-2": False, "web-1": True, "ping": True}


def answered(result: JsonValue, node: str = "pi-1") -> Answered:
    return Answered(node, Reply(id="c", ok=True, result=result), 0.012)


def refused(why: str) -> Answered:
    return Answered("pi-1", Reply(id="c", ok=False, error=why), 0.012)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("pi-1 ping", (["pi-1"], "ping", {}), id="one node"),
        pytest.param("pi-* web-1 report", (["pi-*", "web-1"], "report", {}), id="several"),
        pytest.param("ping ping", (["ping"], "ping", {}), id="a node named ping"),
        pytest.param(
            "pi-1 boost cpu 1s 5m",
            (["pi-1"], "boost", {"collector": "cpu", "interval": 1, "for": 300}),
            id="boost",
        ),
        pytest.param(
            "pi-1 processes", (["pi-1"], "processes", {"by": "cpu", "top": 5}), id="processes"
        ),
        pytest.param(
            "pi-1 processes memory 10",
            (["pi-1"], "processes", {"by": "memory", "top": 10}),
            id="by memory",
        ),
        pytest.param(
            "pi-1 processes 3", (["pi-1"], "processes", {"by": "cpu", "top": 3}), id="three"
        ),
    ],
)
def test_the_words_are_understood(words: str, expected: tuple[Any, ...]) -> None:
    assert parse(words.split()) == expected


@pytest.mark.parametrize(
    "words",
    [
        "",
        "ping",
        "pi-1",
        "pi-1 reboot",
        "pi-1 boost cpu",
        "pi-1 boost cpu fast 5m",
        "pi-1 boost cpu 1s 5m now",
        "pi-1 ping twice",
        "pi-1 processes disk",
        "pi-1 processes cpu 3 4",
    ],
)
def test_other_words_are_wrong_usage(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(words.split())


def test_patterns_mean_nodes_and_offline_ones_are_not_asked() -> None:
    assert meant(["pi-*"], KNOWN) == (["pi-1"], ["pi-2"])
    assert meant(["pi-1", "*"], KNOWN) == (["pi-1", "ping", "web-1"], ["pi-2"])


@pytest.mark.parametrize(
    ("pattern", "said"), [("db-*", "no node fits db-"), ("db", "no such node")]
)
def test_what_means_no_node_is_said(pattern: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        meant(["pi-1", pattern], KNOWN)


@pytest.mark.parametrize(
    ("done", "code"),
    [
        pytest.param(Round([answered({})]), 0, id="all answered"),
        pytest.param(Round([answered({}), refused("no")], ["a"]), 1, id="one refused"),
        pytest.param(Round([answered({})], ["a"]), 3, id="one said nothing"),
        pytest.param(Round([answered({})], [], ["a"]), 3, id="one is offline"),
        pytest.param(Round([], ["a"]), 5, id="nobody answered"),
        pytest.param(Round([], [], ["a"]), 5, id="all are offline"),
    ],
)
def test_the_exit_code_says_how_it_went(done: Round, code: int) -> None:
    assert exit_code(done) == code


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        pytest.param(answered({"agent": "1.0"}), "pi-1: here, agent 1.0, 12 ms", id="ping"),
        pytest.param(refused("no"), "pi-1: refused: no", id="refused"),
        pytest.param(
            answered({"reports": {"cpu": 7}, "missing": ["disk"]}),
            "pi-1: 1 reports: cpu; not in time: disk",
            id="report",
        ),
        pytest.param(
            answered({"collector": "cpu", "interval": 1, "for": 300, "then": 10}),
            "pi-1: cpu every 1 s for 300 s, then every 10 s again",
            id="boost",
        ),
    ],
)
def test_a_reply_is_said_in_a_line(reply: Answered, line: str) -> None:
    assert lines(reply) == [line]


def test_processes_are_a_table_without_control_characters() -> None:
    row: dict[str, JsonValue] = {
        "pid": 7,
        "name": "a\x1b[31mb",
        "cpu_percent": 12.3,
        "resident_bytes": 2 * 1024**2,
    }
    first, head, only = lines(answered({"processes": [row, "rubbish"]}))
    assert (first, head.split()[0]) == ("pi-1:", "PID")
    assert only.split() == ["7", "-", "12%", "-", "2.0", "MiB", "a?[31mb"]


@pytest.mark.parametrize(
    "result", [None, 3, [], {"processes": 3}, {"reports": []}, {"collector": None}, {"x": {}}]
)
def test_a_reply_of_any_shape_is_said_somehow(result: JsonValue) -> None:
    assert lines(answered(result))[0].startswith("pi-1:")


def test_the_document_has_everybody() -> None:
    told = document("ping", Round([answered({"agent": "1.0"}), refused("no")], ["a"], ["b"]))
    assert told == {
        "schema": 1,
        "command": "ping",
        "replies": [
            {"node": "pi-1", "seconds": 0.012, "ok": True, "result": {"agent": "1.0"}},
            {"node": "pi-1", "seconds": 0.012, "ok": False, "error": "no"},
        ],
        "silent": ["a"],
        "offline": ["b"],
    }
