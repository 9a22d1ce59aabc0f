"""The store on both engines: exactly once, all or nothing, one bad row costs itself alone."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.recorder import rejections
from rollcall.recorder.errors import (
    DatabaseBrokenError,
)
from rollcall.recorder.findings import Freshness, Intake, ReportFound
from rollcall.recorder.store import Store
from tests.support.database import (
    EPOCH,
    NOW_MS,
    ask,
    birth,
    end,
    filled,
    message,
    reading,
    receipt,
    report,
    url_of,
)


@pytest.fixture
def database(database_url: str) -> str:
    return database_url


def poisoned(seq: int) -> Intake:
    """A report with a text that no engine can hold; no codec lets one through."""
    good = reading(seq)
    (found,) = [item for item in good.findings if isinstance(item, ReportFound)]
    bad = replace(found, samples=(("cpu.percent", "\ud800", 1.0),))
    return replace(good, findings=(bad,))


def test_a_report_is_a_row_in_samples_and_latest(database: str) -> None:
    with filled(database, [reading(1, 12.5)]) as store:
        assert receipt(store) == (1, [])
        assert ask(database, "SELECT node, metric, instance, value, unit FROM samples") == [
            ("pi-3", "cpu.percent", "", 12.5, "percent")
        ]
        assert ask(database, "SELECT node, metric, value FROM latest") == [
            ("pi-3", "cpu.percent", 12.5)
        ]


def test_a_report_that_comes_again_is_counted_and_not_stored(database: str) -> None:
    with filled(database, [reading(1), reading(2), reading(1)]) as store:
        again = store.commit([reading(2), reading(3)])
        assert (again.reports, again.duplicates, again.nodes) == (1, 1, {"pi-3"})
    assert ask(database, "SELECT count(*) FROM samples") == [(3,)]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrivals=st.lists(st.integers(1, 30), max_size=60), data=st.data())
def test_in_whatever_order_and_batches_each_number_is_stored_once(
    new_database: Callable[[], str], arrivals: list[int], data: st.DataObject
) -> None:
    database = new_database()
    rest = list(arrivals)
    reports = 0
    while True:
        with Store(database) as store:
            size = data.draw(st.integers(1, 30))
            reports += store.commit([reading(seq) for seq in rest[:size]]).reports
        rest = rest[size:]
        if not rest:
            break
    assert reports == len(set(arrivals))
    assert ask(database, "SELECT count(*) FROM sample") == [(len(set(arrivals)),)]
    held = ask(database, "SELECT first_seq, last_seq FROM ledger")
    assert {n for first, last in held for n in range(first, last + 1)} == set(arrivals)


def test_one_poisoned_row_is_refused_and_the_rest_is_stored(database: str) -> None:
    batch = [reading(seq) for seq in range(1, 20)]
    batch[7] = poisoned(8)
    with filled(database, batch) as store:
        assert receipt(store) == (19, [])
    assert ask(database, "SELECT count(*) FROM samples") == [(18,)]
    ((topic, reason, error),) = ask(database, "SELECT topic, reason, error FROM rejected")
    assert (topic, reason) == ("rollcall/v1/node/pi-3/metrics/cpu", "unstorable")
    assert "surrogates not allowed" in error


def test_row_after_row_refused_is_our_own_fault(database: str) -> None:
    with Store(database) as store, pytest.raises(DatabaseBrokenError, match="row after row"):
        store.commit([poisoned(seq) for seq in range(1, 6)])


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("values", [(10, 20), (20, 10)], ids=["rising", "falling"])
def test_the_first_of_two_samples_at_one_time_stays(
    database: str, batches: int, values: tuple[float, float]
) -> None:
    first, second = (reading(1, value) for value in values)
    (found,) = [item for item in second.findings if isinstance(item, ReportFound)]
    second = replace(second, findings=(replace(found, number=replace(found.number, seq=2)),))
    with Store(url_of(database)) as store:
        story = [[first], [second]] if batches > 1 else [[first, second]]
        *_, again = [store.commit(batch) for batch in story]
        assert (again.reports, again.samples) == (3 - batches, 2 - batches)
    assert ask(database, "SELECT value FROM samples") == [(values[0],)]
    assert ask(database, "SELECT value FROM latest") == [(values[0],)]


def test_more_rows_than_one_statement_takes_are_all_stored(database: str) -> None:
    fields = {f"f{number}": float(number) for number in range(601)}
    said = message("node/pi-3/metrics/many", report(1, NOW_MS, fields), NOW_MS)
    with filled(database, [said]) as store:
        assert store.commit([said]).duplicates == 1
    found = ask(database, "SELECT metric, value FROM samples")
    assert dict(found) == {f"many.{field}": value for field, value in fields.items()}


def test_old_data_never_replaces_the_latest(database: str) -> None:
    with filled(database, [reading(9, 90)]) as store:
        store.commit([reading(8, 80), reading(3, 30)])
        assert ask(database, "SELECT value FROM latest") == [(90,)]
        store.commit([reading(11, 110), reading(10, 100)])
    assert ask(database, "SELECT value FROM latest") == [(110,)]
    assert ask(database, "SELECT last_ts - first_ts FROM series") == [(8000,)]


def test_gaps_are_open_until_filled_or_declared(database: str) -> None:
    query = "SELECT first_seq, last_seq, reports, state FROM gaps ORDER BY first_seq"
    with filled(database, [reading(1), reading(5), reading(9)]) as store:
        assert receipt(store) == (9, [(2, 4), (6, 8)])
        assert ask(database, query) == [(2, 4, 3, "open"), (6, 8, 3, "open")]
        evicted = {"epoch": EPOCH, "evicted": [[2, 3, "size"]]}
        store.commit([message("node/pi-3/backlog", evicted, NOW_MS), reading(4)])
        assert ask(database, query) == [(2, 3, 2, "size"), (6, 8, 3, "open")]
        store.commit([reading(seq) for seq in (6, 7, 8)])
        assert ask(database, query) == [(2, 3, 2, "size")]
        assert receipt(store) == (9, [])


def test_a_lost_tail_shows_as_a_gap(database: str) -> None:
    online = message("node/pi-3/status", birth(NOW_MS, seq=7), NOW_MS)
    with filled(database, [reading(1), online]):
        assert ask(database, "SELECT first_seq, last_seq, state FROM gaps") == [(2, 7, "open")]


def test_units_come_from_the_node_whenever_it_says_them(database: str) -> None:
    info = {
        "hostname": "pi-3", "agent": "1", "interval": 10, "description": "rack 2",
        "fields": {"cpu.percent": {"unit": "share", "kind": "state"}},
    }  # fmt: skip
    told = message("node/pi-3/info", info, NOW_MS)
    with filled(database, [reading(1), told]):
        assert ask(database, "SELECT unit, kind FROM series") == [("share", "state")]
        assert ask(database, "SELECT agent, description FROM nodes") == [("1", "rack 2")]


def test_rejections_are_kept_within_a_bound_and_counted_beyond(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejections, "MAX_ROWS", 3)
    bad = [message("node/pi-3/info", b"no json %d" % (n % 5), NOW_MS) for n in range(20)]
    with filled(database, bad[:10]) as store:
        store.commit(bad[10:])
    found = ask(database, "SELECT topic, times, payload FROM rejected ORDER BY topic, payload")
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


def test_availability_follows_the_status_and_ends_where_the_node_was_last_seen(
    database: str,
) -> None:
    t0 = NOW_MS - 600_000
    story = [
        message("node/pi-3/status", birth(t0), t0 + 100),
        message("node/pi-3/metrics/cpu", report(1, t0 + 10_000, {"percent": 1}), t0 + 10_000),
        message("node/pi-3/status", end("lost"), t0 + 40_000),
        message("node/pi-3/status", birth(t0 + 90_000, session=2), t0 + 90_100),
        message("node/pi-3/status", end("stopped", session=2, since_ms=t0 + 99_000), t0 + 99_500),
    ]
    with filled(database, story):
        rows = ask(
            database, "SELECT state, reason, ts, until_ts, seconds FROM availability ORDER BY ts"
        )
    assert [row[:4] for row in rows] == [
        ("online", None, t0, t0 + 10_000),
        ("offline", "lost", t0 + 10_000, t0 + 90_000),
        ("online", None, t0 + 90_000, t0 + 99_000),
        ("offline", "stopped", t0 + 99_000, None),
    ]
    assert [row[4] for row in rows[:3]] == [10, 80, 9]
    assert rows[3][4] >= 501


@pytest.mark.parametrize("freshness", list(Freshness))
def test_a_silence_that_a_goodbye_ends_was_stale_if_somebody_listened(
    database: str, freshness: Freshness
) -> None:
    t0 = NOW_MS - 600_000
    goodbye = end("stopped", since_ms=t0 + 200_000)
    story = [
        message("node/pi-3/status", birth(t0), t0),
        message("node/pi-3/metrics/cpu", report(1, t0 + 10_000, {"percent": 1}), t0 + 10_000),
        message("node/pi-3/status", goodbye, t0 + 200_500, freshness, t0),
    ]
    with filled(database, story):
        rows = ask(database, "SELECT state, reason, ts, until_ts FROM availability ORDER BY ts")
    silent = [("stale", None, t0 + 10_000, t0 + 200_000)] if freshness is Freshness.LIVE else []
    assert rows == [
        ("online", None, t0, t0 + (10_000 if silent else 200_000)),
        *silent,
        ("offline", "stopped", t0 + 200_000, None),
    ]


def test_a_silent_node_is_stale_from_when_it_was_last_seen(database: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    t0 = now_ms - 600_000
    story = [
        message("node/pi-3/status", birth(t0), t0),
        message("node/pi-3/metrics/cpu", report(1, t0 + 10_000, {"percent": 1}), t0 + 10_000),
        message("node/pi-4/status", birth(now_ms), now_ms),
    ]
    with filled(database, story):
        found = ask(database, "SELECT node, state, silent_seconds > 500 FROM nodes ORDER BY node")
        assert found == [("pi-3", "stale", 1), ("pi-4", "online", 0)]
        rows = ask(
            database, "SELECT state, ts, until_ts FROM availability WHERE node = 'pi-3' ORDER BY ts"
        )
        assert rows == [("online", t0, t0 + 10_000), ("stale", t0 + 10_000, None)]
        assert ask(database, "SELECT state FROM latest WHERE node = 'pi-3'") == [("stale",)]


def test_a_node_that_reports_seldom_may_be_silent_for_three_of_its_intervals(database: str) -> None:
    t0 = time.time_ns() // 1_000_000 - 100_000
    story = [
        message("node/slow/status", birth(t0, interval=60), t0),
        message("node/quick/status", birth(t0, interval=30), t0),
    ]
    with filled(database, story):
        found = ask(database, "SELECT node, state FROM nodes ORDER BY node")
        assert found == [("quick", "stale"), ("slow", "online")]


def test_a_node_whose_status_never_came_is_unknown(database: str) -> None:
    with filled(database, [reading(1)]):
        assert ask(database, "SELECT state, reason, since FROM nodes") == [("unknown", None, None)]


def alert(state: str, value: float, evaluated_ms: int, severity: str = "critical") -> Any:
    return {
        "state": state, "severity": severity, "since": 5, "evaluated": evaluated_ms / 1000,
        "summary": "disk / is full", "incident": "A7F3K2",
        "instances": {"/": {"state": state, "value": value, "since": 5}},
    }  # fmt: skip


def test_alert_history_has_a_row_for_each_change_and_none_for_repeats(database: str) -> None:
    topic = "alert/pi-3/disk_full"
    story = [
        message(topic, alert("pending", 95, NOW_MS), NOW_MS),
        message(topic, alert("pending", 96, NOW_MS + 1), NOW_MS),
        message(topic, alert("firing", 97, NOW_MS + 2), NOW_MS),
        message(topic, {"state": "ended", "reason": "recovered"}, NOW_MS + 3),
        message(topic, b"", NOW_MS + 4),
    ]
    with filled(database, story):
        query = "SELECT state, instance, value, ts, incident FROM alert_history ORDER BY ts"
        assert ask(database, query) == [
            ("pending", "/", 95, NOW_MS, "A7F3K2"),
            ("firing", "/", 97, NOW_MS + 2, "A7F3K2"),
            ("ended", "/", None, NOW_MS + 3, "A7F3K2"),
        ]


def test_rollups_compute_what_the_samples_say(database: str) -> None:
    hour = NOW_MS // 3_600_000 * 3_600_000 - 3_600_000
    story = [
        message("node/pi-3/metrics/cpu", report(n, hour + at, {"percent": value}), hour + at)
        for n, (at, value) in enumerate([(0, 4), (10_000, 8), (59_999, 6), (60_000, 30)], 1)
    ]
    columns = "ts, min, avg, max, last, samples, unit"
    with filled(database, story):
        assert ask(database, f"SELECT {columns} FROM minutely ORDER BY ts") == [
            (hour, 4, 6, 8, 6, 3, "percent"),
            (hour + 60_000, 30, 30, 30, 30, 1, "percent"),
        ]
        assert ask(database, f"SELECT {columns} FROM hourly") == [
            (hour, 4, 12, 30, 30, 4, "percent")
        ]


def test_what_is_known_survives_a_restart(database: str) -> None:
    with filled(
        database, [reading(1), message("node/pi-3/status", birth(NOW_MS), NOW_MS)]
    ) as store:
        uuid = store.uuid
    with Store(database) as store:
        assert store.uuid == uuid
        assert store.nodes() == ["pi-3"]
        assert receipt(store) == (1, [])
        assert store.commit([reading(1)]).duplicates == 1
        assert store.size_bytes() > 4096
