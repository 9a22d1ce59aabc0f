"""The rule as the alert service sees it: questions with answers, no tables."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal

from rollcall.broker.fleet import (
    AbsenceRule,
    AnomalyRule,
    AnyRule,
    ForecastRule,
    JudgedRule,
    MetricRule,
    PresenceRule,
    silence_s,
)
from rollcall.broker.fleet.rules import Condition as ConditionTable
from rollcall.broker.fleet.rules import ThresholdRule
from rollcall.broker.messages import Number, Severity
from rollcall.broker.node_view import STALE_AT_LEAST_S

_COMPARE: Final[Mapping[str, Callable[[Number, Number], bool]]] = MappingProxyType(
    {
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
BLIND: Final = "monitoring_blind"


@dataclass(frozen=True, slots=True)
class Series:
    """Which series a rule is about, and what their silence means."""

    metric: str
    instances: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    stale_after: str = "3x"
    gone_after_s: float = 3600.0
    no_data: Literal["hold", "fire", "resolve"] = "hold"

    @property
    def collector(self) -> str:
        """The collector that measures it."""
        return self.metric.partition(".")[0]

    @property
    def field(self) -> str:
        """The field in the collector's report."""
        return self.metric.partition(".")[2]

    def covers(self, instance: str) -> bool:
        """Say whether the rule is about `instance`; a node's only one is the empty string."""
        if any(fnmatchcase(instance, pattern) for pattern in self.exclude):
            return False
        return any(fnmatchcase(instance, pattern) for pattern in self.instances)

    def silence_s(self, interval_s: float) -> float:
        """Give the seconds of silence that are no data, for what is measured each `interval_s`."""
        return silence_s(self.stale_after, interval_s, STALE_AT_LEAST_S)


