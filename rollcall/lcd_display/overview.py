"""The cluster on one page, by its size and the glass's.

Every cell has its place; numbers are right-aligned. The first cells are counts: online of all, `?n`
neither online nor offline, `!n` calls for somebody (`!?`: the alert service is not online, nobody
can tell). Then the heartbeat, which changes when something is received, and the time.
"""

from collections.abc import Callable
from typing import Final

from rollcall.lcd_display import layout
from rollcall.lcd_display.cells import cell_of, mark_of, standing_of
from rollcall.lcd_display.charset import DEGREE, HEART
from rollcall.lcd_display.figures import Figures, NodeFigures, fresh_value, percentile
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL, UNKNOWN, WIDE, first_fitting, row
from rollcall.lcd_display.page import Moment
from rollcall.lcd_display.snapshot import Snapshot

FEW_NODES: Final = 9
ROW_OF_NODES: Final = 20
_BAR_WIDTH: Final = 10
_BUSIEST_NAME_WIDTH: Final = 5
_LISTED_NAME_WIDTH: Final = 7
_ROOMY_COUNTS: Final = 13
_MOST_CALLS_TOLD: Final = 99
_STAR: Final = "*"


def overview(glass: Geometry, snapshot: Snapshot, moment: Moment) -> tuple[str, ...]:
    """Draw the cluster on one page."""
    count = len(snapshot.figures.nodes)
    if count == 1:
        draw = _of_one_tall if glass.rows >= TALL else _of_one_flat
        return draw(glass, snapshot.figures.nodes[0], moment)
    if glass.rows < TALL:
        return _flat(glass, snapshot, moment)
    if count <= FEW_NODES:
        return _of_few(glass, snapshot, moment)
    if count <= ROW_OF_NODES:
        return _of_a_row(glass, snapshot, moment)
    return _of_many(glass, snapshot, moment)


def counts(snapshot: Snapshot, width: int) -> str:
    """Tell how many nodes are online and what calls, in exactly `width` cells; no digit is cut.

    Where room is short the words go first, then the number behind `?`, then the number of nodes.
    """
    figures = snapshot.figures
    online, total = layout.count(figures.online), layout.count(len(figures.nodes))
    unsure = f" ?{layout.count(figures.unsure)}" if figures.unsure else ""
    words = (" on", "") if unsure else (" online", " on", "")
    told = [f"{online}/{total}{word}{unsure}" for word in words]
    told += [f"{online}/{total}{unsure[1:2]}", f"{online}on{unsure}", f"{online}{unsure[1:2]}"]
    calls = _calls(snapshot)
    if not calls:
        return first_fitting(width, *told).ljust(width)
    pairs = [(text, gap) for text in told for gap in (" ", "")]
    if width >= _ROOMY_COUNTS:
        pairs.sort(key=lambda pair: pair[1] == "")
    left = next(
        (text for text, gap in pairs if len(text) + len(gap) + len(calls) <= width), told[-1]
    )
    return left.ljust(width - len(calls)) + calls


def _calls(snapshot: Snapshot) -> str:
    attention = snapshot.attention
    if not attention.service_online:
        return "!?"
    if attention.loud > _MOST_CALLS_TOLD:
        return f"!{_MOST_CALLS_TOLD}+"
    return f"!{attention.loud}" if attention.loud else ""


def _heading(glass: Geometry, snapshot: Snapshot, moment: Moment, heart: str = HEART) -> str:
    beat = heart if moment.beat else " "
    if glass.columns >= WIDE:
        return f"{counts(snapshot, 13)}{beat} {moment.clock}"
    if len(snapshot.figures.nodes) <= FEW_NODES:
        return f"{counts(snapshot, 9)}{beat} {moment.clock}"
    return f"{counts(snapshot, 10)}{beat}{moment.clock}"


# One node


