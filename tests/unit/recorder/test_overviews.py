"""Questions over many nodes at once, on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from rollcall.recorder import overviews
from rollcall.recorder.overviews import HistoryAwayError, ask
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS, close_oldest
from rollcall.recorder.store import Store
from tests.support.recorded_story import NOW, T0, cpu, recorded


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with Store(database_url) as store:
        recorded(store)
        with reading(database_url) as engine, engine.connect() as connection:
            yield connection


def test_a_metric_of_all_nodes_comes_on_one_grid(connection: Connection) -> None:
    width, found = overviews.compared(connection, "cpu.percent", T0, T0 + 3 * HOUR_MS, 6)
    assert width == 30 * MINUTE_MS
    assert [(bucket.node, (bucket.ts - T0) // width) for bucket in found] == [
        *(("pi-3", number) for number in range(6)),
        ("pi-4", 2),
    ]
    assert found[0].samples == 29
    assert found[0].high == 29
    assert found[0].mean == pytest.approx(15)


def test_an_hour_that_is_still_open_is_part_of_it(connection: Connection) -> None:
    _, found = overviews.compared(connection, "cpu.percent", T0, NOW, 4)
    assert sum(bucket.samples for bucket in found) == 185


@pytest.mark.parametrize("points", [1, 2, 7, 60, 500])
@pytest.mark.parametrize("window_ms", [MINUTE_MS, HOUR_MS, 3 * DAY_MS, 400 * DAY_MS])
def test_there_are_never_more_buckets_than_asked_for(
    connection: Connection, points: int, window_ms: int
) -> None:
    width, _ = overviews.compared(connection, "cpu.percent", T0, T0 + window_ms, points)
    assert -(-window_ms // width) <= points


def test_a_moment_has_the_newest_values_of_the_day_before_it(connection: Connection) -> None:
    at = T0 + 90 * MINUTE_MS + 30_000
    found = overviews.values_at(connection, ["cpu.percent", "load.load1"], at)
    assert [(was.node, was.ts - T0, was.value) for was in found] == [
        ("pi-3", 90 * MINUTE_MS, 40.0),
        ("pi-4", HOUR_MS, 99.0),
    ]
    later = overviews.values_at(connection, ["cpu.percent"], NOW + 30 * MINUTE_MS)
    assert [(was.node, was.ts - T0) for was in later] == [
        ("pi-3", 184 * MINUTE_MS),
        ("pi-4", HOUR_MS),
    ]
    assert overviews.values_at(connection, ["cpu.percent"], T0 + 3 * DAY_MS) == []


def test_a_moment_has_the_alerts_of_then(connection: Connection) -> None:
    (alert,) = overviews.alerts_at(connection, T0 + 90 * MINUTE_MS)
    assert (alert.node, alert.rule, alert.state) == ("pi-3", "disk_full", "firing")
    assert overviews.alerts_at(connection, T0) == []
    assert overviews.alerts_at(connection, T0 + 3 * HOUR_MS) == []


def test_what_changed_most_stands_first(database_url: str) -> None:
    with Store(database_url) as store:
        store.commit(
            [
                *(cpu(n, T0 + n * MINUTE_MS, 5 if n < 60 else 80) for n in range(120)),
                *(cpu(n, T0 + n * MINUTE_MS, 50, "pi-4") for n in range(120)),
            ]
        )
        while store.apply(lambda connection: close_oldest(connection, NOW)):
            pass
        change, *_ = ask(
            database_url,
            lambda asking: overviews.changes(asking, T0 + HOUR_MS, T0 + 2 * HOUR_MS, 5),
        )
    assert (change.node, change.metric) == ("pi-3", "cpu.percent")
    assert (change.before, change.after) == (5, 80)


def test_a_night_is_compared_with_the_night_before_and_not_with_the_day(database_url: str) -> None:
    def value(minute: int) -> float:
        return 5 if minute < 60 else 99 if minute < DAY_MS // MINUTE_MS else 80

    minutes = [*range(120), *range(DAY_MS // MINUTE_MS, DAY_MS // MINUTE_MS + 60)]
    with Store(database_url) as store:
        store.commit([cpu(n, T0 + n * MINUTE_MS, value(n)) for n in minutes])
        while store.apply(lambda connection: close_oldest(connection, NOW + DAY_MS)):
            pass
        (change,) = ask(
            database_url,
            lambda asking: overviews.changes(
                asking, T0 + DAY_MS, T0 + DAY_MS + HOUR_MS, 5, apart_ms=DAY_MS
            ),
        )
    assert (change.before, change.after) == (5, 80)


def test_every_metric_is_named(connection: Connection) -> None:
    assert overviews.metrics(connection) == ["cpu.percent"]


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(HistoryAwayError, match="cannot be asked"):
        ask(f"sqlite:///{tmp_path / 'nowhere' / 'rollcall.db'}", overviews.metrics)
