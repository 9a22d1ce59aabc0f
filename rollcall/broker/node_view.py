"""A node at one moment, as everybody sees it: its state, and its numbers with their ages. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from rollcall.broker.messages import Applied, Info, Number, Report, Severity

STALE_INTERVALS: Final = 3
STALE_AT_LEAST_S: Final = 45.0
OK_RANK: Final = 5
_NOTHING: Final[Mapping[str, Number | None]] = MappingProxyType({})
_CLOCK_TOLERANCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on two clocks: Unix seconds for people, monotonic seconds for durations."""

    wall_s: float
    monotonic_s: float


class NodeState(StrEnum):
    """Whether a node is alive. `UNKNOWN`: seen, but its status never arrived."""

    ONLINE = "online"
    STALE = "stale"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


def stale_after_s(interval_s: float) -> float:
    """Give the silence, in seconds, after which what comes each `interval_s` is stale."""
    return max(STALE_AT_LEAST_S, STALE_INTERVALS * interval_s)


@dataclass(frozen=True, slots=True)
class HeldReport:
    """The newest report of one collector; `arrived_s` is monotonic, None for a replay."""

    report: Report
    arrived_s: float | None

    def age_s(self, now: Now) -> float | None:
        """Give the age in seconds; None when the node's clock makes it unknowable."""
        if self.arrived_s is not None:
            return now.monotonic_s - self.arrived_s
        return age_by_clock(self.report.time, now)


@dataclass(frozen=True, slots=True)
class Value:
    """A number of one series, with its age; `fresh` only on an online node and in time."""

    number: Number
    age_s: float | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node at one moment.

    `since` is when the state began (Unix seconds, None when unknown), `age_s` the time since the
    last sign of life, `held_back` whether being down may only be the echo of a reconnection.
    `heard` is False while all that is known of it is replayed, shortly after our own connecting.
    """

    name: str
    state: NodeState
    reason: str | None
    since: float | None
    age_s: float | None
    held_back: bool
    interval_s: float
    info: Info | None
    reports: Mapping[str, HeldReport]
    applied: Applied | None = None
    heard: bool = True

    def value(self, metric: str, now: Now, instance: str | None = None) -> Value | None:
        """Give the newest number of `collector.field`, or None when there is none."""
        collector, _, name = metric.partition(".")
        held = self.reports.get(collector)
        if held is None:
            return None
        report = held.report
        fields = report.fields if instance is None else (report.instances or {}).get(instance)
        number = (fields or {}).get(name)
        if number is None:
            return None
        return Value(number, held.age_s(now), self._is_fresh(held, now))

    def fresh_fields(self, collector: str, now: Now) -> Mapping[str, Number | None]:
        """Give what a collector told of the node as a whole, while it is fresh; else nothing."""
        report = self.fresh_report(collector, now)
        return (report and report.fields) or _NOTHING

    def fresh_report(self, collector: str, now: Now) -> Report | None:
        """Give the newest report of a collector while it is fresh, on an online node; else None."""
        held = self.reports.get(collector)
        return held.report if held is not None and self._is_fresh(held, now) else None

    def values(self, metric: str, now: Now) -> dict[str, Value]:
        """Give the newest number of `collector.field` for each instance that has one."""
        held = self.reports.get(metric.partition(".")[0])
        instances = (held.report.instances or {}) if held else {}
        found = {name: self.value(metric, now, name) for name in instances}
        return {name: value for name, value in found.items() if value is not None}

    def _is_fresh(self, held: HeldReport, now: Now) -> bool:
        if self.state is not NodeState.ONLINE:
            return False
        age_s = held.age_s(now)
        return age_s is not None and age_s <= stale_after_s(held.report.interval)


def urgency_rank(view: NodeView, severity: Severity | None) -> int:
    """Rank a node: 0 critical, 1 lost, 2 stale, 3 warning, 4 stopped, 5 ok."""
    if view.state is NodeState.OFFLINE:
        return 1 if view.reason == "lost" else 4
    if view.state is not NodeState.ONLINE:
        return 2
    return {"critical": 0, "warning": 3}.get(severity or "", OK_RANK)


def worst_first(views: Iterable[NodeView], severities: Mapping[str, Severity]) -> list[NodeView]:
    """Order nodes by their rank, then newest change, then name; severities are by node."""
    return sorted(
        views,
        key=lambda view: (
            urgency_rank(view, severities.get(view.name)),
            -(view.since or 0),
            view.name,
        ),
    )


def age_by_clock(time_s: float, now: Now) -> float | None:
    """Give the age of a time on a node's clock; None when that is too far ahead to tell."""
    age_s = now.wall_s - time_s
    return None if age_s < -_CLOCK_TOLERANCE_S else max(age_s, 0.0)
