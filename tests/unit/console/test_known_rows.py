"""The cluster out of the database: nothing old poses as fresh."""

import pytest

from rollcall.console.from_database import known_last, of_node, then
from rollcall.console.known_rows import CPU, DISK, RecordedAlert, RecordedNode, fullest, rows_of
from rollcall.console.row_numbers import numbers
from rollcall.console.show_recorded import document, lines
from rollcall.console.summary import LastValue
from rollcall.console.top_past import Database, node_lines
from rollcall.recorder.rollups import HOUR_MS, MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.recorded_story import T0, recorded

AT = 1_767_225_600.0


def node(name: str, state: str = "online", age_s: float = 5, severity: str = "") -> RecordedNode:
    alerts = (
        {"cpu_high": RecordedAlert("firing", severity, AT, "cpu is 96 %", "A1")} if severity else {}
    )
    last = {CPU: LastValue(12.4, AT - age_s), DISK: LastValue(61, AT - age_s)}
    return RecordedNode(name, state, None, AT - 100, AT - age_s, last, alerts)


def test_rows_are_judged_and_ordered_as_those_from_the_broker() -> None:
    rows = rows_of(
        [
            node("a"), node("b", "stale"), node("c", "offline"), node("d", severity="warning"),
            node("e", severity="critical"), node("f", severity="info"),
        ],
        AT,
    )  # fmt: skip
    assert [(row.node, row.verdict) for row in rows] == [
        ("e", "critical"), ("c", "offline"), ("b", "stale"), ("d", "warning"), ("a", "ok"),
        ("f", "ok"),
    ]  # fmt: skip
    assert [row.node for row in rows_of([node("a"), node("b")], AT, ["b"])] == ["b"]


@pytest.mark.parametrize(
    ("found", "cells"),
    [
        pytest.param(node("a"), ["12%", "-", "61%", "-", "-"], id="fresh"),
        pytest.param(node("a", age_s=46), ["(12%)", "-", "61%", "-", "-"], id="a minute is no age"),
        pytest.param(node("a", age_s=181), ["(12%)", "-", "(61%)", "-", "-"], id="old"),
        pytest.param(node("a", "offline"), ["(12%)", "-", "(61%)", "-", "-"], id="not there"),
    ],
)
def test_what_is_not_fresh_stands_in_brackets(found: RecordedNode, cells: list[str]) -> None:
    (row,) = rows_of([found], AT)
    assert numbers(row, unicode=True) == cells
    assert (row.cpu_percent is None) == cells[0].startswith("(")


def test_of_several_disks_the_fullest_counts() -> None:
    found = fullest([("a", DISK, 1000, 40.0), ("a", DISK, 2000, 97.0), ("a", DISK, 3000, 5.0)])
    assert found == {"a": {DISK: LastValue(97.0, 2.0)}}


def test_both_engines_tell_what_is_known_last_and_what_was(database_url: str) -> None:
    with Store(database_url) as store:
        recorded(store)
        last = {each.node: each for each in known_last(database_url)}
        at = (T0 + HOUR_MS + 30 * MINUTE_MS) / 1000
        past = {row.node: row for row in rows_of(then(database_url, at), at)}
        facts = of_node(database_url, "pi-3")
        assert of_node(database_url, "pi-9") is None
        again = Database(database_url)
        assert again.then(at) is again.then(at)
    assert (last["pi-3"].state, last["pi-4"].state) == ("stale", "offline")
    assert last["pi-3"].last[CPU].number == 34.0
    assert (past["pi-3"].verdict, past["pi-3"].cpu_percent) == ("critical", 40.0)
    assert (past["pi-4"].verdict, past["pi-4"].cpu_percent) == ("ok", None)
    assert past["pi-4"].last[CPU].number == 99.0
    assert any("cpu.percent" in line and "40" in line for line in node_lines(past["pi-3"], at))
    assert facts is not None
    told = lines(*facts, at)
    assert told[1].startswith("pi-3: stale since ")
    assert any(line.startswith("cpu, OLD: ") for line in told)
    assert document(*facts, at)["collectors"]["cpu"]["fields"] == {"percent": 34.0}


def test_a_database_that_is_away_is_told_and_stops_nothing() -> None:
    past = Database("sqlite:///nowhere/rollcall.db").then(AT)
    assert (past.rows, "cannot be asked" in past.failure) == ([], True)
