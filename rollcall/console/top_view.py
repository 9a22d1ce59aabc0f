"""What `rollcall top` shows at one moment: the cluster, and what the reader wished for. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import ServiceOnline
from rollcall.broker.node_view import Now
from rollcall.console.marks import MARKS, ORDER
from rollcall.console.recording import Recording, clock
from rollcall.console.row_numbers import numbers
from rollcall.console.summary import Row, summarize
from rollcall.console.words import age
from rollcall.dashboard.trend import Trend

SORTS: Final = ("worst", "name", "cpu", "memory", "disk", "temperature")
_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = "_.-~=+*#"
_TREND_WIDTH: Final = 20
_MOST_FILTER: Final = 40
_STEPS_S: Final = {"[": -60, "]": 60, "{": -3600, "}": 3600}
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the reader asked for: order, filter, the row the cursor is on, and of when.

    `at` is the moment in the past, in Unix seconds; None: live.
    """

    sort: str = "worst"
    wanted: str = ""
    typing: bool = False
    cursor: int = 0
    opened: str | None = None
    at: float | None = None

    def travelled(self, key: str, now_s: float) -> "Wishes":
        """Give the wishes after a key that goes through time: `[` `]` a minute, `{` `}` an hour.

        Going back begins with the last whole minute; what is not past is live.
        """
        step_s = _STEPS_S.get(key)
        if step_s is None or self.typing or (self.at is None and step_s > 0):
            return self
        minute_s = now_s - now_s % _MINUTE_S
        at = (minute_s + _MINUTE_S if self.at is None else self.at) + step_s
        return replace(self, at=None if at > minute_s else at)

    def typed(self, key: str) -> "Wishes":
        """Give the wishes while a filter is being typed."""
        if key in {"enter", "escape"}:
            return replace(self, typing=False, wanted="" if key == "escape" else self.wanted)
        if key == "backspace":
            return replace(self, wanted=self.wanted[:-1])
        if len(key) == 1 and len(self.wanted) < _MOST_FILTER:
            return replace(self, wanted=self.wanted + key, cursor=0)
        return self

    def after(self, key: str, rows: Sequence[Row]) -> "Wishes":
        """Give the wishes after a key: `/` filters, `s` sorts, arrows move, Enter opens."""
        if self.typing:
            return self.typed(key)
        last = max(0, len(rows) - 1)
        following = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        here = rows[min(self.cursor, last)].node if rows and self.opened is None else None
        changes: dict[str, dict[str, Any]] = {
            "/": {"typing": True, "wanted": "", "opened": None},
            "s": {"sort": following, "cursor": 0},
            "up": {"cursor": max(0, self.cursor - 1)},
            "down": {"cursor": min(last, self.cursor + 1)},
            "enter": {"opened": here},
            "escape": {"opened": None} if self.opened is not None else {"at": None},
        }
        key = {"k": "up", "j": "down"}.get(key, key)
        return replace(self, **changes.get(key, {}))


@dataclass(frozen=True, slots=True)
class Link:
    """Our own way to the broker; `since` in Unix seconds."""

    connected: bool
    since: float
    reason: str = ""


def rows_of(cluster: Cluster, now: Now, wishes: Wishes) -> list[Row]:
    """Give the rows of the live cluster, as `arranged`."""
    return arranged(summarize(cluster, now).rows, wishes)


def arranged(found: Sequence[Row], wishes: Wishes) -> list[Row]:
    """Give rows in the order that was asked for, without what the filter hides."""
    rows = [row for row in found if wishes.wanted in row.node]
    if wishes.sort == "name":
        return sorted(rows, key=lambda row: row.node)
    field = {
        "cpu": "cpu_percent",
        "memory": "memory_percent",
        "disk": "disk_percent",
        "temperature": "celsius",
    }.get(wishes.sort)
    if field is None:
        return rows
    return sorted(rows, key=lambda row: -(getattr(row, field) or -1.0))


