"""Pages about all nodes at once: a heat map, a histogram, and the groups of the fleet document."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rollcall.lcd_display import layout
from rollcall.lcd_display.cells import worst_cell_of
from rollcall.lcd_display.charset import DEGREE
from rollcall.lcd_display.figures import Figures, NodeFigures
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL, UNKNOWN, WIDE, first_fitting, row
from rollcall.lcd_display.node_pages import filled, parts_for
from rollcall.lcd_display.overview import ROW_OF_NODES, counts
from rollcall.lcd_display.page import Moment
from rollcall.lcd_display.snapshot import Snapshot

_HEAT_PARTS: Final = 4
_RANGE_WIDTH: Final = 5
_CLASSES: Final = ((25.0, "<25%", "<25"), (75.0, "<75%", "<75"), (math.inf, "75%+", "75+"))
_GROUP_NAME_WIDTH: Final = 7
_GROUP_COUNT_END: Final = 13


# The heat map


def heat_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the heat map, 4 at most."""
    nodes = len(snapshot.figures.nodes)
    return parts_for(nodes, nodes_in_a_cell(glass, nodes) * _cells(glass))


def heat(glass: Geometry, snapshot: Snapshot, _moment: Moment, part: int) -> tuple[str, ...]:
    """Draw a cell for each node; where that makes too many parts, one for the worst of a few."""
    every = snapshot.figures.nodes
    in_a_cell = nodes_in_a_cell(glass, len(every))
    first = part * _cells(glass) * in_a_cell
    shown = every[first : first + _cells(glass) * in_a_cell]
    cells = "".join(
        worst_cell_of(list(shown[place : place + in_a_cell]))
        for place in range(0, len(shown), in_a_cell)
    )
    columns = glass.columns
    rows = [row(columns, cells[place : place + columns]) for place in range(0, len(cells), columns)]
    title = _heat_title(glass, snapshot, shown, part)
    return filled(glass, [title, *rows])


def nodes_in_a_cell(glass: Geometry, nodes: int) -> int:
    """Give how many nodes share a cell of the heat map, so that it has at most 4 parts."""
    return max(math.ceil(nodes / (_HEAT_PARTS * _cells(glass))), 1)


def _cells(glass: Geometry) -> int:
    return glass.columns * (glass.rows - 1)


def _heat_title(
    glass: Geometry, snapshot: Snapshot, shown: Sequence[NodeFigures], part: int
) -> str:
    every = snapshot.figures.nodes
    columns, parts = glass.columns, heat_parts(glass, snapshot)
    number = f"{part + 1}/{parts}"
    if len(every) <= ROW_OF_NODES:
        width = (13 if columns >= WIDE else 8) if parts > 1 else columns - len(" cpu")
        return row(columns, f"{counts(snapshot, width)} cpu", number if parts > 1 else "")
    in_a_cell = nodes_in_a_cell(glass, len(every))
    cpu = f"cpu/{in_a_cell}" if in_a_cell > 1 else "cpu"
    lost = sum(node.is_lost for node in shown)
    called = f" !{layout.count(lost)}" if lost else ""
    span = _span(shown[0].name, shown[-1].name)
    told = first_fitting(
        columns,
        f"{span} {cpu}  {number}{called}",
        f"{span} {cpu} {number}{called}",
        f"{span} {cpu} {number}",
        f"{span} {cpu[3:]} {number}",
        f"{cpu} {number}{called}",
    )
    return row(columns, told)


def _span(first: str, last: str) -> str:
    """Give `n001-060`: what the names share once, or not at all where that is too long."""
    stem = len(first.rstrip("0123456789"))
    if first[:stem] == last[:stem] and first[stem:] and last[stem:].isdigit():
        begin = first if len(first) <= _RANGE_WIDTH else first[stem:]
        return f"{begin}-{last[stem:]}"
    return f"{layout.cut(first, _RANGE_WIDTH)}-{layout.cut(last, _RANGE_WIDTH)}"


# The histogram


def histogram(glass: Geometry, snapshot: Snapshot, _moment: Moment, _part: int) -> tuple[str, ...]:
    """Draw how many nodes are idle, at work and busy, of those whose CPU is fresh."""
    busy = [node.cpu_percent for node in snapshot.figures.by_cpu if node.cpu_percent is not None]
    edges = [0.0, *(edge for edge, _, _ in _CLASSES)]
    numbers = [sum(low <= percent < high for percent in busy) for low, high in pairwise(edges)]
    if glass.rows < TALL:
        return _histogram_in_two_rows(glass.columns, numbers)
    most, width = max(numbers), glass.columns - 11
    nodes = layout.nodes(len(busy))
    title = row(glass.columns, first_fitting(glass.columns, f"CPU of {nodes}", f"CPU: {nodes}"))
    rows = [
        row(
            glass.columns,
            f"{title} {layout.bar(100 * number / most if most else None, width)}",
            layout.count(number),
        )
        for (_, title, _), number in zip(_CLASSES, numbers, strict=True)
    ]
    return filled(glass, [title, *rows])


def _histogram_in_two_rows(columns: int, numbers: Sequence[int]) -> tuple[str, ...]:
    width = (columns - 1) // len(numbers)
    titles = "".join(f"{short:>{width}}" for _, _, short in _CLASSES)
    counted = "".join(f"{layout.count(number):>{width}}" for number in numbers)
    title = "CPU" if columns >= WIDE else "C"
    above = title + titles.rjust(columns)[len(title) :]
    return row(columns, above), row(columns, counted.rjust(columns))


# Groups


def groups_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the list of groups; 0 where no group splits the nodes."""
    groups = len(snapshot.groups)
    return parts_for(groups, _groups_listed(glass)) if groups else 0


def groups(glass: Geometry, snapshot: Snapshot, _moment: Moment, part: int) -> tuple[str, ...]:
    """Draw each group: online of all, CPU of all cores, the hottest temperature."""
    capacity = _groups_listed(glass)
    shown = list(snapshot.groups.items())[part * capacity : (part + 1) * capacity]
    rows = [_group_row(glass.columns, name, figures) for name, figures in shown]
    if glass.rows < TALL:
        return filled(glass, rows)
    number = f"{part + 1}/{groups_parts(glass, snapshot)}"
    columns = f" on cpu {DEGREE}C" if glass.columns >= WIDE else " on cpu"
    title = first_fitting(glass.columns - len(columns), f"GROUP {number}", number)
    return filled(glass, [row(glass.columns, title, columns), *rows])


def _group_row(columns: int, name: str, figures: Figures) -> str:
    online = f"{layout.count(figures.online)}/{layout.count(len(figures.nodes))}"
    wide = columns >= WIDE
    end = _GROUP_COUNT_END if wide else _GROUP_COUNT_END - 1
    room = min(_GROUP_NAME_WIDTH, end - 1 - len(online))
    cpu = layout.percent(figures.cpu_total_percent)
    hottest = figures.hottest.celsius if figures.hottest else None
    warmth = f"{UNKNOWN if hottest is None else round(hottest):>3}" if wide else ""
    return row(columns, f"{layout.cut(name, room):{end - len(online)}}{online}{cpu:>4}{warmth}")


def _groups_listed(glass: Geometry) -> int:
    return glass.rows - 1 if glass.rows >= TALL else glass.rows
