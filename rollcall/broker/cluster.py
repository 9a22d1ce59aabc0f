"""Fold messages into the newest state of every node, with ages.

What the alert service, the display and the console share, so that they never disagree. Pure: the
time is an argument, and nothing here waits or talks.

A live message is judged by its arrival on our own monotonic clock, because a node's clock may be
wrong; a replayed one (retained, sent at subscribing) by its `time`, and it is no sign of life.

A node is *online* or *offline* as its status topic says, and *stale* when it claims to be online
but nothing fresh has come for three of its intervals, at least 45 s. An `offline` of another epoch
than the newest `online`, or of the same epoch with a lower session, is ignored: it is the will of a
connection that has been replaced. For 60 s after our own connecting, "down" is held back for nodes
not heard alive since: a broker that restarts has published every will.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from rollcall.broker import messages
from rollcall.broker.messages import (
    Alert,
    AlertEnded,
    Applied,
    Fleet,
    Info,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    Severity,
)
from rollcall.broker.node_view import (
    HeldReport,
    NodeState,
    NodeView,
    Now,
    age_by_clock,
    stale_after_s,
    worst_first,
)
from rollcall.broker.topics import Address, Kind

HOLD_DOWN_S: Final = 60.0
_STATUS_EVERY_S: Final = 60.0
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning", "info")


@dataclass
class _Node:
    status: Online | Offline | None = None
    newest_birth: Online | None = None
    changed_at: float | None = None
    alive_s: float | None = None
    newest_time: float | None = None
    info: Info | None = None
    heard_every_s: float | None = None
    applied: Applied | None = None
    reports: dict[str, HeldReport] = field(default_factory=dict)

    def interval_s(self) -> float:
        if self.heard_every_s is not None:
            return self.heard_every_s
        if self.newest_birth is not None:
            return self.newest_birth.interval
        intervals = [held.report.interval for held in self.reports.values()]
        return min(intervals, default=self.info.interval if self.info else 0)

    def age_s(self, now: Now) -> float | None:
        if self.alive_s is not None:
            return now.monotonic_s - self.alive_s
        return None if self.newest_time is None else age_by_clock(self.newest_time, now)


class Cluster:
    """The newest state of every node, service and alert, and the fleet document in force.

    `heard` names the collectors whose reports come here, where not all do: a node is then stale
    after three of their intervals, because what is not heard is no silence. `hears_answers`:
    whether what nodes answer to the fleet document comes here; whatever comes proves that it does.
    """

    def __init__(self, heard: Collection[str] | None = None, *, hears_answers: bool = True) -> None:
        self._heard = heard
        self._nodes: dict[str, _Node] = {}
        self._connected_s: float | None = None
        self.alerts: dict[tuple[str, str], Alert] = {}
        self.services: dict[str, ServiceOnline | ServiceOffline] = {}
        self.fleet: Fleet | None = None
        self.hears_answers = hears_answers

    def connected(self, now: Now) -> None:
        """Note that our own connection was made: the hold-down begins."""
        self._connected_s = now.monotonic_s

    def fold(self, address: Address, payload: bytes, *, replayed: bool, now: Now) -> None:
        """Take in one message; `now` is its arrival. An empty payload removes the thing.

        Topics that carry no state are passed over. Raises DecodeError, and changes nothing then.
        """
        match address.kind:
            case Kind.STATUS:
                self._fold_status(address.name, payload, replayed=replayed, now=now)
            case Kind.INFO:
                self._fold_info(address.name, payload, replayed=replayed, now=now)
            case Kind.METRICS:
                self._fold_report(address, payload, replayed=replayed, now=now)
            case Kind.ALERT:
                self._fold_alert(address, payload)
            case Kind.APPLIED:
                self._fold_applied(address.name, payload)
            case Kind.FLEET:
                self.fleet = messages.FLEET.decode(payload) if payload else None
            case Kind.SERVICE_STATUS:
                self._fold_service(address.name, payload)
            case _:
                pass

    def nodes(self, now: Now) -> list[NodeView]:
        """Give every node as it is at `now`, by name."""
        return [self._view(name, node, now) for name, node in sorted(self._nodes.items())]

    def node(self, name: str, now: Now) -> NodeView | None:
        """Give one node as it is at `now`; None when nothing of it was ever seen."""
        node = self._nodes.get(name)
        return None if node is None else self._view(name, node, now)

    def newest_report(self, name: str, collector: str) -> Report | None:
        """Give the newest report of one collector of a node; None when there is none."""
        node = self._nodes.get(name)
        held = node.reports.get(collector) if node is not None else None
        return None if held is None else held.report

    def drift(self, view: NodeView) -> str | None:
        """Say in what a node does not follow the document in force; None: it does, or unknown."""
        applied, fleet = view.applied, self.fleet
        if fleet is None:
            stale = applied is not None and applied.revision > 0
            return (
                f"fleet revision {applied.revision}, which is gone" if applied and stale else None
            )
        if applied is None:
            silent = f"has not answered to fleet revision {fleet.revision}"
            return silent if self.hears_answers else None
        if applied.digest != fleet.digest:
            refused = f": {applied.problems[0]}" if applied.problems else ""
            return f"fleet revision {applied.revision}, not {fleet.revision}{refused}"
        if applied.problems:
            more = f" (and {len(applied.problems) - 1} more)" if len(applied.problems) > 1 else ""
            return f"fleet revision {applied.revision} but for {applied.problems[0]}{more}"
        return None

    def worst_first(self, now: Now) -> list[NodeView]:
        """Order nodes: critical, lost, stale, warning, stopped, ok; then newest change."""
        return worst_first(self.nodes(now), self.severities())

    def severities(self) -> dict[str, Severity]:
        """Give by node the worst severity that fires there."""
        worst: dict[str, Severity] = {}
        for (node, _), alert in self.alerts.items():
            before = worst.get(node)
            if alert.state == "firing" and (
                before is None or SEVERITIES.index(alert.severity) < SEVERITIES.index(before)
            ):
                worst[node] = alert.severity
        return worst

    def severity(self, node: str) -> str | None:
        """Give the worst severity that fires on `node`: critical, warning, info or None."""
        return self.severities().get(node)

    def _fold_status(self, name: str, payload: bytes, *, replayed: bool, now: Now) -> None:
        if not payload:
            self._nodes.pop(name, None)
            return
        status = messages.STATUS.decode(payload)
        node = self._nodes.setdefault(name, _Node())
        if isinstance(status, Online):
            node.newest_birth = status
            if not replayed:
                node.alive_s = now.monotonic_s
        elif _is_of_replaced_connection(status, node.newest_birth):
            return
        if node.status is None or node.status.state != status.state:
            arrived_at = None if replayed else now.wall_s
            node.changed_at = arrived_at if status.since is None else status.since
        node.status = status

    def _fold_info(self, name: str, payload: bytes, *, replayed: bool, now: Now) -> None:
        info = messages.INFO.decode(payload) if payload else None
        if info is None and name not in self._nodes:
            return
        node = self._nodes.setdefault(name, _Node())
        node.info = info
        node.heard_every_s = self._heard_every_s(info)
        if info is not None and not replayed:
            node.alive_s = now.monotonic_s

    def _heard_every_s(self, info: Info | None) -> float | None:
        if self._heard is None or info is None or not info.collectors:
            return None
        heard_s = [every_s for name, every_s in info.collectors.items() if name in self._heard]
        return min(heard_s, default=_STATUS_EVERY_S)

    def _fold_report(self, address: Address, payload: bytes, *, replayed: bool, now: Now) -> None:
        if not payload:
            if address.name in self._nodes:
                self._nodes[address.name].reports.pop(address.leaf, None)
            return
        report = messages.REPORT.decode(payload)
        node = self._nodes.setdefault(address.name, _Node())
        if not replayed:
            node.alive_s = now.monotonic_s
        held = node.reports.get(address.leaf)
        if held and (held.report.epoch, held.report.seq) == (report.epoch, report.seq):
            return
        node.reports[address.leaf] = HeldReport(report, None if replayed else now.monotonic_s)
        node.newest_time = max(node.newest_time or 0, report.time)

    def _fold_applied(self, name: str, payload: bytes) -> None:
        applied = messages.APPLIED.decode(payload) if payload else None
        self.hears_answers |= applied is not None
        if applied is not None or name in self._nodes:
            self._nodes.setdefault(name, _Node()).applied = applied

    def _fold_service(self, name: str, payload: bytes) -> None:
        if payload:
            self.services[name] = messages.SERVICE_STATUS.decode(payload)
        else:
            self.services.pop(name, None)

    def _fold_alert(self, address: Address, payload: bytes) -> None:
        alert = messages.ALERT.decode(payload) if payload else None
        if alert is None or isinstance(alert, AlertEnded):
            self.alerts.pop((address.name, address.leaf), None)
        else:
            self.alerts[address.name, address.leaf] = alert

    def _view(self, name: str, node: _Node, now: Now) -> NodeView:
        age_s = node.age_s(now)
        interval_s = node.interval_s()
        state, reason = _state_of(node, age_s, interval_s)
        since = node.changed_at
        if state is NodeState.STALE and age_s is not None:
            since = now.wall_s - age_s
        return NodeView(
            name=name,
            state=state,
            reason=reason,
            since=since,
            age_s=age_s,
            held_back=state is not NodeState.ONLINE and self._holds_back(node, reason, now),
            interval_s=interval_s,
            info=node.info,
            reports=node.reports,
            applied=node.applied,
            heard=self._is_heard(node, now),
        )

    def _holds_back(self, node: _Node, reason: str | None, now: Now) -> bool:
        return not self._is_heard(node, now) and reason in {None, "lost"}

    def _is_heard(self, node: _Node, now: Now) -> bool:
        connected_s = self._connected_s
        if connected_s is None or now.monotonic_s - connected_s >= HOLD_DOWN_S:
            return True
        return node.alive_s is not None and node.alive_s >= connected_s


def _state_of(node: _Node, age_s: float | None, interval_s: float) -> tuple[NodeState, str | None]:
    match node.status:
        case None:
            return NodeState.UNKNOWN, None
        case Offline(reason=reason):
            return NodeState.OFFLINE, reason
    if age_s is None or age_s > stale_after_s(interval_s):
        return NodeState.STALE, None
    return NodeState.ONLINE, None


def _is_of_replaced_connection(status: Offline, newest: Online | None) -> bool:
    return newest is not None and (status.epoch != newest.epoch or status.session < newest.session)