def counted(rows: Sequence[Row], *, unicode: bool) -> str:
    """Say how many nodes are how, worst first."""
    counts = Counter(row.verdict for row in rows)
    shapes = " ".join(
        f"{MARKS[verdict][0 if unicode else 1]}{counts[verdict]}"
        for verdict in ORDER
        if counts[verdict]
    )
    return shapes or "nobody yet"


def header(
    cluster: Cluster,
    rows: Sequence[Row],
    link: Link,
    now: Now,
    *,
    unicode: bool,
    recording: Recording,
) -> str:
    """Say in one line what is live, what records, and how many nodes are how."""
    recorder = recorder_words(cluster, recording, now.wall_s)
    way = "live" if link.connected else f"{_lost(link, now)}; values are old"
    return f"{way}   {recorder}   {counted(rows, unicode=unicode)}"


def header_of_database(rows: Sequence[Row], link: Link, now: Now, *, unicode: bool) -> str:
    """Say in one line that the broker was never there, and what is shown instead."""
    newest = min((row.age_s for row in rows if row.age_s is not None), default=None)
    told = "" if newest is None else f", the newest of {clock(now.wall_s - newest, now.wall_s)}"
    shapes = counted(rows, unicode=unicode)
    return f"{_lost(link, now)}; values from the database{told}   {shapes}"


def header_of_past(rows: Sequence[Row], at: float, now: Now, *, unicode: bool) -> str:
    """Say in one line that this is not live, and of when it is."""
    when = f"{clock(at, now.wall_s)}, {age(now.wall_s - at)} ago"
    return f"NOT LIVE: as it was recorded at {when}   {counted(rows, unicode=unicode)}"


def _lost(link: Link, now: Now) -> str:
    return f"broker LOST for {age(now.wall_s - link.since)} ({link.reason})"


def recorder_words(cluster: Cluster, recording: Recording, now_s: float) -> str:
    """Say whether anything is recorded, and since when not."""
    if not recording.ok:
        since = "" if recording.since is None else f" since {clock(recording.since, now_s)}"
        return f"NOT RECORDED{since}: {recording.why}"
    recorder = cluster.services.get("recorder")
    lag = recorder.health.get("lag_seconds") if isinstance(recorder, ServiceOnline) else None
    told = f" (lag {lag:.1f} s)" if isinstance(lag, (int, float)) else ""
    return f"recorder ok{told}"


def sparkline(trend: Trend | None, now: Now, *, unicode: bool) -> str:
    """Draw the last minutes, one character each; a dot where nothing came."""
    points = trend.points(now.wall_s) if trend else []
    bars = _BARS if unicode else _ASCII_BARS
    shown = points[-_TREND_WIDTH:]
    drawn = "".join(
        "·"
        if point is None and unicode
        else "."
        if point is None
        else bars[min(7, point * 8 // 100)]
        for point in shown
    )
    return drawn.rjust(_TREND_WIDTH, "·" if unicode else ".")


def plain(
    rows: Sequence[Row], trends: Mapping[str, Trend] | None, now: Now, *, unicode: bool
) -> list[str]:
    """Give the rows as plain lines, for a pipe or a terminal that cannot do more.

    Without `trends` nothing is known of the last minutes, and nothing is drawn of them.
    """
    width = max((len(row.node) for row in rows), default=0)
    lines = []
    for row in rows:
        cpu, memory, disk, celsius, _ = numbers(row, unicode=unicode)
        cells = (
            f"{MARKS[row.verdict][0 if unicode else 1]} {row.node:{width}}",
            f"{row.verdict:8}",
            f"{cpu:>4}",
            " " * _TREND_WIDTH
            if trends is None
            else sparkline(trends.get(row.node), now, unicode=unicode),
            f"{memory:>4}",
            f"{disk:>4}",
            f"{celsius:>4}",
            f"{age(row.age_s):>7}",
            row.remark,
        )
        lines.append("  ".join(cells))
    return lines