def _of_one_tall(glass: Geometry, node: NodeFigures, moment: Moment) -> tuple[str, ...]:
    columns, memory = glass.columns, node.memory
    celsius = _celsius(node) if "temperature" in node.view.reports else ""
    room = columns - len(moment.clock) - max(len(celsius), 4) - 1
    used = "--/--GB" if columns >= WIDE else "--GB"
    if memory and columns >= WIDE:
        used = layout.of_bytes(memory.used_bytes, memory.total_bytes, room)
    elif memory:
        used = layout.size(memory.total_bytes)
    return (
        _name_row(columns, node, moment),
        _gauge(columns, "CPU", node.cpu_percent),
        _gauge(columns, "RAM", node.memory_percent),
        row(columns, used.ljust(room) + celsius.rjust(4), moment.clock),
    )


def _of_one_flat(glass: Geometry, node: NodeFigures, moment: Moment) -> tuple[str, ...]:
    columns = glass.columns
    shares = f"C{layout.percent(node.cpu_percent):>4} R{layout.percent(node.memory_percent):>4}"
    celsius = _celsius(node) if "temperature" in node.view.reports else ""
    if columns >= WIDE:
        return (
            _name_row(columns, node, moment),
            row(columns, f"{shares} {celsius}", moment.clock),
        )
    name = layout.cut(node.name, columns - 1 - len(celsius) - len(moment.clock))
    return (
        row(columns, f"{name}{mark_of(node)}", f"{celsius}{moment.clock}"),
        row(columns, shares, _short_standing(node, moment)),
    )


def _name_row(columns: int, node: NodeFigures, moment: Moment) -> str:
    wide = columns >= WIDE
    gap = " " if wide else ""
    state = _standing(node, moment, layout.uptime if wide else layout.duration)
    name = layout.cut(node.name, columns - len(state) - len(gap) - 2)
    return row(columns, f"{name}{gap}{mark_of(node)}", state)


def _standing(node: NodeFigures, moment: Moment, told: Callable[[float], str]) -> str:
    standing = standing_of(node, moment.now)
    if standing is None:
        uptime_s = fresh_value(node.view, "system.uptime_seconds", moment.now)
        return f"up {UNKNOWN if uptime_s is None else told(uptime_s)}"
    word = "lost" if node.is_lost else standing.word
    return f"{word} {standing.age}".rstrip()


def _short_standing(node: NodeFigures, moment: Moment) -> str:
    standing = standing_of(node, moment.now)
    if standing is not None:
        return standing.age or standing.short
    uptime_s = fresh_value(node.view, "system.uptime_seconds", moment.now)
    return UNKNOWN if uptime_s is None else layout.duration(uptime_s)


def _celsius(node: NodeFigures) -> str:
    return f"{UNKNOWN if node.celsius is None else round(node.celsius)}{DEGREE}"


def _gauge(columns: int, title: str, value_percent: float | None) -> str:
    bar = layout.bar(value_percent, min(_BAR_WIDTH, columns - 9))
    return row(columns, f"{_share(title, value_percent, 5)} {bar}")


# Two to nine nodes


def _of_few(glass: Geometry, snapshot: Snapshot, moment: Moment) -> tuple[str, ...]:
    columns, figures = glass.columns, snapshot.figures
    memory = figures.memory
    if memory is None:
        ram = _gauge(columns, "RAM", None)
    elif columns >= WIDE:
        used = layout.of_bytes(memory.used_bytes, memory.total_bytes, 11)
        ram = row(columns, f"RAM {used}", f"{layout.percent(memory.percent):>5}")
    else:
        ram = row(
            columns, _share("RAM", memory.percent, 5), f"of {layout.size(memory.total_bytes)}"
        )
    return (
        _heading(glass, snapshot, moment),
        _gauge(columns, "CPU", figures.cpu_total_percent),
        ram,
        _worth_saying(columns, figures),
    )


def _worth_saying(columns: int, figures: Figures) -> str:
    """Say what is being waited for, else which node is the hottest, else the busiest."""
    if figures.waiting:
        nodes = layout.nodes(figures.waiting)
        return row(columns, first_fitting(columns, f"waiting for {nodes}", f"wait for {nodes}"))
    node = figures.hottest or (figures.by_cpu[0] if figures.by_cpu else None)
    if node is None:
        return row(columns, "")
    title = "hot" if figures.hottest else "top"
    warmth = f" {_celsius(node)}" if figures.hottest else ""
    busy = f"{'cpu' if columns >= WIDE else ''}{layout.percent(node.cpu_percent)}"
    room = columns - len(f"{title} {warmth} {busy}")
    return row(columns, f"{title} {layout.cut(node.name, room)}{warmth}", busy)


