"""What `rollcall top` shows at one moment: the cluster, and what the reader wished for. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rollcall.broker.cluster import Cluster, Now
from rollcall.broker.messages import ServiceOnline
from rollcall.console.marks import MARKS, ORDER
from rollcall.console.summary import Row, summarize
from rollcall.console.words import age, degrees, percent
from rollcall.dashboard.trend import Trend

SORTS: Final = ("worst", "name", "cpu", "memory", "disk", "temperature")
_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = "_.-~=+*#"
_TREND_WIDTH: Final = 20
_MOST_FILTER: Final = 40


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the reader asked for: order, filter, and the row the cursor is on."""

    sort: str = "worst"
    wanted: str = ""
    typing: bool = False
    cursor: int = 0
    opened: str | None = None

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
            "escape": {"opened": None},
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
    """Give the rows in the order that was asked for, without what the filter hides."""
    rows = [row for row in summarize(cluster, now).rows if wishes.wanted in row.node]
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


def header(cluster: Cluster, rows: Sequence[Row], link: Link, now: Now, *, unicode: bool) -> str:
    """Say in one line what is live, what records, and how many nodes are how."""
    counts = Counter(row.verdict for row in rows)
    shapes = " ".join(
        f"{MARKS[verdict][0 if unicode else 1]}{counts[verdict]}"
        for verdict in ORDER
        if counts[verdict]
    )
    if not link.connected:
        way = f"broker LOST for {age(now.wall_s - link.since)} ({link.reason}); values are old"
    else:
        way = "live"
    return f"{way}   {recorder_words(cluster)}   {shapes or 'nobody yet'}"


def recorder_words(cluster: Cluster) -> str:
    """Say whether anything is recorded."""
    recorder = cluster.services.get("recorder")
    if isinstance(recorder, ServiceOnline):
        lag = recorder.health.get("lag_seconds")
        told = f" (lag {lag:.1f} s)" if isinstance(lag, (int, float)) else ""
        return f"recorder ok{told}"
    return "NOT RECORDED: recorder " + ("never seen" if recorder is None else recorder.reason)


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
    rows: Sequence[Row], trends: Mapping[str, Trend], now: Now, *, unicode: bool
) -> list[str]:
    """Give the rows as plain lines, for a pipe or a terminal that cannot do more."""
    width = max((len(row.node) for row in rows), default=0)
    return [
        "  ".join(
            (
                f"{MARKS[row.verdict][0 if unicode else 1]} {row.node:{width}}",
                f"{row.verdict:8}",
                f"{percent(row.cpu_percent):>4}",
                sparkline(trends.get(row.node), now, unicode=unicode),
                f"{percent(row.memory_percent):>4}",
                f"{percent(row.disk_percent):>4}",
                f"{degrees(row.celsius) if unicode else degrees(row.celsius).replace('°', 'C'):>4}",
                f"{age(row.age_s):>7}",
                row.remark,
            )
        )
        for row in rows
    ]
