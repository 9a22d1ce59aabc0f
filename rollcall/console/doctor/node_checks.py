"""Is every node there, of our version, with the right time, and does it do as told? Pure."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from rollcall.broker.cluster import Cluster
from rollcall.broker.node_view import NodeState, NodeView, Now
from rollcall.console.doctor.findings import Finding, bounded
from rollcall.console.fleet_situation import Situation
from rollcall.console.words import age, moment

# The time in a report is its scheduled tick, which comes before its arrival.
AHEAD_S: Final = 2.0
BEHIND_S: Final = 15.0
_WAITING_S: Final = 600.0
_VERSION: Final = re.compile(r"\d+")
_NAMED: Final = 5
_LISTS_NODES: Final = "rollcall status"


@dataclass(frozen=True, slots=True)
class NodesSeen:
    """Every node at one moment, and our own version.

    `admin` is the administrator's file; `here` is the node of this machine, whose clock is looked
    at for itself.
    """

    cluster: Cluster
    now: Now
    version: str
    admin: Path | None = None
    here: str | None = None

    @property
    def views(self) -> list[NodeView]:
        """Give the nodes, the worst first."""
        return self.cluster.worst_first(self.now)


def nodes(seen: NodesSeen) -> Iterator[Finding]:
    """Judge all nodes; the last finding counts those that are well."""
    views = seen.views
    if not views:
        yield Finding(
            "nodes", "warning", "no node was ever heard here", remedy="rollcall run agent"
        )
        return
    yield from _presence(views, seen.now.wall_s)
    yield from _clocks(views, seen)
    yield from _collectors(views)
    yield from _waiting(views, seen.now)
    yield from _versions(views, seen.version)
    yield from _fleet(seen, views)


class ClockOff(NamedTuple):
    """By how many seconds a clock is ahead (below 0: behind); `at_least`: it may be more."""

    seconds: float
    at_least: bool

    def __str__(self) -> str:
        """Say it: `at least 39s ahead`."""
        word = "ahead" if self.seconds > 0 else "behind"
        return f"{'at least ' * self.at_least}{age(abs(self.seconds))} {word}"


def clock_off(view: NodeView, now: Now) -> ClockOff | None:
    """Say by how much a node's clock is off; None: not known, or right.

    A report that arrived live bears a time shortly before its arrival. One that was retained may be
    of any age, but not of the future.
    """
    live, replayed = [], []
    for held in view.reports.values():
        if held.arrived_s is None:
            replayed.append(held.report.time - now.wall_s)
        else:
            live.append(held.report.time - (now.wall_s - (now.monotonic_s - held.arrived_s)))
    # What was late for another reason is not the newest for long.
    seconds = max(live or replayed, default=0.0)
    is_off = seconds > AHEAD_S or (bool(live) and seconds < -BEHIND_S)
    return ClockOff(seconds, at_least=not live) if is_off else None


def needs_listening(seen: NodesSeen) -> list[str]:
    """Name the nodes of which only a live report tells whether they or their clocks are wrong."""
    return [
        view.name
        for view in seen.views
        if view.state in {NodeState.ONLINE, NodeState.STALE}
        and not any(held.arrived_s is not None for held in view.reports.values())
        and (
            view.age_s is None
            or view.age_s > view.interval_s + BEHIND_S
            or clock_off(view, seen.now) is not None
        )
    ]


def is_unsynchronized(view: NodeView) -> bool:
    """Say whether the node itself says that nothing keeps its clock right."""
    newest = max(
        (held.report for held in view.reports.values()),
        key=lambda report: report.seq,
        default=None,
    )
    return newest is not None and newest.clock == "unsynchronized"


def compared(version: str, ours: str) -> int:
    """Give -1 for a version older than ours, 1 for a newer one, else 0."""
    theirs, mine = _numbers(version), _numbers(ours)
    return (theirs > mine) - (theirs < mine)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, _VERSION.findall(version)[:3]))


def _presence(views: Sequence[NodeView], wall_s: float) -> Iterator[Finding]:
    offline = [
        Finding(
            view.name,
            "offline",
            f"offline{_since(view, wall_s)}: {view.reason}{_last_report(view, wall_s)}",
            remedy=f"rollcall doctor --node {view.name}",
        )
        for view in views
        if view.state is NodeState.OFFLINE
    ]
    yield from bounded(offline, "nodes are offline", _LISTS_NODES)
    stale = [
        Finding(
            view.name,
            "stale",
            f"says that it is online, but was last heard {age(view.age_s)} ago",
            remedy=f"rollcall doctor --node {view.name}",
        )
        for view in views
        if view.state is NodeState.STALE
    ]
    yield from bounded(stale, "nodes are stale", _LISTS_NODES)
    well = sum(view.state is NodeState.ONLINE for view in views)
    if well:
        yield Finding("nodes", "ok", f"{well} of {len(views)} online")


def _since(view: NodeView, wall_s: float) -> str:
    return f" since {moment(view.since, wall_s)}" if view.since else ""


def _last_report(view: NodeView, wall_s: float) -> str:
    newest = max((held.report.time for held in view.reports.values()), default=None)
    return f", last report {moment(newest, wall_s)}" if newest else ""


def _clocks(views: Sequence[NodeView], seen: NodesSeen) -> Iterator[Finding]:
    found = []
    for view in views:
        off = clock_off(view, seen.now)
        if off is not None:
            text = f"{view.name} is {off}"
        elif is_unsynchronized(view) and view.state is NodeState.ONLINE and view.name != seen.here:
            text = f"{view.name} says that nothing keeps its clock right"
        else:
            continue
        remedy = f"ssh {view.name} sudo timedatectl set-ntp true"
        found.append(Finding("clock", "warning", text, remedy=remedy))
    yield from bounded(found, "clocks are not right", _LISTS_NODES)


def _collectors(views: Sequence[NodeView]) -> Iterator[Finding]:
    found = [
        Finding(
            view.name,
            "warning",
            f"{name} fails: {held.report.error}",
            remedy=f"rollcall show {view.name}",
        )
        for view in views
        if view.state is NodeState.ONLINE
        for name, held in sorted(view.reports.items())
        # That a host has none of it is no fault.
        if held.report.error and not held.report.error.startswith("unsupported:")
    ]
    yield from bounded(found, "collectors fail", _LISTS_NODES)


def _waiting(views: Sequence[NodeView], now: Now) -> Iterator[Finding]:
    found = []
    for view in views:
        oldest = view.value("agent.spool_oldest_seconds", now)
        if oldest is None or not oldest.fresh or oldest.number < _WAITING_S:
            continue
        text = f"reports have waited there for a receipt for {age(float(oldest.number))}"
        remedy = f"rollcall doctor --node {view.name}"
        found.append(Finding(view.name, "warning", text, remedy=remedy))
    yield from bounded(found, "nodes wait for receipts", _LISTS_NODES)


def _versions(views: Sequence[NodeView], ours: str) -> Iterator[Finding]:
    infos = {view.name: view.info.agent for view in views if view.info is not None}
    older = sorted(name for name, version in infos.items() if compared(version, ours) < 0)
    newer = sorted(name for name, version in infos.items() if compared(version, ours) > 0)
    if older:
        yield Finding(
            "agents",
            "warning",
            f"older than {ours}: {_named(older, infos)}",
            why="neighbouring versions understand each other; new functions are missing there",
            remedy=f"ssh {older[0]} pip install --upgrade rollcall-mqtt",
        )
    if newer:
        yield Finding(
            "agents",
            "warning",
            f"newer than {ours}: {_named(newer, infos)}",
            why="the hub is upgraded first",
            remedy="pip install --upgrade 'rollcall-mqtt[hub]'",
        )
    if infos and not older and not newer:
        yield Finding("agents", "ok", f"all of version {ours}")


def _named(names: Sequence[str], versions: dict[str, str]) -> str:
    return _few([f"{name} ({versions[name]})" for name in names])


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _fleet(seen: NodesSeen, views: Sequence[NodeView]) -> Iterator[Finding]:
    fleet = seen.cluster.fleet
    if fleet is not None and not seen.cluster.hears_answers:
        yield Finding(
            "fleet",
            "unknown",
            f"whether nodes follow revision {fleet.revision} cannot be known",
            why="this identity may not read what they answer",
            remedy=f"rollcall doctor --config {shlex.quote(str(seen.admin))}",
        )
        return
    fault = Situation(fleet, {}, {}).fault
    if fault is not None:
        yield Finding("fleet", "critical", fault, remedy="rollcall fleet show")
    there = [view for view in views if view.state in {NodeState.ONLINE, NodeState.STALE}]
    drifts = {view.name: seen.cluster.drift(view) for view in there}
    silent = [view.name for view in there if view.applied is None and drifts[view.name]]
    found = [
        Finding("fleet", "warning", f"{name}: {drift}",
                remedy=f"rollcall fleet show --effective {name}")
        for name, drift in drifts.items() if drift and name not in silent
    ]  # fmt: skip
    if silent and fleet is not None:
        text = f"no answer to revision {fleet.revision} yet from {_few(silent)}"
        yield Finding("fleet", "warning", text, remedy=f"rollcall command {silent[0]} ping")
    yield from bounded(found, "nodes do not follow the fleet document", "rollcall fleet show")
    if fleet is not None and not (fault or found or silent):
        yield Finding("fleet", "ok", f"revision {fleet.revision}, and all that are there follow it")