# Ten to twenty nodes: a cell for each


def _of_a_row(glass: Geometry, snapshot: Snapshot, moment: Moment) -> tuple[str, ...]:
    columns, figures = glass.columns, snapshot.figures
    cells = "".join(cell_of(node) for node in figures.nodes)
    heading = _heading(glass, snapshot, moment, _STAR)
    most = layout.percent(figures.cpu_max_percent)
    share = _share("CPU", figures.cpu_total_percent, 4)
    if columns < WIDE:
        return (
            heading,
            row(columns, share, _share("RAM", figures.memory_percent, 5)),
            row(columns, cells[:columns]),
            row(columns, cells[columns:]),
        )
    name = layout.cut(figures.by_cpu[0].name, _BUSIEST_NAME_WIDTH) if figures.by_cpu else ""
    return (
        heading,
        row(columns, f"{share} max{most}" if figures.by_cpu else share, name),
        _ram_of_many(columns, figures),
        row(columns, cells),
    )


# More


def _of_many(glass: Geometry, snapshot: Snapshot, moment: Moment) -> tuple[str, ...]:
    columns, figures = glass.columns, snapshot.figures
    high = percentile((node.cpu_percent or 0 for node in figures.by_cpu), 95)
    most = layout.percent(figures.cpu_max_percent)
    share = _share("CPU", figures.cpu_total_percent, 4)
    if columns >= WIDE:
        cpu = row(columns, f"{share} p95{layout.percent(high):>4}", f"m{most}")
    else:
        cpu = row(columns, share, f"max{most:>4}")
    return (
        _heading(glass, snapshot, moment),
        cpu,
        _ram_of_many(columns, figures),
        _worst_of_many(columns, figures),
    )


def _worst_of_many(columns: int, figures: Figures) -> str:
    worst = [("lost", figures.lost)]
    if not figures.waiting:
        worst.append(("stale", figures.silent))
    for title, nodes in worst:
        if nodes:
            names = [node.name for node in nodes]
            every = [node.name for node in figures.nodes]
            short = layout.short_names(names, every, _LISTED_NAME_WIDTH)
            return layout.listing(columns, title, short)
    return _worth_saying(columns, figures)


def _ram_of_many(columns: int, figures: Figures) -> str:
    share = _share("RAM", figures.memory_percent, 4)
    memory = figures.memory
    if memory is None:
        return row(columns, share)
    if columns < WIDE:
        return row(columns, share, f"of {layout.size(memory.total_bytes)}")
    return row(columns, share, layout.of_bytes(memory.used_bytes, memory.total_bytes, 12))


# Two rows


def _flat(glass: Geometry, snapshot: Snapshot, moment: Moment) -> tuple[str, ...]:
    columns, figures = glass.columns, snapshot.figures
    mean, most = figures.cpu_total_percent, figures.cpu_max_percent
    ram = layout.percent(figures.memory_percent)
    warmth = _celsius(figures.hottest) if figures.hottest else ""
    if len(figures.nodes) > ROW_OF_NODES:
        both = f"{layout.percent(mean)[:-1]}/{layout.percent(most)}"
        wide, narrow = f"CPU{both} RAM{ram}", f"C{both} R{ram}"
    else:
        wide = f"CPU{layout.percent(mean):>4} RAM{ram:>4}"
        narrow = f"C{layout.percent(mean):>4} R{ram:>4}"
    texts = [f"{text} {warmth}" for text in (wide, narrow)] + [narrow]
    return (
        _heading(glass, snapshot, moment, HEART),
        row(columns, first_fitting(columns, *texts[columns < WIDE :])),
    )


def _share(title: str, value_percent: float | None, width: int) -> str:
    return f"{title}{layout.percent(value_percent):>{width}}"
