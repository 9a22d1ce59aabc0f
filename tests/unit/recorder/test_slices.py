"""On SQLite a series of the open hours is found without reading those of all others."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from rollcall.recorder import overviews, queries
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS
from rollcall.recorder.slices import SLICE_MS
from rollcall.recorder.store import Store
from rollcall.recorder.upgrade import Upgrade
from tests.support.database import ask
from tests.support.old_database import make_old
from tests.support.recorded_story import NOW, T0, recorded

SERIES = ("pi-3", "cpu.percent", "")
ONE_SERIES = "node = 'pi-3' AND metric = 'cpu.percent'"
QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "an hour": lambda c: queries.curve(c, *SERIES, NOW - HOUR_MS, NOW),
    "a day": lambda c: queries.curve(c, *SERIES, NOW - DAY_MS, NOW),
    "a week": lambda c: queries.curve(c, *SERIES, NOW - 7 * DAY_MS, NOW),
    "all nodes compared": lambda c: overviews.compared(c, SERIES[1], NOW - HOUR_MS, NOW, 100),
    "the cluster as it was": lambda c: overviews.values_at(c, [SERIES[1]], NOW),
    **{
        f"view {view}": lambda c, view=view: c.execute(  # type: ignore[misc]
            text(f"SELECT * FROM {view} WHERE {ONE_SERIES} AND ts > {NOW - DAY_MS}")
        ).fetchall()
        for view in ("samples", "minutely", "hourly")
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "rollcall.db"
    with Store(f"sqlite:///{path}") as store:
        recorded(store)
        yield path


def plans_of(path: Path, question: Callable[[Connection], Any]) -> list[str]:
    """Ask, and give every step that looks into a table by its key."""
    asked: list[tuple[str, Any]] = []
    with reading(f"sqlite:///{path}") as engine, engine.connect() as connection:
        event.listen(
            engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, values, *_rest: asked.append(
                (statement, values)
            ),
        )
        question(connection)
    found = [ask(path, f"EXPLAIN QUERY PLAN {statement}", values) for statement, values in asked]
    return [step for plan in found for *_, step in plan]


def way_to_sample(steps: list[str]) -> set[str]:
    """Give how the rows of `sample` are found: the columns of its key, or SCAN."""
    keys = {step.partition(" USING PRIMARY KEY ")[2] for step in steps if "slice" in step}
    scans = {"SCAN" for step in steps if step in ("SCAN x", "SCAN y", "SCAN z", "SCAN sample")}
    return keys | scans


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_series_is_looked_for_once_in_each_slice(path: Path, question: str) -> None:
    ways = way_to_sample(plans_of(path, QUESTIONS[question]))
    assert ways, "it does not look into the open hours at all"
    for way in ways:
        assert way.startswith(("(ANY(slice) AND series_id=?", "(slice=? AND series_id=?")), ways


@pytest.mark.parametrize(
    "question",
    [
        lambda c: overviews.compared(c, SERIES[1], T0, T0 + HOUR_MS, 100),
        lambda c: overviews.values_at(c, [SERIES[1]], T0 + HOUR_MS),
    ],
    ids=["all nodes compared", "the cluster as it was"],
)
def test_what_is_closed_is_answered_without_a_look_into_the_open_hours(
    path: Path, question: Callable[[Connection], Any]
) -> None:
    assert way_to_sample(plans_of(path, question)) == set()


def test_without_the_statistics_everything_would_be_read(path: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(bare)) as target:
        source.backup(target)
        target.execute("DELETE FROM sqlite_stat1")
        target.commit()
    ways = way_to_sample(plans_of(bare, QUESTIONS["an hour"]))
    assert ways == {"SCAN"}


@pytest.mark.parametrize("way", ["made", "upgraded", "copied"])
def test_every_database_has_the_order_and_its_statistics(tmp_path: Path, way: str) -> None:
    path = tmp_path / "rollcall.db"
    url = f"sqlite:///{path}"
    if way == "upgraded":
        make_old(url)
    with Store(url) as store:
        recorded(store)
    if way == "copied":
        path = tmp_path / "copy.db"
        with Upgrade.opened(url) as work:
            work.back_up(path)
    assert ask(path, "SELECT stat FROM sqlite_stat1 WHERE tbl = 'sample'") == [
        ("1000000 5000 3 1",)
    ]
    wrong = "SELECT count(*), sum(slice <> ts / ?) FROM sample"
    ((rows, misplaced),) = ask(path, wrong, [SLICE_MS])
    assert (rows > 0, misplaced) == (True, 0)
    assert HOUR_MS % SLICE_MS == 0
