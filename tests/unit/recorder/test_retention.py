"""What is kept how long: nothing that is still needed goes, and what comes too late is merged."""

import math

import pytest
from pydantic import ValidationError
from sqlalchemy.engine import Connection

from rollcall.recorder import pruning, retention
from rollcall.recorder.commands import Commands
from rollcall.recorder.pruning import Pruning
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, close_oldest
from rollcall.recorder.store import Store
from rollcall.recorder.upkeep import Upkeep
from rollcall.service.settings import Keep, kept_days
from tests.support.database import EPOCH, ask, filled, message, report, url_of

DAY = 1_767_225_600_000  # midnight
KEEP = Keep(raw="2d", minutely="4d", hourly="6d", daily="8d")


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def fill(url: str, days: int) -> Store:
    """Ten readings in the first hour of each day, the last of them at the end; all hours closed."""
    store = Store(url_of(url)).__enter__()
    messages = []
    for seq in range(days * 10):
        at_ms = DAY + seq // 10 * DAY_MS + seq % 10 * 60_000
        said = report(seq + 1, at_ms, {"percent": float(seq % 10)})
        messages.append(message("node/pi-3/metrics/cpu", said, at_ms))
    store.commit(messages)
    now_ms = DAY + days * DAY_MS
    while store.apply(lambda connection: close_oldest(connection, now_ms)):
        pass
    return store


def prune(store: Store, now_ms: int, keep: Keep = KEEP) -> None:
    begun = Pruning(keep, now_ms)
    store.apply(begun.begin)
    while store.apply(begun.step):
        pass


def count(url: str) -> dict[str, int]:
    raw = "sealed" if url.startswith("sqlite") else "sample"
    tables = {name: name for name in ("rollup_minute", "rollup_hour", "rollup_day")}
    found = {"sealed": raw, **tables}
    return {name: ask(url, f"SELECT count(*) FROM {table}")[0][0] for name, table in found.items()}


def test_every_level_keeps_its_days_and_loses_what_is_older(url: str) -> None:
    store = fill(url, 10)
    try:
        prune(store, DAY + 10 * DAY_MS)
        assert count(url) == {
            "sealed": 20, "rollup_minute": 40, "rollup_hour": 6, "rollup_day": 8
        }  # fmt: skip
        assert ask(url, "SELECT min(ts) FROM samples") == [(DAY + 8 * DAY_MS,)]
        assert ask(url, "SELECT value FROM latest") == [(9,)]
    finally:
        store.__exit__(None, None, None)


def test_what_pruning_takes_is_said_before(url: str) -> None:
    store = fill(url, 10)
    try:
        projected = store.apply(lambda c: pruning.project(c, KEEP, DAY + 10 * DAY_MS))
        before = count(url)
        prune(store, DAY + 10 * DAY_MS)
        after = count(url)
        gone = [before[table] - after[table] for table in before]
        assert gone == [80, 60, 4, 2]
        # Of roll-ups it is the most that there can be: ten samples may lie in ten hours.
        assert [level.rows for level in projected] == [80, 60, 40, 2]
        again = store.apply(lambda c: pruning.project(c, KEEP, DAY + 10 * DAY_MS))
        assert [level.rows for level in again] == [0, 0, 0, 0]
    finally:
        store.__exit__(None, None, None)


def test_slices_are_small_and_a_kill_between_them_costs_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slice_rows = 7 if url.startswith("sqlite") else 10  # there a slice is a day
    monkeypatch.setattr(pruning, "SLICE_ROWS", 7)
    store = fill(url, 10)
    try:
        begun = Pruning(KEEP, DAY + 10 * DAY_MS)
        store.apply(begun.begin)
        store.apply(begun.step)
        assert count(url)["sealed"] == 100 - slice_rows
        prune(store, DAY + 10 * DAY_MS)
        assert count(url)["sealed"] == 20
    finally:
        store.__exit__(None, None, None)


def test_a_due_hour_is_never_deleted(url: str) -> None:
    store = fill(url, 10)
    try:
        late = report(500, DAY + 5 * DAY_MS + 1000, {"percent": 100.0})
        store.commit([message("node/pi-3/metrics/cpu", late, DAY + 10 * DAY_MS)])
        prune(store, DAY + 10 * DAY_MS)
        assert ask(url, "SELECT min(ts) FROM samples") == [(DAY + 5 * DAY_MS,)]
        store.apply(lambda connection: close_oldest(connection, DAY + 10 * DAY_MS))
        prune(store, DAY + 10 * DAY_MS)
        assert ask(url, "SELECT max, samples FROM hourly WHERE samples = 11") == [(100, 11)]
        assert ask(url, "SELECT min(ts) FROM samples") == [(DAY + 8 * DAY_MS,)]
    finally:
        store.__exit__(None, None, None)


