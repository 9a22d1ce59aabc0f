"""The numbers behind the pages: of each node, and totals over those that are fresh.

Nothing old is counted: a value takes part only while it is fresh. Totals are busy of all cores and
used of all bytes, and are unknown when fewer than half of the nodes are fresh.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final

from rollcall.broker.messages import Number
from rollcall.broker.node_view import NodeState, NodeView, Now
from rollcall.lcd_display.layout import in_natural_order

_EXABYTE: Final = 1e18
# A number beyond these is a fault of its sender: it would not fit its place, and spoil a total.
_POSSIBLE: Final = MappingProxyType(
    {
        "cpu.percent": (0, 100),
        "memory.used_bytes": (0, _EXABYTE),
        "memory.total_bytes": (1, _EXABYTE),
        "system.uptime_seconds": (0, 1e10),
        "temperature.cpu_celsius": (-99, 999),
        "temperature.hottest_celsius": (-99, 999),
        "load.load1": (0, 999),
        "load.load5": (0, 999),
        "load.load15": (0, 999),
        "disk.used_percent": (0, 100),
        "disk.used_bytes": (0, _EXABYTE),
        "disk.total_bytes": (1, _EXABYTE),
        "network.receive_bytes_per_second": (0, 1e14),
        "network.transmit_bytes_per_second": (0, 1e14),
    }
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Used of all bytes."""

    used_bytes: float
    total_bytes: float

    @property
    def percent(self) -> float:
        """The share that is used."""
        return 100 * self.used_bytes / self.total_bytes


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node in numbers, fresh ones only; `groups` are those of the fleet document."""

    view: NodeView
    cpu_percent: float | None
    memory: Memory | None
    celsius: float | None
    groups: frozenset[str]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.view.name

    @property
    def cores(self) -> int | None:
        """How many cores the node has said it has."""
        return (self.view.info.cpus or None) if self.view.info else None

    @property
    def address(self) -> str | None:
        """The first address that the node has announced."""
        info = self.view.info
        return info.addresses[0] if info and info.addresses else None

    @property
    def memory_percent(self) -> float | None:
        """The share of its memory that is used."""
        return self.memory.percent if self.memory else None

    @property
    def is_lost(self) -> bool:
        """Whether the node is down and nobody told it to be."""
        view = self.view
        return view.state is NodeState.OFFLINE and view.reason == "lost" and not view.held_back

    @property
    def is_silent(self) -> bool:
        """Whether the node is neither online nor offline."""
        return self.view.state in {NodeState.STALE, NodeState.UNKNOWN}

    @property
    def is_unsure(self) -> bool:
        """Whether the node is neither known to be online nor known to be offline."""
        return self.view.held_back or self.is_silent


@dataclass(frozen=True)
class Figures:
    """Some nodes in numbers at one moment, in natural order of their names."""

    nodes: Sequence[NodeFigures] = field(default_factory=tuple)

    @cached_property
    def online(self) -> int:
        """How many nodes are online."""
        return sum(node.view.state is NodeState.ONLINE for node in self.nodes)

    @cached_property
    def lost(self) -> list[NodeFigures]:
        """The nodes that are down and were not told to be."""
        return [node for node in self.nodes if node.is_lost]

    @cached_property
    def waiting(self) -> int:
        """How many nodes may only seem down, because the broker or we came back just now."""
        return sum(node.view.held_back for node in self.nodes)

    @cached_property
    def silent(self) -> list[NodeFigures]:
        """The nodes that claim to be online, or never said, and from which nothing fresh came."""
        return [node for node in self.nodes if node.is_silent]

    @cached_property
    def unsure(self) -> int:
        """How many nodes are neither known to be online nor known to be offline."""
        return sum(node.is_unsure for node in self.nodes)

    @cached_property
    def by_cpu(self) -> list[NodeFigures]:
        """The nodes whose CPU is fresh, the busiest first."""
        fresh = (node for node in self.nodes if node.cpu_percent is not None)
        return sorted(fresh, key=lambda node: -(node.cpu_percent or 0))

    @cached_property
    def hottest(self) -> NodeFigures | None:
        """The hottest node of those whose temperature is fresh."""
        fresh = (node for node in self.nodes if node.celsius is not None)
        return max(fresh, key=lambda node: node.celsius or 0, default=None)

    @cached_property
    def cpu_max_percent(self) -> float | None:
        """The share in use on the busiest node."""
        return self.by_cpu[0].cpu_percent if self.by_cpu else None

    @cached_property
    def cpu_total_percent(self) -> float | None:
        """Busy of all cores; of one node its own share, whether or not it tells its cores."""
        if len(self.nodes) == 1:
            return self.nodes[0].cpu_percent
        weighed = [
            (node.cpu_percent, node.cores)
            for node in self.by_cpu
            if node.cores and node.cpu_percent is not None
        ]
        if not self._are_enough(weighed):
            return None
        return sum(busy * cores for busy, cores in weighed) / sum(cores for _, cores in weighed)

    @cached_property
    def memory(self) -> Memory | None:
        """Used of all bytes."""
        held = [node.memory for node in self.nodes if node.memory]
        if not self._are_enough(held):
            return None
        return Memory(
            sum(memory.used_bytes for memory in held), sum(memory.total_bytes for memory in held)
        )

    @property
    def memory_percent(self) -> float | None:
        """The share of all memory that is used."""
        return self.memory.percent if self.memory else None

    @property
    def is_mostly_silent(self) -> bool:
        """Whether more than half of the nodes are silent, and none is waited for."""
        return 2 * len(self.silent) > len(self.nodes) and not self.waiting

    def _are_enough(self, fresh: Sequence[object]) -> bool:
        return bool(fresh) and 2 * len(fresh) >= len(self.nodes)


def figures_of(
    views: Iterable[NodeView], now: Now, groups: Mapping[str, frozenset[str]]
) -> Figures:
    """Take the fresh numbers of each node; `groups` are by node."""
    ordered = sorted(views, key=lambda view: in_natural_order(view.name))
    return Figures([_of_node(view, now, groups.get(view.name, frozenset())) for view in ordered])


def fresh_value(node: NodeView, metric: str, now: Now, instance: str | None = None) -> float | None:
    """Give a number of `node` if it is fresh and can be true, else None."""
    value = node.value(metric, now, instance)
    return _possible(metric, value.number if value is not None and value.fresh else None)


def fresh_sum(node: NodeView, metric: str, now: Now) -> float | None:
    """Add up the fresh numbers of all instances; None when there is none."""
    numbers = [fresh_value(node, metric, now, instance) for instance in node.values(metric, now)]
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Give the smallest value that `percent` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def _of_node(view: NodeView, now: Now, groups: frozenset[str]) -> NodeFigures:
    if view.state is not NodeState.ONLINE:
        return NodeFigures(view, None, None, None, groups)
    warmth = view.fresh_fields("temperature", now)
    celsius = _possible("temperature.cpu_celsius", warmth.get("cpu_celsius"))
    if celsius is None:
        celsius = _possible("temperature.hottest_celsius", warmth.get("hottest_celsius"))
    cpu_percent = _possible("cpu.percent", view.fresh_fields("cpu", now).get("percent"))
    return NodeFigures(view, cpu_percent, _memory_of(view, now), celsius, groups)


def _memory_of(view: NodeView, now: Now) -> Memory | None:
    fields = view.fresh_fields("memory", now)
    used_bytes = _possible("memory.used_bytes", fields.get("used_bytes"))
    total_bytes = _possible("memory.total_bytes", fields.get("total_bytes"))
    if used_bytes is None or total_bytes is None or used_bytes > total_bytes:
        return None
    return Memory(used_bytes, total_bytes)


def _possible(metric: str, number: Number | None) -> float | None:
    """Give the number if it can be true."""
    if number is None:
        return None
    least, most = _POSSIBLE[metric]
    return number if least <= number <= most else None
