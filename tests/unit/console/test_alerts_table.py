"""Alerts and silences as people see them."""

from typing import Any

import pytest

from rollcall.console.alerts_table import print_alerts, print_silences

ALERT = {
    "rule": "disk_full",
    "node": "nas-1",
    "instance": "/",
    "state": "firing",
    "severity": "critical",
    "value": 97.1,
    "op": ">=",
    "threshold": 95,
    "since": 1000,
    "incident": "A7F3K2",
    "told": ["default"],
    "told_at": 1060,
    "mails": 1,
    "why": "nothing has changed",
    "acknowledged": None,
    "undelivered": None,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "default: 1 mail, 9m ago; nothing has changed", id="told"),
        pytest.param({"acknowledged": "ann"}, "taken on by ann", id="taken on"),
        pytest.param(
            {"told": [], "why": "silenced until"}, "nobody: silenced until", id="not told"
        ),
        pytest.param(
            {"undelivered": "not out yet: 535"}, "default: not out yet: 535", id="not out"
        ),
        pytest.param({"threshold": None, "value": None}, "default: 1 mail", id="presence"),
    ],
)
def test_a_row_says_who_was_told_or_why_nobody_was(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    print_alerts({"alerts": [{**ALERT, **changes}], "more": 2, "pending": 1}, 1600)
    told = capsys.readouterr().out
    assert words in told
    assert "disk_full" in told
    assert "and 2 more" in told
    assert "1 pending: rollcall alerts list --all" in told


def test_nothing_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_alerts({"alerts": [], "more": 0, "pending": 0}, 0)
    print_silences([], 0)
    assert capsys.readouterr().out == "Nothing fires.\nNothing is silenced.\n"


def test_a_silence_says_what_is_left_or_when_it_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    silence = {"id": "S1AB", "nodes": ["web-*", "db"], "rule": "*", "instance": "*", "comment": "x"}
    print_silences(
        [{**silence, "starts": 0, "ends": 4000}, {**silence, "starts": 1000, "ends": 4000}], 400
    )
    told = capsys.readouterr().out
    assert "1h 00m left" in told
    assert "begins in 10m" in told
    assert "web-* db" in told