def test_samples_older_than_the_raw_horizon_are_merged_into_the_rollups(url: str) -> None:
    store = fill(url, 10)
    try:
        prune(store, DAY + 10 * DAY_MS)
        at_ms = DAY + 7 * DAY_MS + 30_000
        late = message("node/pi-3/metrics/cpu", report(700, at_ms, {"percent": 99.0}), at_ms)
        store.commit([late, late])
        while store.apply(lambda connection: close_oldest(connection, DAY + 10 * DAY_MS)):
            pass
        view = "SELECT ts, min, avg, max, last, samples FROM {} WHERE ts >= {} AND max = 99"
        average = pytest.approx((45 + 99) / 11)
        expected = [(DAY + 7 * DAY_MS, 0, average, 99, 9, 11)]
        assert ask(url, view.format("hourly", DAY + 7 * DAY_MS)) == expected
        assert ask(url, view.format("daily", DAY + 7 * DAY_MS)) == expected
        assert ask(url, "SELECT count(*) FROM samples WHERE value = 99") == [(0,)]
        older = report(701, DAY + 2 * DAY_MS, {"percent": 98.0})
        store.commit([message("node/pi-3/metrics/cpu", older, at_ms)])
        assert ask(url, "SELECT samples FROM daily WHERE max = 98") == [(11,)]
        assert ask(url, "SELECT count(*) FROM hourly WHERE max = 98") == [(0,)]
        assert ask(url, "SELECT first_seq, last_seq FROM ledger WHERE first_seq > 600") == [
            (700, 701)
        ]
    finally:
        store.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("now_ms", "newest_ts", "raw"),
    [
        pytest.param(DAY, DAY - 1, DAY - 2 * DAY_MS, id="usual"),
        pytest.param(DAY + 1, DAY, DAY - 2 * DAY_MS, id="days begin at midnight"),
        pytest.param(DAY + 9999 * DAY_MS, DAY, DAY - DAY_MS, id="our own clock says 2053"),
        pytest.param(DAY, None, 0, id="nothing was ever stored"),
        pytest.param(DAY_MS, DAY_MS, 0, id="a clock in 1970"),
    ],
)
def test_the_horizon_is_a_day(now_ms: int, newest_ts: int | None, raw: int) -> None:
    assert retention.horizons(KEEP, now_ms, newest_ts)["raw"] == raw


def test_for_ever_is_for_ever() -> None:
    assert retention.horizons(Keep(), DAY, DAY)["daily"] == 0
    assert (kept_days("8w"), kept_days("5y"), kept_days("forever")) == (56, 1825, math.inf)


@pytest.mark.parametrize("wrong", ["30", "0d", "1h", "ever", "99999d", ""])
def test_other_words_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Keep(raw=wrong)


def test_a_coarser_level_is_kept_at_least_as_long() -> None:
    with pytest.raises(ValidationError, match=r"minutely \(90d\) is shorter than raw \(1y\)"):
        Keep(raw="1y")


def command(**more: object) -> bytes:
    said = {"id": "a1", "command": "prune", "expires": 2000.0, **more}
    return str(said).replace("'", '"').replace("True", "true").encode()


def test_the_command_tells_and_with_dry_run_does_nothing(url: str) -> None:
    with filled(url, []) as store:
        upkeep = Upkeep(store, KEEP)
        commands = Commands(upkeep)
        told = commands.answer(command(dry_run=True), replayed=False, now_s=1000)
        assert told is not None
        assert (told.id, told.ok, told.error) == ("a1", True, None)
        assert isinstance(told.result, dict)
        assert told.result["pruning"] is False
        assert commands.answer(command(), replayed=False, now_s=1000) is None  # the id again
        assert commands.answer(b"what", replayed=False, now_s=1000) is None
        wrong = commands.answer(command(id="a2", command="reboot"), replayed=False, now_s=1000)
        assert wrong is not None
        assert wrong.error == "the recorder knows no command 'reboot'; it takes prune"
        late = commands.answer(command(id="a3"), replayed=False, now_s=3000)
        assert late is not None
        assert not late.ok


def test_upkeep_closes_hours_and_prunes_when_told(url: str) -> None:
    store = fill(url, 10)
    try:
        upkeep = Upkeep(store, KEEP)
        upkeep.step(0)
        assert count(url)["sealed"] == 100
        upkeep.prune(dry_run=False)
        for second in range(100):
            upkeep.step(second * 30)
        assert count(url)["sealed"] == 20
    finally:
        store.__exit__(None, None, None)


def test_a_step_that_fails_is_tried_again_and_nothing_of_it_has_happened(url: str) -> None:
    with filled(url, []) as store:

        def step(connection: Connection) -> None:
            connection.exec_driver_sql("INSERT INTO rollup_due (hour) VALUES (3600000)")
            raise RuntimeError(EPOCH)

        with pytest.raises(RuntimeError, match=EPOCH):
            store.apply(step)
        assert ask(url, f"SELECT count(*) FROM rollup_due WHERE hour = {HOUR_MS}") == [(0,)]
