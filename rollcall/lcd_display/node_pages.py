"""Pages that list nodes: with values, with addresses, many in little room, the worst; and one node.

A page that does not fit at once has parts, numbered from 0. A node keeps its place while nodes
neither come nor go, except among the worst.
"""

import ipaddress
import math
from collections.abc import Sequence
from typing import Final

from rollcall.lcd_display import layout
from rollcall.lcd_display.cells import mark_of, standing_of
from rollcall.lcd_display.charset import DEGREE
from rollcall.lcd_display.figures import NodeFigures, fresh_sum, fresh_value
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL, UNKNOWN, WIDE, first_fitting, row
from rollcall.lcd_display.page import Moment
from rollcall.lcd_display.snapshot import Snapshot

_ADDRESS_WIDTH: Final = 15
_COMPACT_WIDTH: Final = 5
_SHORTEST_NAME: Final = 4
_WORST_PARTS: Final = 3
_ROOT: Final = "/"
_RATES: Final = ("receive_bytes_per_second", "transmit_bytes_per_second")
_LOADS: Final = ("load1", "load5", "load15")


def parts_for(count: int, capacity: int) -> int:
    """Give how many parts `count` things need, `capacity` to each; one at least."""
    return max(math.ceil(count / capacity), 1)


def _listed(glass: Geometry) -> int:
    """Give how many nodes a list holds: a tall glass has a title over it."""
    return glass.rows - 1 if glass.rows >= TALL else glass.rows


# One node in detail


def detail_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the detail page."""
    return len(snapshot.figures.nodes) * (TALL // glass.rows)


def detail(glass: Geometry, snapshot: Snapshot, moment: Moment, part: int) -> tuple[str, ...]:
    """Draw address, load, the root file system and the network of a node."""
    pieces = TALL // glass.rows
    node = snapshot.figures.nodes[part // pieces]
    rows = (
        _who(glass.columns, node),
        _load(glass.columns, node, moment),
        _root_disk(glass.columns, node, moment),
        _network(glass.columns, node, moment),
    )
    first = part % pieces * glass.rows
    return rows[first : first + glass.rows]


def _who(columns: int, node: NodeFigures) -> str:
    address = (node.address or "")[-_ADDRESS_WIDTH:]
    room = columns - len(address) - 1
    name = layout.cut(node.name, room) if room >= _SHORTEST_NAME else ""
    return row(columns, name, address)


def _load(columns: int, node: NodeFigures, moment: Moment) -> str:
    loads = [fresh_value(node.view, f"load.{each}", moment.now) for each in _LOADS]
    told = " ".join(UNKNOWN if load is None else layout.load(load) for load in loads)
    cores = f"{node.cores}co" if node.cores else ""
    text = f"load {told}"
    return row(columns, text, cores if len(text) + len(cores) < columns else "")


def _root_disk(columns: int, node: NodeFigures, moment: Moment) -> str:
    used_percent = fresh_value(node.view, "disk.used_percent", moment.now, _ROOT)
    used_bytes = fresh_value(node.view, "disk.used_bytes", moment.now, _ROOT)
    total_bytes = fresh_value(node.view, "disk.total_bytes", moment.now, _ROOT)
    amount = ""
    if used_bytes is not None and total_bytes is not None and used_bytes <= total_bytes:
        amount = _amount(used_bytes, total_bytes, columns - len("disk / 100%"))
    return row(columns, f"disk / {layout.percent(used_percent)}", amount)


def _amount(used_bytes: float, total_bytes: float, width: int) -> str:
    if width < len("11/29GB"):
        return layout.size(total_bytes)
    return layout.of_bytes(used_bytes, total_bytes, width - 1)


def _network(columns: int, node: NodeFigures, moment: Moment) -> str:
    rates = [fresh_sum(node.view, f"network.{each}", moment.now) for each in _RATES]
    received, sent = (UNKNOWN if each is None else layout.rate(each) for each in rates)
    return row(
        columns,
        first_fitting(columns, f"net {received} in {sent} out", f"net {received} / {sent}"),
    )


# Nodes with values


def nodes_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the list of nodes."""
    return parts_for(len(snapshot.figures.nodes), _listed(glass))


def nodes(glass: Geometry, snapshot: Snapshot, moment: Moment, part: int) -> tuple[str, ...]:
    """Draw nodes with CPU, memory and temperature, or why there are none of these."""
    number = f"{part + 1}/{nodes_parts(glass, snapshot)}"
    shown = _piece(snapshot.figures.nodes, part, _listed(glass))
    return _table(
        glass,
        ("NODE " + number, number),
        [_node_row(glass.columns, node, moment) for node in shown],
    )


def _table(glass: Geometry, titles: Sequence[str], rows: Sequence[str]) -> tuple[str, ...]:
    heading = []
    if glass.rows >= TALL:
        columns = f" cpu ram {DEGREE}C" if glass.columns >= WIDE else " cpu ram "
        title = first_fitting(glass.columns - len(columns), *titles)
        heading = [row(glass.columns, title, columns)]
    return filled(glass, [*heading, *rows])


def filled(glass: Geometry, rows: Sequence[str]) -> tuple[str, ...]:
    """Add empty rows until the glass is full."""
    return (*rows, *[row(glass.columns, "")] * (glass.rows - len(rows)))


