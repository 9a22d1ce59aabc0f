"""Roll-ups equal what the samples come to, whatever the order, lateness and interruptions."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from rollcall.recorder import rollups
from rollcall.recorder.errors import RecorderError
from rollcall.recorder.findings import Intake
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS, close_oldest
from rollcall.recorder.slices import SLICE_MS
from rollcall.recorder.store import Store
from tests.support.database import ask, filled, message, report, url_of

HOUR = 1_767_225_600_000  # midnight
NOW_MS = HOUR + 3 * HOUR_MS + rollups.SETTLED_MS
WIDTHS = {"minutely": MINUTE_MS, "hourly": HOUR_MS, "daily": DAY_MS}


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def reading(seq: int, at_ms: int, value: float, received_ms: int = NOW_MS) -> Intake:
    said = report(seq, at_ms, {"percent": value})
    return message("node/pi-3/metrics/cpu", said, received_ms)


def close_all(store: Store, now_ms: int = NOW_MS) -> None:
    while store.apply(lambda connection: close_oldest(connection, now_ms)):
        pass


def brute_force(samples: Iterable[tuple[int, float]], width_ms: int) -> list[tuple[Any, ...]]:
    buckets: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for ts, value in sorted(samples):
        buckets[ts - ts % width_ms].append((ts, value))
    return [
        (
            start,
            min(value for _, value in found),
            pytest.approx(sum(value for _, value in found) / len(found)),
            max(value for _, value in found),
            found[-1][1],
            len(found),
        )
        for start, found in sorted(buckets.items())
    ]


def stored(url: str, view: str) -> list[tuple[Any, ...]]:
    return ask(url, f"SELECT ts, min, avg, max, last, samples FROM {view} ORDER BY ts")


# Any moment of three hours, and the edges of minutes, hours and of what SQLite keeps together.
OFFSETS = st.lists(
    st.integers(0, 3 * HOUR_MS - 1)
    | st.builds(
        lambda slices, beside: min(max(slices * SLICE_MS + beside, 0), 3 * HOUR_MS - 1),
        st.integers(0, 3 * HOUR_MS // SLICE_MS),
        st.integers(-1, 1),
    ),
    min_size=1,
    max_size=40,
    unique=True,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    offsets=OFFSETS,
    seed=st.integers(0, 2**32),
)
def test_whatever_comes_when_and_whenever_it_is_killed_roll_ups_are_what_the_samples_are(
    new_database: Callable[[], str], offsets: list[int], seed: int
) -> None:
    url = new_database()
    chance = random.Random(seed)  # noqa: S311 - no secret
    samples = [(HOUR + at, float(chance.randint(-50, 50))) for at in offsets]
    rest = list(enumerate(samples, 1))
    while rest:
        with Store(url_of(url)) as store:  # each round is a restart
            some, rest = rest[: (size := chance.randint(1, 10))], rest[size:]
            store.commit([reading(seq, at, value) for seq, (at, value) in some])
            for _ in range(chance.randint(0, 2)):  # some hours are closed, and some not yet
                store.apply(lambda connection: close_oldest(connection, NOW_MS))
            if chance.random() < 0.5:
                _interrupt_closing(store)
            taken = samples[: len(samples) - len(rest)]
            assert ask(url, "SELECT ts, value FROM samples ORDER BY ts") == sorted(taken)
    with Store(url_of(url)) as store:
        close_all(store)
    for view, width_ms in WIDTHS.items():
        assert stored(url, view) == brute_force(samples, width_ms), view
    assert ask(url, "SELECT count(*) FROM rollup_due") == [(0,)]


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(offsets=OFFSETS)
def test_what_is_open_is_summed_up_when_somebody_asks(
    new_database: Callable[[], str], offsets: list[int]
) -> None:
    url = new_database()
    samples = [(HOUR + at, float(at % 101)) for at in offsets]
    with filled(url, [reading(seq, *sample) for seq, sample in enumerate(samples, 1)]):
        for view in ("minutely", "hourly"):
            assert stored(url, view) == brute_force(samples, WIDTHS[view]), view


class _KilledError(RecorderError):
    """Stands for SIGKILL: the transaction does not commit."""


def _interrupt_closing(store: Store) -> None:
    def step(connection: Connection) -> None:
        close_oldest(connection, NOW_MS)
        raise _KilledError

    with pytest.raises(_KilledError):
        store.apply(step)


def test_an_hour_is_closed_two_minutes_after_its_end_and_read_as_before(url: str) -> None:
    at = [(HOUR + 10_000 * n, float(n)) for n in range(380)]
    rows = [reading(seq, *sample) for seq, sample in enumerate(at, 1)]
    with filled(url, rows) as store:
        before = {view: stored(url, view) for view in ("minutely", "hourly")}
        assert before == {v: brute_force(at, WIDTHS[v]) for v in before}
        close_all(store, HOUR + HOUR_MS + rollups.SETTLED_MS - 1)
        assert ask(url, "SELECT count(*) FROM rollup_hour") == [(0,)]
        close_all(store, HOUR + HOUR_MS + rollups.SETTLED_MS)
        assert ask(url, "SELECT count(*) FROM rollup_hour") == [(1,)]
        assert {view: stored(url, view) for view in before} == before


def test_late_samples_make_their_hour_due_again(url: str) -> None:
    with filled(url, [reading(1, HOUR + 1000, 5)]) as store:
        close_all(store)
        store.commit([reading(2, HOUR + 2000, 9), reading(3, HOUR + 1000, 7)])
        assert ask(url, "SELECT ts, value FROM samples") == [(HOUR + 1000, 5), (HOUR + 2000, 9)]
        assert ask(url, "SELECT hour FROM rollup_due") == [(HOUR,)]
        close_all(store)
        assert stored(url, "hourly") == [(HOUR, 5, 7, 9, 9, 2)]
        assert stored(url, "daily") == [(HOUR, 5, 7, 9, 9, 2)]


def test_closing_reads_only_the_hour_in_question(tmp_path: Path) -> None:
    url = tmp_path / "rollcall.db"
    with filled(url, [reading(1, HOUR + 1000, 5)]) as store:
        for pattern, tables in (
            (rollups._FROM_SAMPLES, {"source": "sealed"}),
            (rollups._FROM_FINER, {"table": "rollup_hour", "finer": "rollup_minute"}),
        ):
            statement = str(rollups._statement(pattern, **tables))
            for name, value in (("start", HOUR), ("stop", HOUR + HOUR_MS)):
                statement = statement.replace(f":{name}", str(value))
            plan = [step for *_, step in ask(url, f"EXPLAIN QUERY PLAN {statement}")]
            scans = {step for step in plan if step.startswith("SCAN")}
            assert all(step.startswith(("SCAN s", "SCAN a")) for step in scans), plan
        assert store.nodes() == ["pi-3"]
