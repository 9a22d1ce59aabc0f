"""What the dashboard answers about the past."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from rollcall.dashboard import past
from rollcall.dashboard.past import Window
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.recorded_story import NOW, T0, recorded


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with Store(database_url) as store:
        recorded(store)
        with reading(database_url) as engine, engine.connect() as connection:
            yield connection


def test_a_series_says_what_it_is_and_where_it_has_holes(connection: Connection) -> None:
    window = Window(T0 - HOUR_MS, T0 + 2 * HOUR_MS, NOW)
    told: Any = past.series(connection, "pi-3", "cpu.percent", "", window)
    assert (told["level"], told["bucket"]) == ("samples", 10)
    assert len(told["times"]) == len(told["avg"]) == 119
    (hole,) = told["reasons"]
    assert hole["state"] == "unrecorded"
    assert hole["since"] == (T0 - HOUR_MS) / 1000
    assert told["recorded"] == pytest.approx(2 / 3, abs=0.01)
    assert told["events"] == [{"time": T0 / 1000, "kind": "reboot"}]


def test_buckets_keep_their_extremes_and_empty_ones_stay_empty(connection: Connection) -> None:
    window = Window(T0 - DAY_MS, T0 + DAY_MS, NOW)
    told: Any = past.series(connection, "pi-3", "cpu.percent", "", window)
    assert told["level"] == "hourly"
    first = told["times"].index(T0 / 1000)
    assert told["avg"][:first] == [None] * first
    assert (told["min"][first], told["max"][first]) == (0, 49)
    assert told["times"][-1] == (T0 + 3 * HOUR_MS) / 1000  # nothing is drawn after now


def test_a_series_that_never_was_is_empty(connection: Connection) -> None:
    window = Window(T0, T0 + HOUR_MS, NOW)
    told: Any = past.series(connection, "pi-9", "cpu.percent", "", window)
    assert (told["times"], told["recorded"]) == ([], 0)


def test_nodes_are_compared_on_one_grid(connection: Connection) -> None:
    window = Window(T0, T0 + 3 * HOUR_MS, NOW)
    told: Any = past.compared(connection, "cpu.percent", window, 6)
    assert len(told["times"]) == 6
    pi_3, pi_4 = told["rows"]
    assert (pi_3["node"], pi_3["highest"]) == ("pi-3", 49)
    assert pi_4["avg"] == [None, None, 99, None, None, None]
    assert told["metrics"] == ["cpu.percent"]


def test_trends_are_the_whole_minutes_of_the_hour_before(connection: Connection) -> None:
    told = past.trends(connection, "cpu.percent", T0 + 90 * MINUTE_MS + 30_000)
    first = (T0 + 30 * MINUTE_MS) // MINUTE_MS
    assert told["pi-3"] == {first + n: float((30 + n) % 50) for n in range(60)}
    assert told["pi-4"] == {first + 30: 99.0}


def test_the_cluster_of_a_moment_has_the_shape_of_a_live_frame(connection: Connection) -> None:
    told: Any = past.cluster_at(connection, T0 + 150 * MINUTE_MS)
    pi_3, pi_4 = told["nodes"]
    assert (pi_3["name"], pi_3["state"], pi_3["values"]["cpu"]["value"]) == ("pi-3", "online", 0)
    assert (pi_4["state"], pi_4["reason"], pi_4["rank"]) == ("offline", "stopped", 4)
    then: Any = past.cluster_at(connection, T0 + 90 * MINUTE_MS)
    assert then["nodes"][0]["rank"] == 0
    assert then["nodes"][0]["alerts"][0]["summary"] == "disk / is full"


def test_a_night_is_told_in_order(connection: Connection) -> None:
    told: Any = past.night(connection, Window(T0 - HOUR_MS, NOW, NOW))
    assert [(entry["kind"], entry["node"]) for entry in told["story"]] == [
        ("event", "pi-3"),
        ("critical", "pi-3"),
        ("gap", "pi-4"),  # one report in an hour
        ("offline", "pi-4"),
        ("stale", "pi-3"),  # it has said nothing since, and today is long after
    ]
    incident = told["story"][1]
    assert incident["words"] == "disk_full: disk / is full"
    assert incident["until"] == (T0 + 2 * HOUR_MS) / 1000
    assert told["nodes"] == 2