def _node_row(columns: int, node: NodeFigures, moment: Moment, rank: str = "") -> str:
    wide = columns >= WIDE
    room = (7 if wide else 6) - len(rank)
    head = f"{rank}{layout.cut(node.name, room):{room}}{mark_of(node)}"
    standing = standing_of(node, moment.now)
    cpu, ram = layout.percent(node.cpu_percent), layout.percent(node.memory_percent)
    if standing is None:
        values = f"{cpu:>5}{ram:>4}{_degrees(node):>3}" if wide else f"{cpu:>4}{ram:>4}"
        return row(columns, head + values)
    if wide:
        return row(columns, f"{head} {standing.word}", standing.age)
    return row(columns, f"{head} {standing.short} {standing.age}")


def _degrees(node: NodeFigures) -> str:
    return UNKNOWN if node.celsius is None else str(round(node.celsius))


def _piece(nodes: Sequence[NodeFigures], part: int, capacity: int) -> Sequence[NodeFigures]:
    return nodes[part * capacity : (part + 1) * capacity]


# Nodes with addresses


def addresses_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the list of addresses."""
    return parts_for(len(snapshot.figures.nodes), glass.rows)


def addresses(glass: Geometry, snapshot: Snapshot, moment: Moment, part: int) -> tuple[str, ...]:
    """Draw the address of each node, whether it is up, and its CPU or since when it is not."""
    shown = _piece(snapshot.figures.nodes, part, glass.rows)
    return filled(glass, [_address_row(glass.columns, node, moment) for node in shown])


def _address_row(columns: int, node: NodeFigures, moment: Moment) -> str:
    who = node.address or layout.cut(node.name, _ADDRESS_WIDTH)
    head = f"{who[-_ADDRESS_WIDTH:]:{_ADDRESS_WIDTH}}{mark_of(node)}"
    if columns < WIDE:
        return row(columns, head)
    standing = standing_of(node, moment.now)
    return row(columns, head, standing.age if standing else layout.percent(node.cpu_percent))


# Many nodes in little room


def compact_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the compact list."""
    return parts_for(len(snapshot.figures.nodes), _compact_capacity(glass))


def compact(glass: Geometry, snapshot: Snapshot, _moment: Moment, part: int) -> tuple[str, ...]:
    """Draw five cells for each node: the end of its address, or its short name; up or down."""
    all_nodes = snapshot.figures.nodes
    network = common_network(all_nodes)
    shown = _piece(all_nodes, part, _compact_capacity(glass))
    if network:
        labels = [f".{(node.address or '').rpartition('.')[2]}" for node in shown]
    else:
        every = [node.name for node in all_nodes]
        names = [node.name for node in shown]
        labels = layout.short_names(names, every, _COMPACT_WIDTH - 1)
    words = [
        f"{label[: _COMPACT_WIDTH - 1]}{mark_of(node)}".ljust(_COMPACT_WIDTH)
        for label, node in zip(labels, shown, strict=True)
    ]
    across = glass.columns // _COMPACT_WIDTH
    lines = [
        row(glass.columns, "".join(words[first : first + across]))
        for first in range(0, len(words), across)
    ]
    if glass.rows >= TALL:
        number = f"{part + 1}/{compact_parts(glass, snapshot)} "
        lines.insert(0, row(glass.columns, network or "NODES", number))
    return filled(glass, lines)


def common_network(all_nodes: Sequence[NodeFigures]) -> str:
    """Give the first three numbers that all addresses share, `192.168.1.`, or nothing."""
    networks = {(node.address or "").rpartition(".")[0] for node in all_nodes}
    return _network_of(networks.pop()) if len(networks) == 1 else ""


def _network_of(numbers: str) -> str:
    try:
        return f"{ipaddress.IPv4Address(f'{numbers}.0')}".rpartition(".")[0] + "."
    except ValueError:
        return ""


def _compact_capacity(glass: Geometry) -> int:
    return glass.columns // _COMPACT_WIDTH * _listed(glass)


# The worst


def worst_parts(glass: Geometry, snapshot: Snapshot) -> int:
    """Give the number of parts of the list of the worst: 3 at most; 0 when all is well."""
    return min(math.ceil(snapshot.bad / _listed(glass)), _WORST_PARTS)


def worst(glass: Geometry, snapshot: Snapshot, moment: Moment, part: int) -> tuple[str, ...]:
    """Draw nodes in the order of the console; what is left of the room shows the busiest."""
    capacity = _listed(glass)
    shown = _piece(snapshot.worst, part, capacity)
    if glass.rows >= TALL:
        return _table(glass, ("WORST",), [_node_row(glass.columns, node, moment) for node in shown])
    draw = _ranked_row if glass.columns < WIDE else _node_row
    ranked = enumerate(shown, part * capacity + 1)
    return filled(glass, [draw(glass.columns, node, moment, f"{rank} ") for rank, node in ranked])


def _ranked_row(columns: int, node: NodeFigures, moment: Moment, rank: str) -> str:
    head = f"{rank}{layout.cut(node.name, 5):5} "
    standing = standing_of(node, moment.now)
    if standing is not None:
        return row(columns, f"{head}{standing.short}", standing.age)
    celsius = "" if node.celsius is None else f"{_degrees(node)}{DEGREE}"
    return row(columns, f"{head}{layout.percent(node.cpu_percent):>4}", celsius)
