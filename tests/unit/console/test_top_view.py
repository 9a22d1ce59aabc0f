"""What the full screen shows, and what keys do to it."""

import pytest

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import Online, Report, ServiceOffline, ServiceOnline, encode
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind
from rollcall.console.recording import clock, recording_of
from rollcall.console.top_view import (
    SORTS,
    Link,
    Wishes,
    header,
    header_of_past,
    plain,
    rows_of,
    sparkline,
)
from rollcall.dashboard.trend import Trend

EPOCH = "9f3c21d07a5be4c8"
NOW = Now(1_767_225_600.0, 1000.0)
LIVE = Link(connected=True, since=NOW.wall_s)


def cluster_of(**cpu_percent: float) -> Cluster:
    cluster = Cluster()
    for name, percent in cpu_percent.items():
        node = name.replace("_", "-")
        birth = Online(since=NOW.wall_s, session=1, epoch=EPOCH, interval=10, seq=0)
        report = Report(
            time=NOW.wall_s, interval=10, epoch=EPOCH, seq=1, fields={"percent": percent}
        )
        for address, message in (
            (Address(Kind.STATUS, node), birth),
            (Address(Kind.METRICS, node, "cpu"), report),
        ):
            cluster.fold(address, encode(message), replayed=False, now=NOW)
    return cluster


def pressed(keys: str | list[str], cluster: Cluster) -> tuple[Wishes, list[str]]:
    wishes = Wishes()
    for key in keys:
        wishes = wishes.after(key, rows_of(cluster, NOW, wishes))
    return wishes, [row.node for row in rows_of(cluster, NOW, wishes)]


def test_the_filter_is_typed_and_kept_with_enter() -> None:
    cluster = cluster_of(pi_1=1, pi_2=2, nas_1=3)
    wishes, nodes = pressed(["/", "n", "a", "x", "backspace", "enter"], cluster)
    assert (wishes.wanted, wishes.typing, nodes) == ("na", False, ["nas-1"])


def test_escape_takes_the_filter_away() -> None:
    cluster = cluster_of(pi_1=1, nas_1=3)
    assert pressed(["/", "n", "escape"], cluster)[1] == ["nas-1", "pi-1"]


def test_a_key_that_is_typed_into_the_filter_is_no_command() -> None:
    wishes, _ = pressed(["/", "s", "q"], cluster_of(pi_1=1))
    assert (wishes.wanted, wishes.sort) == ("sq", "worst")


def test_s_goes_through_all_orders_and_back() -> None:
    cluster = cluster_of(pi_1=1, pi_2=50, nas_1=3)
    assert pressed("ss", cluster)[1] == ["pi-2", "nas-1", "pi-1"]
    assert pressed("s" * len(SORTS), cluster)[0].sort == "worst"


def test_the_cursor_stays_in_the_list_and_enter_opens_its_node() -> None:
    cluster = cluster_of(pi_1=1, pi_2=50, nas_1=3)
    assert pressed(["up"], cluster)[0].cursor == 0
    wishes, _ = pressed(["down", "down", "down", "enter"], cluster)
    assert (wishes.cursor, wishes.opened) == (2, "pi-2")
    assert wishes.after("escape", []).opened is None
    assert pressed(["enter"], Cluster())[0].opened is None


@pytest.mark.parametrize("key", ["x", "7", "ü"])
def test_other_keys_do_nothing(key: str) -> None:
    assert pressed([key], cluster_of(pi_1=1))[0] == Wishes()


def test_the_header_says_who_is_blind() -> None:
    cluster = cluster_of(pi_1=1)
    rows = rows_of(cluster, NOW, Wishes())

    def told(link: Link, *, unicode: bool = True) -> str:
        recording = recording_of(cluster.services)
        return header(cluster, rows, link, NOW, unicode=unicode, recording=recording)

    assert told(LIVE).startswith("live   NOT RECORDED: no recorder was ever seen")
    address = Address(Kind.SERVICE_STATUS, "recorder")
    gone = ServiceOffline(reason="stopped", since=NOW.wall_s - 120)
    cluster.fold(address, encode(gone), replayed=False, now=NOW)
    since = f"NOT RECORDED since {clock(NOW.wall_s - 120, NOW.wall_s)}: recorder stopped"
    assert since in told(LIVE)
    recorder = ServiceOnline(since=0, version="1", health={"lag_seconds": 0.31})
    cluster.fold(address, encode(recorder), replayed=False, now=NOW)
    assert told(LIVE) == "live   recorder ok (lag 0.3 s)   ✓1"
    lost = told(Link(connected=False, since=NOW.wall_s - 75, reason="refused"), unicode=False)
    assert lost.startswith("broker LOST for 1m (refused); values are old")
    assert lost.endswith("ok1")


def test_brackets_go_through_time_by_minutes_and_braces_by_hours() -> None:
    now_s = NOW.wall_s + 20
    back = Wishes().travelled("[", now_s)
    assert back.at == NOW.wall_s
    assert back.travelled("[", now_s).at == NOW.wall_s - 60
    assert back.travelled("{", now_s).at == NOW.wall_s - 3600
    assert back.travelled("]", now_s).at is None
    assert back.travelled("{", now_s).travelled("}", now_s).at == NOW.wall_s
    assert back.after("escape", []).at is None
    assert Wishes(typing=True).travelled("[", now_s).at is None
    assert Wishes().travelled("]", now_s) == Wishes()


def test_the_past_is_never_taken_for_the_present() -> None:
    told = header_of_past([], NOW.wall_s - 120, NOW, unicode=True)
    assert told.startswith("NOT LIVE: as it was recorded at ")
    assert "2m ago" in told


def test_minutes_without_a_report_are_dots() -> None:
    trend = Trend()
    for minute, value in ((0, 0.0), (1, 100.0), (3, 50.0)):
        trend.take(value, NOW.wall_s + 60 * minute)
    later = Now(NOW.wall_s + 240, 1240)
    trend.settle(later.wall_s)
    assert sparkline(trend, later, unicode=True) == "·" * 16 + "▁█·▅"
    assert sparkline(None, later, unicode=False) == "." * 20


def test_plain_lines_hold_in_ascii() -> None:
    cluster = cluster_of(pi_1=12)
    (line,) = plain(rows_of(cluster, NOW, Wishes()), {}, NOW, unicode=False)
    assert line.isascii()
    assert line.split()[:4] == ["ok", "pi-1", "ok", "12%"]
