"""What `rollcall status` says about a cluster: judged and put into rows. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import ServiceOnline
from rollcall.broker.node_view import NodeState, NodeView, Now, Value
from rollcall.console import words
from rollcall.console.marks import ORDER
from rollcall.console.recording import RECORDING, Recording, recording_of

_ALERTS: Final = "alerts"


class ToldAlert(Protocol):
    """An alert in words, from the broker or as it was recorded; times in Unix seconds."""

    @property
    def state(self) -> str: ...  # noqa: D102 - pending or firing
    @property
    def severity(self) -> str: ...  # noqa: D102 - critical, warning or info
    @property
    def since(self) -> float: ...  # noqa: D102 - as above
    @property
    def summary(self) -> str: ...  # noqa: D102 - for people
    @property
    def incident(self) -> str | None: ...  # noqa: D102 - None while pending


@dataclass(frozen=True, slots=True)
class LastValue:
    """The newest number of a metric, however old; `at` in Unix seconds."""

    number: float
    at: float


@dataclass(frozen=True, slots=True)
class Row:
    """A node in words. `verdict` is ok, warning, critical, stale, offline or unknown.

    Numbers are there while they are fresh. `last` has by metric those that were recorded last,
    where the row comes from the database.
    """

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
    alerts: Mapping[str, ToldAlert] = field(default_factory=dict)
    drift: str | None = None
    revision: int | None = None
    last: Mapping[str, LastValue] = field(default_factory=dict)

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
    recording: Recording = RECORDING

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
    rows = [_row(view, cluster, now) for view in views]
    return Summary(rows, remarks, recording_of(cluster.services))


def document(summary: Summary, now: Now, source: str = "broker") -> dict[str, Any]:
    """Give the summary as the document of `--json`; `source`: broker or database.

    Only the broker knows whether anything is recorded now.
    """
    recording = summary.recording if source == "broker" else Recording(ok=False)
    return {
        "schema": 1,
        "time": words.iso(now.wall_s),
        "ts": round(now.wall_s * 1000),
        "source": source,
        "recorded": recording.ok if source == "broker" else None,
        "not_recorded_since": None if recording.since is None else words.iso(recording.since),
        "nodes": [_as_json(row) for row in summary.rows],
        "remarks": [*filter(None, [summary.recording.remark(now.wall_s)]), *summary.remarks],
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
    status = cluster.services.get(_ALERTS)
    if status is None:
        return [f"{_ALERTS}: never seen on this broker"]
    if isinstance(status, ServiceOnline):
        return []
    since = f" since {words.iso(status.since)}" if status.since else ""
    return [f"{_ALERTS}: offline, {status.reason}{since}"]


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
        **({"last": _last_as_json(row)} if row.last else {}),
    }


def _last_as_json(row: Row) -> dict[str, Any]:
    return {
        metric: {"value": last.number, "time": words.iso(last.at), "ts": round(last.at * 1000)}
        for metric, last in row.last.items()
    }