@dataclass(frozen=True, slots=True)
class Condition:
    """A second metric that has to be beyond a limit too."""

    metric: str
    op: str
    threshold: Number

    def holds_for(self, value: Number) -> bool:
        """Say whether `value` is beyond the limit."""
        return _COMPARE[self.op](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a threshold rule asks of a value."""

    op: str
    threshold: Number
    clear: Number | None = None

    def is_breached_by(self, value: Number) -> bool:
        """Say whether `value` is beyond the threshold."""
        return _COMPARE[self.op](value, self.threshold)

    def is_cleared_by(self, value: Number) -> bool:
        """Say whether `value` ends an alert: back at `clear`, or, without one, no breach."""
        if self.clear is None:
            return not self.is_breached_by(value)
        return value <= self.clear if self.op in {">", ">="} else value >= self.clear


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a node is there; `on` is what counts as a breach."""

    on: tuple[str, ...] = ("lost", "stale")
    reboot_grace_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Absence:
    """Whether a series is silent on a node that is online."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether a straight line through the window reaches `target` within `horizon_s`."""

    target: Number
    horizon_s: float = 86_400.0
    window_s: float = 21_600.0
    min_samples: int = 60
    min_span_s: float = 7200.0
    min_r2: float = 0.8


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Whether a value is further than usual from the usual of this time of day or week."""

    threshold: Number
    min_delta: Number
    window_s: float = 604_800.0
    season: Literal["day", "week"] = "day"
    train_min_s: float = 259_200.0
    direction: Literal["both", "above", "below"] = "both"


Question = Limit | Presence | Absence | Forecast | Anomaly


@dataclass(frozen=True, slots=True)
class Timing:
    """When people are told; all in seconds. `repeat_interval_s` 0 is never."""

    group_wait_s: float = 10.0
    group_wait_max_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float = 43_200.0


@dataclass(frozen=True, slots=True)
class Flap:
    """From `start` changes within `window_s` an alert flaps, until they are down to `stop`."""

    window_s: float = 1800.0
    start: int = 5
    stop: int = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as it holds on a node; without a `series` it is about the node's presence."""

    name: str
    severity: Severity
    for_s: float
    keep_firing_for_s: float = 0.0
    question: Question = Presence()
    series: Series | None = None
    also: Condition | None = None
    timing: Timing = Timing()
    summary: str | None = None
    receivers: tuple[str, ...] = ("default",)
    group_by: tuple[str, ...] = ("rule",)
    send_resolved: bool = True
    inhibits: tuple[str, ...] = ()
    flap: Flap = Flap()
    snapshot: Literal["cpu", "memory"] | None = None

    @property
    def metric(self) -> str | None:
        """The metric it is about; None for presence."""
        return self.series.metric if self.series else None

    @property
    def threshold(self) -> Number | None:
        """The number that it compares with, where it has one."""
        match self.question:
            case Limit(threshold=threshold) | Anomaly(threshold=threshold):
                return threshold
            case Forecast(target=target):
                return target
        return None

    def asks_the_same_as(self, other: "Rule") -> bool:
        """Say whether alerts of `other` remain its alerts: same kind, metric, op, instances."""
        return _question(self) == _question(other)

    def does_inhibit(self, other: "Rule") -> bool:
        """Say whether `other` is not told while this one fires; `*` spares presence."""
        if other.name == self.name:
            return False
        is_presence = isinstance(other.question, Presence)
        return other.name in self.inhibits or ("*" in self.inhibits and not is_presence)


def _question(rule: Rule) -> tuple[object, ...]:
    kind = type(rule.question)
    op = rule.question.op if isinstance(rule.question, Limit) else None
    series = rule.series
    named = (series.metric, series.instances, series.exclude) if series else None
    return kind, op, named


def blindness_rule(after_s: float) -> Rule:
    """Give the rule that tells that nothing can be seen for `after_s` seconds."""
    return Rule(
        name=BLIND,
        severity="critical",
        for_s=after_s,
        timing=Timing(group_wait_s=0, group_wait_max_s=0),
    )


def rule_from(name: str, table: AnyRule) -> Rule:
    """Make the rule of a validated table of the fleet document."""
    return Rule(
        name=name,
        severity=table.severity,
        for_s=table.for_s,
        keep_firing_for_s=table.keep_firing_for_s,
        question=_question_of(table),
        series=_series_of(table) if isinstance(table, MetricRule) else None,
        also=_condition_of(table.also) if isinstance(table, JudgedRule) else None,
        timing=Timing(
            group_wait_s=table.group_wait_s,
            group_wait_max_s=table.group_wait_max_s,
            group_interval_s=table.group_interval_s,
            repeat_interval_s=table.repeat_interval_s,
        ),
        summary=table.summary,
        receivers=tuple(dict.fromkeys(table.receivers)),
        group_by=tuple(sorted(set(table.group_by))),
        send_resolved=table.send_resolved,
        inhibits=tuple(table.inhibits),
        flap=Flap(table.flap.window_s, table.flap.start, table.flap.stop),
        snapshot=_snapshot_of(table),
    )


def _question_of(table: AnyRule) -> Question:
    match table:
        case PresenceRule():
            return Presence(tuple(table.on), table.reboot_grace_s)
        case AbsenceRule():
            return Absence()
        case ThresholdRule():
            return Limit(table.op, table.threshold, table.clear)
        case ForecastRule():
            return Forecast(
                target=table.target,
                horizon_s=table.horizon_s,
                window_s=table.window_s,
                min_samples=table.min_samples,
                min_span_s=table.min_span_s,
                min_r2=table.min_r2,
            )
        case AnomalyRule():
            return Anomaly(
                threshold=table.threshold,
                min_delta=table.min_delta,
                window_s=table.window_s,
                season=table.season,
                train_min_s=table.train_min_s,
                direction=table.direction,
            )


def _series_of(table: MetricRule) -> Series:
    return Series(
        metric=table.metric,
        instances=tuple(table.instances),
        exclude=tuple(table.exclude),
        stale_after=table.stale_after,
        gone_after_s=table.gone_after_s,
        no_data=table.no_data if isinstance(table, JudgedRule) else "hold",
    )


def _condition_of(table: ConditionTable | None) -> Condition | None:
    return Condition(table.metric, table.op, table.threshold) if table else None


def _snapshot_of(table: AnyRule) -> Literal["cpu", "memory"] | None:
    if table.snapshot != "auto":
        return None if table.snapshot == "none" else table.snapshot
    collector = table.metric.partition(".")[0] if isinstance(table, MetricRule) else ""
    if collector in {"cpu", "load"}:
        return "cpu"
    return "memory" if collector == "memory" else None
