"""The store on real SQLite files: exactly once, all or nothing, one bad row costs itself alone."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.recorder import rejections
from rollcall.recorder.errors import (
    DatabaseBrokenError,
    DatabaseUnavailableError,
    RecorderError,
)
from rollcall.recorder.findings import Intake, ReportFound
from rollcall.recorder.store import Store
from rollcall.service.config import ConfigError
from rollcall.service.lock import AlreadyRunningError
from tests.support.database import EPOCH, ask, birth, end, filled, message, report, url_of

NOW_MS = 1_767_225_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollcall.db"


def reading(seq: int, value: float = 1.0) -> Intake:
    at_ms = NOW_MS - 100_000 + 1000 * seq
    return message("node/pi-3/metrics/cpu", report(seq, at_ms, {"percent": value}), at_ms)


def poisoned(seq: int) -> Intake:
    """A report with a number that SQLite cannot hold; no codec lets one through."""
    good = reading(seq)
    (found,) = [item for item in good.findings if isinstance(item, ReportFound)]
    bad = replace(found, samples=(replace(found.samples[0], value=2**70),))
    return replace(good, findings=(bad,))


def receipt(store: Store) -> tuple[int, list[tuple[int, int]]]:
    said = store.receipt("pi-3")
    assert said is not None
    assert (said.database, said.epoch) == (store.uuid, EPOCH)
    return said.through, said.missing


def test_a_report_is_a_row_in_samples_and_latest(path: Path) -> None:
    with filled(path, [reading(1, 12.5)]) as store:
        assert receipt(store) == (1, [])
        assert ask(path, "SELECT node, metric, instance, value, unit FROM samples") == [
            ("pi-3", "cpu.percent", "", 12.5, "percent")
        ]
        assert ask(path, "SELECT node, metric, value FROM latest") == [
            ("pi-3", "cpu.percent", 12.5)
        ]


def test_a_report_that_comes_again_is_counted_and_not_stored(path: Path) -> None:
    with filled(path, [reading(1), reading(2), reading(1)]) as store:
        again = store.commit([reading(2), reading(3)])
        assert (again.reports, again.duplicates, again.nodes) == (1, 1, {"pi-3"})
    assert ask(path, "SELECT count(*) FROM samples") == [(3,)]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrivals=st.lists(st.integers(1, 30), max_size=60), data=st.data())
def test_in_whatever_order_and_batches_each_number_is_stored_once(
    tmp_path: Path, arrivals: list[int], data: st.DataObject
) -> None:
    path = tmp_path / f"{time.monotonic_ns()}.db"
    rest = list(arrivals)
    reports = 0
    while True:
        with Store(url_of(path)) as store:
            size = data.draw(st.integers(1, 30))
            reports += store.commit([reading(seq) for seq in rest[:size]]).reports
        rest = rest[size:]
        if not rest:
            break
    assert reports == len(set(arrivals))
    assert ask(path, "SELECT count(*) FROM sample") == [(len(set(arrivals)),)]
    held = ask(path, "SELECT first_seq, last_seq FROM ledger")
    assert {n for first, last in held for n in range(first, last + 1)} == set(arrivals)


def test_a_batch_that_fails_leaves_nothing_and_may_come_again(path: Path) -> None:
    with filled(path, [reading(1)]) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailableError) as caught:
                store.commit([reading(2)])
            assert caught.value.state == "locked"
        assert store.commit([reading(2)]).reports == 1
        assert receipt(store) == (2, [])


def test_a_full_disk_is_waited_for(path: Path) -> None:
    with filled(path, [reading(1)]) as store:
        assert store._engine is not None
        with closing(store._engine.raw_connection()) as raw:
            pages = raw.cursor().execute("PRAGMA page_count").fetchone()[0]
            raw.cursor().execute(f"PRAGMA max_page_count={pages}").close()
        many = [reading(seq) for seq in range(2, 2000)]
        with pytest.raises(DatabaseUnavailableError) as caught:
            store.commit(many)
        assert caught.value.state == "full"
        assert ask(path, "SELECT count(*), max(last_seq) FROM sample, ledger") == [(1, 1)]
        with closing(store._engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA max_page_count=100000").close()
        assert store.commit(many).reports == 1998
        assert receipt(store) == (1999, [])


def test_one_poisoned_row_is_refused_and_the_rest_is_stored(path: Path) -> None:
    batch = [reading(seq) for seq in range(1, 20)]
    batch[7] = poisoned(8)
    with filled(path, batch) as store:
        assert receipt(store) == (19, [])
    assert ask(path, "SELECT count(*) FROM samples") == [(18,)]
    ((topic, reason, error),) = ask(path, "SELECT topic, reason, error FROM rejected")
    assert (topic, reason) == ("rollcall/v1/node/pi-3/metrics/cpu", "unstorable")
    assert "too large" in error


def test_row_after_row_refused_is_our_own_fault(path: Path) -> None:
    with Store(url_of(path)) as store, pytest.raises(DatabaseBrokenError, match="row after row"):
        store.commit([poisoned(seq) for seq in range(1, 6)])


def test_the_first_of_two_samples_at_one_time_stays(path: Path) -> None:
    first, second = reading(1, 10), reading(1, 20)
    (found,) = [item for item in second.findings if isinstance(item, ReportFound)]
    second = replace(second, findings=(replace(found, number=replace(found.number, seq=2)),))
    with filled(path, [first]) as store:
        again = store.commit([second])
        assert (again.reports, again.samples) == (1, 0)
    assert ask(path, "SELECT value FROM samples") == [(10,)]
    assert ask(path, "SELECT value FROM latest") == [(10,)]


def test_old_data_never_replaces_the_latest(path: Path) -> None:
    with filled(path, [reading(9, 90)]) as store:
        store.commit([reading(8, 80), reading(3, 30)])
        assert ask(path, "SELECT value FROM latest") == [(90,)]
        store.commit([reading(11, 110), reading(10, 100)])
    assert ask(path, "SELECT value FROM latest") == [(110,)]
    assert ask(path, "SELECT last_ts - first_ts FROM series") == [(8000,)]


def test_gaps_are_open_until_filled_or_declared(path: Path) -> None:
    query = "SELECT first_seq, last_seq, reports, state FROM gaps ORDER BY first_seq"
    with filled(path, [reading(1), reading(5), reading(9)]) as store:
        assert receipt(store) == (9, [(2, 4), (6, 8)])
        assert ask(path, query) == [(2, 4, 3, "open"), (6, 8, 3, "open")]
        evicted = {"epoch": EPOCH, "evicted": [[2, 3, "size"]]}
        store.commit([message("node/pi-3/backlog", evicted, NOW_MS), reading(4)])
        assert ask(path, query) == [(2, 3, 2, "size"), (6, 8, 3, "open")]
        store.commit([reading(seq) for seq in (6, 7, 8)])
        assert ask(path, query) == [(2, 3, 2, "size")]
        assert receipt(store) == (9, [])


def test_a_lost_tail_shows_as_a_gap(path: Path) -> None:
    online = message("node/pi-3/status", birth(NOW_MS, seq=7), NOW_MS)
    with filled(path, [reading(1), online]):
        assert ask(path, "SELECT first_seq, last_seq, state FROM gaps") == [(2, 7, "open")]


def test_units_come_from_the_node_whenever_it_says_them(path: Path) -> None:
    info = {
        "hostname": "pi-3", "agent": "1", "interval": 10, "description": "rack 2",
        "fields": {"cpu.percent": {"unit": "share", "kind": "state"}},
    }  # fmt: skip
    told = message("node/pi-3/info", info, NOW_MS)
    with filled(path, [reading(1), told]):
        assert ask(path, "SELECT unit, kind FROM series") == [("share", "state")]
        assert ask(path, "SELECT agent, description FROM nodes") == [("1", "rack 2")]


def test_rejections_are_kept_within_a_bound_and_counted_beyond(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejections, "MAX_ROWS", 3)
    bad = [message("node/pi-3/info", b"no json %d" % (n % 5), NOW_MS) for n in range(20)]
    with filled(path, bad[:10]) as store:
        store.commit(bad[10:])
    found = ask(path, "SELECT topic, times, payload FROM rejected ORDER BY topic, payload")
    topic = "rollcall/v1/node/pi-3/info"
    assert found == [
        ("#", 8, None),
        (topic, 4, "no json 0"),
        (topic, 4, "no json 1"),
        (topic, 4, "no json 2"),
    ]


def test_a_rejected_payload_is_kept_as_readable_text() -> None:
    assert rejections.readable(b"a\0b\xff\n\x1b[1mx") == "a\\x00b\\xff\n\\x1b[1mx"
    assert len(rejections.readable(b"x" * 100_000)) == rejections.MAX_PAYLOAD


def test_availability_follows_the_status_and_ends_where_the_node_was_last_seen(path: Path) -> None:
    t0 = NOW_MS - 600_000
    story = [
        message("node/pi-3/status", birth(t0), t0 + 100),
        message("node/pi-3/metrics/cpu", report(1, t0 + 10_000, {"percent": 1}), t0 + 10_000),
        message("node/pi-3/status", end("lost"), t0 + 40_000),
        message("node/pi-3/status", birth(t0 + 90_000, session=2), t0 + 90_100),
        message("node/pi-3/status", end("stopped", session=2, since_ms=t0 + 99_000), t0 + 99_500),
    ]
    with filled(path, story):
        rows = ask(
            path, "SELECT state, reason, ts, until_ts, seconds FROM availability ORDER BY ts"
        )
    assert [row[:4] for row in rows] == [
        ("online", None, t0, t0 + 10_000),
        ("offline", "lost", t0 + 10_000, t0 + 90_000),
        ("online", None, t0 + 90_000, t0 + 99_000),
        ("offline", "stopped", t0 + 99_000, None),
    ]
    assert [row[4] for row in rows[:3]] == [10, 80, 9]
    assert rows[3][4] >= 501


def test_a_silent_node_is_stale_from_when_it_was_last_seen(path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    t0 = now_ms - 600_000
    story = [
        message("node/pi-3/status", birth(t0), t0),
        message("node/pi-3/metrics/cpu", report(1, t0 + 10_000, {"percent": 1}), t0 + 10_000),
        message("node/pi-4/status", birth(now_ms), now_ms),
    ]
    with filled(path, story):
        found = ask(path, "SELECT node, state, silent_seconds > 500 FROM nodes ORDER BY node")
        assert found == [("pi-3", "stale", 1), ("pi-4", "online", 0)]
        rows = ask(
            path, "SELECT state, ts, until_ts FROM availability WHERE node = 'pi-3' ORDER BY ts"
        )
        assert rows == [("online", t0, t0 + 10_000), ("stale", t0 + 10_000, None)]
        assert ask(path, "SELECT state FROM latest WHERE node = 'pi-3'") == [("stale",)]


def test_a_node_that_reports_seldom_may_be_silent_for_three_of_its_intervals(path: Path) -> None:
    t0 = time.time_ns() // 1_000_000 - 100_000
    story = [
        message("node/slow/status", birth(t0, interval=60), t0),
        message("node/quick/status", birth(t0, interval=30), t0),
    ]
    with filled(path, story):
        found = ask(path, "SELECT node, state FROM nodes ORDER BY node")
        assert found == [("quick", "stale"), ("slow", "online")]


def test_a_node_whose_status_never_came_is_unknown(path: Path) -> None:
    with filled(path, [reading(1)]):
        assert ask(path, "SELECT state, reason, since FROM nodes") == [("unknown", None, None)]


def alert(state: str, value: float, evaluated_ms: int, severity: str = "critical") -> Any:
    return {
        "state": state, "severity": severity, "since": 5, "evaluated": evaluated_ms / 1000,
        "summary": "disk / is full", "incident": "A7F3K2",
        "instances": {"/": {"state": state, "value": value, "since": 5}},
    }  # fmt: skip


def test_alert_history_has_a_row_for_each_change_and_none_for_repeats(path: Path) -> None:
    topic = "alert/pi-3/disk_full"
    story = [
        message(topic, alert("pending", 95, NOW_MS), NOW_MS),
        message(topic, alert("pending", 96, NOW_MS + 1), NOW_MS),
        message(topic, alert("firing", 97, NOW_MS + 2), NOW_MS),
        message(topic, {"state": "ended", "reason": "recovered"}, NOW_MS + 3),
        message(topic, b"", NOW_MS + 4),
    ]
    with filled(path, story):
        query = "SELECT state, instance, value, ts, incident FROM alert_history ORDER BY ts"
        assert ask(path, query) == [
            ("pending", "/", 95, NOW_MS, "A7F3K2"),
            ("firing", "/", 97, NOW_MS + 2, "A7F3K2"),
            ("ended", "/", None, NOW_MS + 3, "A7F3K2"),
        ]


def test_rollups_compute_what_the_samples_say(path: Path) -> None:
    hour = NOW_MS // 3_600_000 * 3_600_000 - 3_600_000
    story = [
        message("node/pi-3/metrics/cpu", report(n, hour + at, {"percent": value}), hour + at)
        for n, (at, value) in enumerate([(0, 4), (10_000, 8), (59_999, 6), (60_000, 30)], 1)
    ]
    columns = "ts, min, avg, max, last, samples, unit"
    with filled(path, story):
        assert ask(path, f"SELECT {columns} FROM minutely ORDER BY ts") == [
            (hour, 4, 6, 8, 6, 3, "percent"),
            (hour + 60_000, 30, 30, 30, 30, 1, "percent"),
        ]
        assert ask(path, f"SELECT {columns} FROM hourly") == [(hour, 4, 12, 30, 30, 4, "percent")]


def test_a_clean_stop_leaves_a_file_that_a_folder_without_write_permission_can_serve(
    path: Path,
) -> None:
    with filled(path, [reading(1)]):
        assert path.with_name("rollcall.db-wal").exists()
    assert [file.name for file in sorted(path.parent.iterdir())] == [
        "rollcall.db",
        "rollcall.db.lock",
    ]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # not in WAL mode


def test_what_is_known_survives_a_restart(path: Path) -> None:
    with filled(path, [reading(1), message("node/pi-3/status", birth(NOW_MS), NOW_MS)]) as store:
        uuid = store.uuid
    with Store(url_of(path)) as store:
        assert store.uuid == uuid
        assert store.nodes() == ["pi-3"]
        assert receipt(store) == (1, [])
        assert store.commit([reading(1)]).duplicates == 1
        assert store.size_bytes() > 4096


def test_a_database_has_one_recorder(path: Path) -> None:
    with Store(url_of(path)), pytest.raises(AlreadyRunningError, match="already running"):
        Store(url_of(path)).__enter__()


def test_a_newer_schema_is_refused_with_both_versions(path: Path) -> None:
    with Store(url_of(path)):
        pass
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE alembic_version SET version_num = '0999'")
        other.commit()
    with pytest.raises(ConfigError, match=r"schema 0999.*up to 0002"):
        Store(url_of(path)).__enter__()


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE sample (a)")
    with pytest.raises(ConfigError, match="no database of Rollcall"):
        Store(url_of(path)).__enter__()
    assert ask(path, "SELECT name FROM sqlite_master") == [("sample",)]


def test_a_damaged_file_is_never_replaced(path: Path) -> None:
    path.write_bytes(b"this is no database, but somebody's only copy" * 100)
    with pytest.raises(DatabaseBrokenError, match="restore a backup"):
        Store(url_of(path)).__enter__()
    assert path.read_bytes().startswith(b"this is no database")


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecorderError, match="name another file"):
        Store(url_of(tmp_path / "file" / "rollcall.db")).__enter__()


URLS = [
    pytest.param("postgresql://me@host/db", "'postgresql' is not supported", id="postgresql"),
    pytest.param("sqlite://", "names no file", id="in memory"),
    pytest.param("rollcall.db", "is no URL", id="a plain path"),
    pytest.param("mysql://me:s3cret@host/db", "'mysql' is not supported", id="mysql"),
]


@pytest.mark.parametrize(("url", "said"), URLS)
def test_a_database_that_we_do_not_have_is_a_fault_of_the_configuration(
    url: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Store(url)
    assert "s3cret" not in str(caught.value)
