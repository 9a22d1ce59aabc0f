"""The cluster out of the database: what `rollcall status` says while the broker is away. Pure.

A state is judged by the database's own clock; a number counts as fresh on a node that is online,
for as long as it would from the broker, if its collector reports as often as it does by default.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.broker.cluster import SEVERITIES
from rollcall.broker.node_view import stale_after_s
from rollcall.console.marks import ORDER
from rollcall.console.summary import LastValue, Row, ToldAlert

CPU: Final = "cpu.percent"
MEMORY: Final = "memory.used_percent"
DISK: Final = "disk.used_percent"
CELSIUS: Final = "temperature.cpu_celsius"
UPTIME: Final = "system.uptime_seconds"
_SECONDS_BETWEEN: Final = {"disk": 60, "system": 60, "process": 30}
_USUALLY_S: Final = 10
METRICS: Final = (CPU, MEMORY, DISK, CELSIUS, UPTIME)


@dataclass(frozen=True, slots=True)
class RecordedAlert:
    """An alert as it was recorded; `since` in Unix seconds."""

    state: str
    severity: str
    since: float
    summary: str
    incident: str | None


@dataclass(frozen=True, slots=True)
class RecordedNode:
    """A node as it was recorded; times in Unix seconds. Of several disks `last` has the fullest."""

    node: str
    state: str
    reason: str | None
    since: float | None
    seen: float | None
    last: Mapping[str, LastValue]
    alerts: Mapping[str, ToldAlert]


def fresh_for_s(collector: str) -> float:
    """Say for how long a number of a collector counts as fresh, in seconds."""
    return stale_after_s(_SECONDS_BETWEEN.get(collector, _USUALLY_S))


def rows_of(found: Iterable[RecordedNode], at: float, only: Collection[str] = ()) -> list[Row]:
    """Give the nodes (or only some) as rows at the moment `at` (Unix seconds), worst first."""
    rows = [_row(each, at) for each in found if not only or each.node in only]
    return sorted(rows, key=lambda row: (ORDER.index(row.verdict), -(row.since or 0), row.node))


def fullest(values: Iterable[tuple[str, str, int, float]]) -> dict[str, dict[str, LastValue]]:
    """Give by node and metric the highest of (node, metric, time in ms, number)."""
    found: dict[str, dict[str, LastValue]] = {}
    for node, metric, ts, number in values:
        of_node = found.setdefault(node, {})
        if metric not in of_node or of_node[metric].number < number:
            of_node[metric] = LastValue(number, ts / 1000)
    return found


def _row(found: RecordedNode, at: float) -> Row:
    def fresh(metric: str) -> float | None:
        last = found.last.get(metric)
        if last is None or found.state != "online":
            return None
        return last.number if at - last.at <= fresh_for_s(metric.partition(".")[0]) else None

    return Row(
        node=found.node,
        verdict=_verdict(found.state, list(found.alerts.values())),
        state=found.state,
        reason=found.reason,
        since=found.since,
        age_s=None if found.seen is None else max(at - found.seen, 0.0),
        cpu_percent=fresh(CPU),
        memory_percent=fresh(MEMORY),
        disk_percent=fresh(DISK),
        celsius=fresh(CELSIUS),
        uptime_s=fresh(UPTIME),
        alerts=found.alerts,
        last=found.last,
    )


def _verdict(state: str, alerts: Sequence[ToldAlert]) -> str:
    if state != "online":
        return state
    firing = {alert.severity for alert in alerts if alert.state == "firing"}
    worst = next((severity for severity in SEVERITIES if severity in firing), "ok")
    return worst if worst in {"critical", "warning"} else "ok"
