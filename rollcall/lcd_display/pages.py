"""The state of the cluster as lines of text: which screen is due, and what it says.

Every cell has its place; numbers are right-aligned. A value is shown only while it is fresh, else
`--`. The first 13 cells of an overview are counts: online of all, `?n` neither online nor offline,
`!n` calls for somebody (`!?`: the alert service is not online, nobody can tell).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from rollcall.broker.cluster import Cluster, NodeState, NodeView, Now
from rollcall.lcd_display import layout
from rollcall.lcd_display.charset import DEGREE, DOWN, HEART, LOST, UP
from rollcall.lcd_display.figures import (
    Figures,
    figures_of,
    fresh_value,
    is_lost,
    is_silent,
    percentile,
)
from rollcall.lcd_display.layout import COLUMNS, UNKNOWN, row

_FEW_NODES: Final = 9
_COUNTS_WIDTH: Final = 13
_BAR_WIDTH: Final = 10
_ONE_NAME_WIDTH: Final = 8
_BUSIEST_NAME_WIDTH: Final = 5
_LISTED_NAME_WIDTH: Final = 7


class LinkState(StrEnum):
    """How the way to the broker stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Link:
    """The way to the broker; `since` is Unix seconds, `lasted_s` how long `state` has lasted.

    `attempts` counts the tries to connect since it was lost, `next_s` is when the next one is due.
    """

    state: LinkState
    host: str
    port: int
    since: float
    lasted_s: float
    attempts: int = 0
    next_s: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a page is drawn at: `now`, the same as local time, and the phase of the heartbeat.

    `clock_trusted` is whether this host's clock is known to be right, as far as anybody says.
    """

    now: Now
    local: datetime
    beat: bool = False
    clock_trusted: bool = True

    @property
    def clock(self) -> str:
        """The local time of day, or dashes where it is not to be trusted."""
        return f"{self.local:%H:%M}" if self.clock_trusted else "--:--"


@dataclass(frozen=True, slots=True)
class Page:
    """Four lines of exactly 20 characters, and what they are called."""

    name: str
    lines: tuple[str, ...]


def page_of(cluster: Cluster, link: Link, moment: Moment, *, version: str) -> Page:
    """Choose the page that is due, and draw it."""
    if link.state is LinkState.LOST:
        return Page("broker_lost", broker_lost(link, moment))
    figures = figures_of(cluster, moment.now)
    if link.state is LinkState.CONNECTING or not figures.nodes:
        return Page("boot", boot(link, version=version, nodes=len(figures.nodes)))
    if 2 * len(figures.silent) > len(figures.nodes) and not figures.waiting:
        return Page("nothing_fresh", nothing_fresh(figures))
    return Page("overview", overview(figures, moment))


def boot(link: Link, *, version: str, nodes: int) -> tuple[str, ...]:
    """Draw what stands there before the first node is heard of."""
    way = "connected" if link.state is LinkState.CONNECTED else "connecting..."
    tries = f"try {link.attempts}" if link.attempts > 1 and way != "connected" else ""
    return (
        row(f"Rollcall {version}"),
        row(f"broker {_host(link.host, COLUMNS - len('broker '))}"),
        row(way, tries),
        row(f"{_nodes(nodes)} seen"),
    )


def broker_lost(link: Link, moment: Moment) -> tuple[str, ...]:
    """Draw the loss of the broker: no values."""
    began = datetime.fromtimestamp(link.since, moment.local.tzinfo)
    port = f":{link.port}"
    due = "" if link.next_s is None else f" next in {max(round(link.next_s), 0)}s"
    return (
        row("BROKER LOST", layout.duration(link.lasted_s)),
        row(_host(link.host, COLUMNS - len(port)) + port),
        row(f"since {began:%H:%M:%S}"),
        row(f"try {link.attempts}{due}" if link.attempts else ""),
    )


def nothing_fresh(figures: Figures) -> tuple[str, ...]:
    """Draw that most of the cluster is silent."""
    ages_s = [node.age_s for node in figures.nodes if node.age_s is not None]
    total = len(figures.nodes)
    return (
        "?? NO FRESH DATA  ??",
        row("newest report", layout.age(min(ages_s)) if ages_s else UNKNOWN),
        row(f"{len(figures.silent)} of {_nodes(total)} stale"),
        row(
            f"CPU {layout.percent(figures.cpu_total_percent):>4}  "
            f" RAM {layout.percent(figures.memory_percent):>4}"
        ),
    )


def goodbye(local: datetime) -> tuple[str, ...]:
    """Draw what stays on the glass when nobody writes to it any more."""
    return (
        row("DISPLAY STOPPED"),
        row(f"{local:%Y-%m-%d %H:%M:%S}"),
        row("not live any more"),
        row(""),
    )


def overview(figures: Figures, moment: Moment) -> tuple[str, ...]:
    """Draw the cluster on one page, by its size."""
    count = len(figures.nodes)
    if count == 1:
        return _of_one(figures, figures.nodes[0], moment)
    if count <= _FEW_NODES:
        return _of_few(figures, moment)
    if count <= COLUMNS:
        return _of_a_row(figures, moment)
    return _of_many(figures, moment)


# One node


def _of_one(figures: Figures, node: NodeView, moment: Moment) -> tuple[str, ...]:
    memory = figures.memory
    name = layout.cut(node.name, _ONE_NAME_WIDTH)
    celsius = figures.celsius.get(node.name)
    held = "temperature" in node.reports
    shown_celsius = f"{round(celsius)}{DEGREE}" if celsius is not None else f"{UNKNOWN}{DEGREE}"
    used = layout.of_bytes(memory.used_bytes, memory.total_bytes, 10) if memory else "--/--GB"
    return (
        row(f"{name} {_mark(node)}", _standing(node, moment.now)),
        _gauge("CPU", figures.cpu_total_percent),
        _gauge("RAM", figures.memory_percent),
        row(used.ljust(10) + (shown_celsius if held else "").rjust(4), moment.clock),
    )


def _standing(node: NodeView, now: Now) -> str:
    if node.held_back:
        return "waiting"
    if node.state is NodeState.ONLINE:
        uptime_s = fresh_value(node, "system.uptime_seconds", now)
        return f"up {UNKNOWN if uptime_s is None else layout.uptime(uptime_s)}"
    if is_silent(node):
        return "stale" if node.age_s is None else f"stale {layout.age(node.age_s)}"
    since = "" if node.since is None else f" {layout.age(max(now.wall_s - node.since, 0))}"
    return f"{'lost' if is_lost(node) else 'off'}{since}"


def _mark(node: NodeView) -> str:
    if node.held_back or is_silent(node):
        return "?"
    return UP if node.state is NodeState.ONLINE else DOWN


def _gauge(title: str, value_percent: float | None) -> str:
    figure = f"{title} {layout.percent(value_percent):>4}"
    return row(f"{figure} {layout.bar(value_percent, _BAR_WIDTH)}")


# Two to nine nodes


def _of_few(figures: Figures, moment: Moment) -> tuple[str, ...]:
    memory = figures.memory
    if memory is None:
        ram = _gauge("RAM", None)
    else:
        used = layout.of_bytes(memory.used_bytes, memory.total_bytes, 11)
        ram = row(f"RAM {used}", f"{layout.percent(memory.percent):>5}")
    return (
        _heading(figures, moment, HEART),
        _gauge("CPU", figures.cpu_total_percent),
        ram,
        _worth_saying(figures),
    )


def _worth_saying(figures: Figures) -> str:
    """Say what is being waited for, else which node is the hottest, else the busiest."""
    if figures.waiting:
        return row(f"waiting for {_nodes(figures.waiting)}")
    ranked = figures.celsius or figures.cpu_percent
    if not ranked:
        return row("")
    node = max(ranked, key=ranked.__getitem__)
    busy = f"cpu{layout.percent(figures.cpu_percent.get(node))}"
    warmth = f" {round(figures.celsius[node])}{DEGREE}" if figures.celsius else ""
    title = "hot" if figures.celsius else "top"
    room = COLUMNS - len(f"{title} {warmth} {busy}")
    return row(f"{title} {layout.cut(node, room)}{warmth}", busy)


# Ten to twenty nodes: a cell for each


def _of_a_row(figures: Figures, moment: Moment) -> tuple[str, ...]:
    busy = figures.cpu_percent
    busiest = max(busy, key=busy.__getitem__, default=None)
    most = "" if busiest is None else f"max{layout.percent(busy[busiest])}"
    name = "" if busiest is None else layout.cut(busiest, _BUSIEST_NAME_WIDTH)
    return (
        _heading(figures, moment, "*"),
        row(f"{_share('CPU', figures.cpu_total_percent)} {most}", name),
        _ram_of_many(figures),
        row("".join(_cell(node, busy) for node in figures.nodes)),
    )


def _cell(node: NodeView, cpu_percent: Mapping[str, float]) -> str:
    if is_lost(node):
        return LOST
    if node.state is NodeState.OFFLINE and not node.held_back:
        return "-"
    busy = cpu_percent.get(node.name)
    return "?" if busy is None else layout.level(busy)


# More


def _of_many(figures: Figures, moment: Moment) -> tuple[str, ...]:
    busy = figures.cpu_percent.values()
    high, most = percentile(busy, 95), max(busy, default=None)
    return (
        _heading(figures, moment, HEART),
        row(
            f"{_share('CPU', figures.cpu_total_percent)} p95{layout.percent(high):>4}",
            f"m{layout.percent(most)}",
        ),
        _ram_of_many(figures),
        _worst_of_many(figures),
    )


def _worst_of_many(figures: Figures) -> str:
    worst = [("lost", figures.lost)]
    if not figures.waiting:
        worst.append(("stale", figures.silent))
    for title, nodes in worst:
        if nodes:
            names = [node.name for node in nodes]
            every = [node.name for node in figures.nodes]
            return layout.listing(title, layout.short_names(names, every, _LISTED_NAME_WIDTH))
    return _worth_saying(figures)


# What they share


def _heading(figures: Figures, moment: Moment, heart: str) -> str:
    beat = heart if moment.beat else " "
    return f"{_counts(figures)}{beat} {moment.clock}"


def _counts(figures: Figures) -> str:
    online = f"{figures.online}/{len(figures.nodes)}"
    unsure = f" ?{figures.unsure}" if figures.unsure else ""
    calls = "?" if figures.attention is None else str(figures.attention)
    attention = "" if calls == "0" else f" !{calls}"
    words = (" on", "") if unsure else (" online", " on", "")
    room = _COUNTS_WIDTH - len(attention)
    candidates = [online + word + unsure for word in words]
    left = next((text for text in candidates if len(text) <= room), candidates[-1])
    return left[:room].ljust(room) + attention


def _share(title: str, value_percent: float | None) -> str:
    return f"{title}{layout.percent(value_percent):>4}"


def _ram_of_many(figures: Figures) -> str:
    memory = figures.memory
    used = layout.of_bytes(memory.used_bytes, memory.total_bytes, 12) if memory else ""
    return row(_share("RAM", figures.memory_percent), used)


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _host(host: str, width: int) -> str:
    """Keep the end of a long address: that is what differs."""
    return host[-width:]
