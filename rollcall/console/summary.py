"""What `rollcall status` says about a cluster: judged and put into rows. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from rollcall.broker.cluster import Cluster, NodeState, NodeView, Now, Value
from rollcall.broker.messages import Alert, ServiceOnline
from rollcall.console import words
from rollcall.console.marks import ORDER

_SERVICES_EXPECTED: Final = ("recorder", "alerts")


@dataclass(frozen=True, slots=True)
class Row:
    """A node in words. `verdict` is ok, warning, critical, stale, offline or unknown."""

    node: str
    verdict: str
    state: str
    reason: str | None
    since: float | None
    age_s: float | None
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    celsius: float | None
    uptime_s: float | None
    alerts: dict[str, Alert] = field(default_factory=dict)
    drift: str | None = None
    revision: int | None = None

    @property
    def remark(self) -> str:
        """Say why the row is not ok: the loss with its time, what fires, what is not followed."""
        if self.state == NodeState.OFFLINE:
            since = f" at {words.iso(self.since)[11:19]} UTC" if self.since else ""
            return f"{self.reason}{since}"
        firing = [alert.summary for alert in self.alerts.values() if alert.state == "firing"]
        return "; ".join([*firing, *([self.drift] if self.drift else [])])


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows, worst first, and what is to be said about our own services."""

    rows: list[Row]
    remarks: list[str]

    @property
    def headline(self) -> str:
        """Say the counts, worst first: `14 nodes: 1 offline, 1 critical, 12 ok`."""
        counts = Counter(row.verdict for row in self.rows)
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
        nodes = "1 node" if len(self.rows) == 1 else f"{len(self.rows)} nodes"
        return f"{nodes}: {told}" if self.rows else "no nodes yet"


def summarize(cluster: Cluster, now: Now, only: Iterable[str] = ()) -> Summary:
    """Judge every node, or those in `only`, at `now`."""
    wanted = set(only)
    views = [view for view in cluster.worst_first(now) if not wanted or view.name in wanted]
    remarks = [*_fleet_remarks(cluster), *_service_remarks(cluster)]
    return Summary([_row(view, cluster, now) for view in views], remarks)


def document(summary: Summary, now: Now) -> dict[str, Any]:
    """Give the summary as the document of `--json`."""
    return {
        "schema": 1,
        "time": words.iso(now.wall_s),
        "ts": round(now.wall_s * 1000),
        "nodes": [_as_json(row) for row in summary.rows],
        "remarks": summary.remarks,
    }


def _row(view: NodeView, cluster: Cluster, now: Now) -> Row:
    temperature = view.value("temperature.cpu_celsius", now)
    disks = view.values("disk.used_percent", now).values()
    drift = cluster.drift(view)
    return Row(
        node=view.name,
        verdict=_verdict(view, cluster.severity(view.name), drift),
        state=str(view.state),
        reason=view.reason,
        since=view.since,
        age_s=view.age_s,
        cpu_percent=_fresh(view.value("cpu.percent", now)),
        memory_percent=_fresh(view.value("memory.used_percent", now)),
        disk_percent=max((value.number for value in disks if value.fresh), default=None),
        celsius=_fresh(temperature),
        uptime_s=_fresh(view.value("system.uptime_seconds", now)),
        alerts={rule: alert for (node, rule), alert in cluster.alerts.items() if node == view.name},
        drift=drift,
        revision=view.applied.revision if view.applied else None,
    )


def _fresh(value: Value | None) -> float | None:
    return value.number if value is not None and value.fresh else None


def _verdict(view: NodeView, severity: str | None, drift: str | None) -> str:
    if view.state is not NodeState.ONLINE:
        return str(view.state)
    if severity in {"warning", "critical"}:
        return str(severity)
    return "warning" if drift else "ok"


def _fleet_remarks(cluster: Cluster) -> list[str]:
    if cluster.fleet is None or cluster.hears_answers:
        return []
    what = f"whether nodes follow revision {cluster.fleet.revision} cannot be known"
    return [f"fleet: {what}, as this identity may not read what they answer"]


def _service_remarks(cluster: Cluster) -> list[str]:
    remarks = []
    for name in _SERVICES_EXPECTED:
        status = cluster.services.get(name)
        if status is None:
            remarks.append(f"{name}: never seen on this broker")
        elif not isinstance(status, ServiceOnline):
            since = f" since {words.iso(status.since)}" if status.since else ""
            remarks.append(f"{name}: offline, {status.reason}{since}")
    return remarks


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "node": row.node,
        "verdict": row.verdict,
        "state": row.state,
        "reason": row.reason,
        "since": None if row.since is None else words.iso(row.since),
        "age_seconds": None if row.age_s is None else round(row.age_s, 1),
        "cpu.percent": row.cpu_percent,
        "memory.used_percent": row.memory_percent,
        "disk.used_percent": row.disk_percent,
        "temperature.cpu_celsius": row.celsius,
        "system.uptime_seconds": row.uptime_s,
        "fleet": {"revision": row.revision, "drift": row.drift},
        "alerts": [
            {
                "rule": rule,
                "state": alert.state,
                "severity": alert.severity,
                "since": words.iso(alert.since),
                "summary": alert.summary,
                "incident": alert.incident,
            }
            for rule, alert in sorted(row.alerts.items())
        ],
    }
