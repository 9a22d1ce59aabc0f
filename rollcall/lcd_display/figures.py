"""The numbers of an overview: counts of nodes, and totals over those that are fresh.

Nothing old is counted: a value takes part only while it is fresh. Totals are busy of all cores and
used of all bytes, and are unknown when fewer than half of the nodes are fresh.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rollcall.broker.cluster import Cluster, NodeState, NodeView, Now
from rollcall.broker.messages import ServiceOnline
from rollcall.lcd_display.layout import in_natural_order

_QUIET: Final = frozenset({"acknowledged", "silenced", "inhibited"})
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
class Figures:
    """The cluster in numbers at one moment.

    `nodes` are in natural order; `cpu_percent` and `celsius` are by node, fresh ones only;
    `attention` is how many alerts and lost nodes call for somebody, None when nobody can tell
    because the alert service is not online.
    """

    nodes: Sequence[NodeView]
    cpu_percent: Mapping[str, float]
    celsius: Mapping[str, float]
    cpu_total_percent: float | None
    memory: Memory | None
    attention: int | None

    @property
    def online(self) -> int:
        """How many nodes are online."""
        return sum(node.state is NodeState.ONLINE for node in self.nodes)

    @property
    def memory_percent(self) -> float | None:
        """The share of all memory that is used."""
        return self.memory.percent if self.memory else None

    @property
    def lost(self) -> list[NodeView]:
        """The nodes that are down and were not told to be."""
        return [node for node in self.nodes if is_lost(node)]

    @property
    def waiting(self) -> int:
        """How many nodes may only seem down, because the broker or we came back just now."""
        return sum(node.held_back for node in self.nodes)

    @property
    def silent(self) -> list[NodeView]:
        """The nodes that claim to be online, or never said, and from which nothing fresh came."""
        return [node for node in self.nodes if is_silent(node)]

    @property
    def unsure(self) -> int:
        """How many nodes are neither known to be online nor known to be offline."""
        return sum(node.held_back or is_silent(node) for node in self.nodes)


def is_lost(node: NodeView) -> bool:
    """Say whether `node` is down and nobody told it to be."""
    return node.state is NodeState.OFFLINE and node.reason == "lost" and not node.held_back


def is_silent(node: NodeView) -> bool:
    """Say whether `node` is neither online nor offline."""
    return node.state in {NodeState.STALE, NodeState.UNKNOWN}


def figures_of(cluster: Cluster, now: Now) -> Figures:
    """Count and add up."""
    nodes = sorted(cluster.nodes(now), key=lambda node: in_natural_order(node.name))
    return Figures(
        nodes=nodes,
        cpu_percent=_fresh(nodes, ("cpu.percent",), now),
        celsius=_fresh(nodes, ("temperature.cpu_celsius", "temperature.hottest_celsius"), now),
        cpu_total_percent=_cpu_total_percent(nodes, now),
        memory=_memory(nodes, now),
        attention=_attention(cluster, nodes),
    )


def fresh_value(node: NodeView, metric: str, now: Now) -> float | None:
    """Give a number of `node` if it is fresh and can be true, else None."""
    value = node.value(metric, now)
    if value is None or not value.fresh:
        return None
    least, most = _POSSIBLE[metric]
    return value.number if least <= value.number <= most else None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Give the smallest value that `percent` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None


def _fresh(nodes: Sequence[NodeView], metrics: Sequence[str], now: Now) -> dict[str, float]:
    """Give by node the first of `metrics` that is fresh."""
    found = {}
    for node in nodes:
        values = (fresh_value(node, metric, now) for metric in metrics)
        value = next((value for value in values if value is not None), None)
        if value is not None:
            found[node.name] = value
    return found


def _cpu_total_percent(nodes: Sequence[NodeView], now: Now) -> float | None:
    if len(nodes) == 1:
        return fresh_value(nodes[0], "cpu.percent", now)
    weighed = []
    for node in nodes:
        busy_percent = fresh_value(node, "cpu.percent", now)
        cores = node.info.cpus if node.info else None
        if busy_percent is not None and cores:
            weighed.append((busy_percent, cores))
    if not weighed or 2 * len(weighed) < len(nodes):
        return None
    return sum(busy * cores for busy, cores in weighed) / sum(cores for _, cores in weighed)


def _memory(nodes: Sequence[NodeView], now: Now) -> Memory | None:
    held = []
    for node in nodes:
        used = fresh_value(node, "memory.used_bytes", now)
        total = fresh_value(node, "memory.total_bytes", now)
        if used is not None and total is not None and used <= total:
            held.append((used, total))
    if not held or 2 * len(held) < len(nodes):
        return None
    return Memory(sum(used for used, _ in held), sum(total for _, total in held))


def _attention(cluster: Cluster, nodes: Sequence[NodeView]) -> int | None:
    services = cluster.services.items()
    if not any(
        name.partition("-")[0] == "alerts" and isinstance(status, ServiceOnline)
        for name, status in services
    ):
        return None
    calling = [
        name
        for (name, _), alert in cluster.alerts.items()
        if alert.state == "firing" and not _QUIET.intersection(alert.flags)
    ]
    unspoken = [node for node in nodes if is_lost(node) and node.name not in _firing(cluster)]
    return len(calling) + len(unspoken)


def _firing(cluster: Cluster) -> set[str]:
    return {name for (name, _), alert in cluster.alerts.items() if alert.state == "firing"}
