"""The read side on both engines: bounded, clipped, and the same answer before and after closing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from rollcall.recorder import queries
from rollcall.recorder.queries import Point, Rank, State, reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.database import birth, message
from tests.support.recorded_story import NOW, T0, cpu, listened, recorded, story


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with Store(database_url) as store:
        recorded(store)
        with reading(database_url) as engine, engine.connect() as connection:
            yield connection


@pytest.mark.parametrize(
    ("window_ms", "resolution"),
    [
        (HOUR_MS, "raw"),
        (DAY_MS, "minutely"),
        (7 * DAY_MS, "hourly"),
        (30 * DAY_MS, "hourly"),
        (900 * DAY_MS, "daily"),
        (9_000 * DAY_MS, "daily"),
    ],
)
def test_the_window_chooses_the_resolution(window_ms: int, resolution: str) -> None:
    assert queries.resolution_for(window_ms) == resolution


def test_a_curve_goes_on_through_what_is_closed_and_what_is_open(connection: Connection) -> None:
    raw = queries.curve(connection, "pi-3", "cpu.percent", "", NOW - 4 * HOUR_MS, NOW)
    assert (raw.resolution, len(raw.points)) == ("raw", 184)
    assert raw.points[0] == Point(T0 + MINUTE_MS, 1, 1, 1, 1, 1)
    fine = queries.curve(connection, "pi-3", "cpu.percent", "", NOW - DAY_MS, NOW)
    assert (fine.resolution, len(fine.points)) == ("minutely", 184)
    assert fine.points[-1] == Point(T0 + 184 * MINUTE_MS, 34, 34, 34, 34, 1)
    coarse = queries.curve(connection, "pi-3", "cpu.percent", "", NOW - 7 * DAY_MS, NOW)
    assert (coarse.resolution, [point.samples for point in coarse.points]) == (
        "hourly",
        [59, 60, 60, 5],
    )
    assert coarse.points[-1] == Point(T0 + 3 * HOUR_MS, 30, 32, 34, 34, 5)
    assert queries.curve(connection, "pi-9", "cpu.percent", "", 0, NOW).points == []


def test_a_series_with_a_short_interval_is_bounded_too(database_url: str) -> None:
    many = [cpu(n, T0 + n * 1000, 1.0) for n in range(1, 3001)]
    with Store(database_url) as store:
        store.commit(many)
        with reading(database_url) as engine, engine.connect() as connection:
            found = queries.curve(connection, "pi-3", "cpu.percent", "", T0, T0 + HOUR_MS)
            assert (found.resolution, len(found.points)) == ("minutely", 51)


def test_states_are_clipped_and_uptimes_follow_from_them(connection: Connection) -> None:
    start, stop = T0 + 30 * MINUTE_MS, T0 + 150 * MINUTE_MS
    assert queries.states(connection, start, stop, "pi-4") == [
        State("pi-4", "online", None, T0 + HOUR_MS, T0 + 2 * HOUR_MS),
        State("pi-4", "offline", "stopped", T0 + 2 * HOUR_MS, None),
    ]
    uptime = queries.uptimes(connection, start, stop, NOW)[1]
    assert (uptime.node, uptime.known_ms) == ("pi-4", 90 * MINUTE_MS)
    assert uptime.percent == pytest.approx(100 * 60 / 90)
    at_first = queries.cluster_at(connection, T0 + 10 * MINUTE_MS)
    assert [(state.node, state.state) for state in at_first] == [("pi-3", "online")]
    later = queries.cluster_at(connection, T0 + 130 * MINUTE_MS)
    assert ("pi-4", "offline") in [(state.node, state.state) for state in later]


def test_a_period_of_silence_that_is_over_counts_as_down(database_url: str) -> None:
    alive = message("node/pi-3/status", birth(T0), T0).payload
    with Store(database_url) as store:
        for at_ms in (T0, T0 + 10_000, T0 + 110_000, T0 + 200_000):
            store.commit([listened("pi-3", alive, at_ms)])
        with reading(database_url) as engine, engine.connect() as connection:
            found = queries.states(connection, T0, T0 + 115_000)
            assert [(state.state, state.ts, state.until_ts) for state in found][:2] == [
                ("online", T0, T0 + 10_000),
                ("stale", T0 + 10_000, T0 + 110_000),
            ]


def test_the_highest_values_come_first(connection: Connection) -> None:
    assert queries.top(connection, "cpu.percent", T0, T0 + DAY_MS) == [
        Rank("pi-4", "", 99),
        Rank("pi-3", "", 49),
    ]
    assert queries.top(connection, "cpu.percent", T0, T0 + 9 * DAY_MS, 1) == [Rank("pi-4", "", 99)]


def test_the_newest_values_incidents_events_and_gaps(connection: Connection) -> None:
    (found,) = queries.latest(connection, "pi-3")
    assert (found.metric, found.ts, found.value) == ("cpu.percent", T0 + 184 * MINUTE_MS, 34)
    assert [each.node for each in queries.latest(connection)] == ["pi-3", "pi-4"]
    (incident,) = queries.incidents(connection, T0, NOW)
    assert incident[:4] == ("A7F3K2", "pi-3", "disk_full", "critical")
    assert (incident.began_ts, incident.ended_ts) == (T0 + HOUR_MS, T0 + 2 * HOUR_MS)
    assert [each.kind for each in queries.events(connection, T0, NOW, "pi-3")] == ["reboot"]
    (gap,) = queries.gaps(connection)
    assert gap[2:] == (185, 189, "open")


def test_nothing_can_be_written(connection: Connection) -> None:
    with pytest.raises(SQLAlchemyError):
        connection.exec_driver_sql("DELETE FROM newest")


def test_a_file_that_was_left_cleanly_is_read_where_nothing_may_be_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rollcall.db'}"
    with Store(url) as store:
        store.commit(story())
    before = sorted(tmp_path.iterdir())
    with reading(url) as engine, engine.connect() as connection:
        assert len(queries.latest(connection)) == 2
    assert sorted(tmp_path.iterdir()) == before
