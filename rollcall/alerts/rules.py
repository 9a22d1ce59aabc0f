"""The rule as the alert service sees it: questions with answers, no tables."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from rollcall.broker.fleet import AnyRule, PresenceRule
from rollcall.broker.messages import Number, Severity

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


@dataclass(frozen=True, slots=True)
class Limit:
    """What a threshold rule asks of one metric."""

    metric: str
    op: str
    threshold: Number
    clear: Number | None = None
    instances: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    @property
    def collector(self) -> str:
        """The collector that measures it."""
        return self.metric.partition(".")[0]

    @property
    def field(self) -> str:
        """The field in the collector's report."""
        return self.metric.partition(".")[2]

    def is_breached_by(self, value: Number) -> bool:
        """Say whether `value` is beyond the threshold."""
        return _COMPARE[self.op](value, self.threshold)

    def is_cleared_by(self, value: Number) -> bool:
        """Say whether `value` ends an alert: back at `clear`, or, without one, no breach."""
        if self.clear is None:
            return not self.is_breached_by(value)
        return value <= self.clear if self.op in {">", ">="} else value >= self.clear

    def covers(self, instance: str) -> bool:
        """Say whether the rule is about `instance`; a node's only one is the empty string."""
        if any(fnmatchcase(instance, pattern) for pattern in self.exclude):
            return False
        return any(fnmatchcase(instance, pattern) for pattern in self.instances)


@dataclass(frozen=True, slots=True)
class Timing:
    """When people are told; all in seconds. `repeat_interval_s` 0 is never."""

    group_wait_s: float = 10.0
    group_wait_max_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float = 43_200.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; without a `limit` it is about presence."""

    name: str
    severity: Severity
    for_s: float
    keep_firing_for_s: float = 0.0
    limit: Limit | None = None
    timing: Timing = Timing()

    def asks_the_same_as(self, other: "Rule") -> bool:
        """Say whether alerts of `other` remain alerts of this rule: same metric, op, instances."""
        return _question(self.limit) == _question(other.limit)


def _question(limit: Limit | None) -> tuple[object, ...]:
    if limit is None:
        return ()
    return (limit.metric, limit.op, limit.instances, limit.exclude)


def rule_from(name: str, table: AnyRule) -> Rule:
    """Make the rule of a validated table of the fleet document."""
    limit = None
    if not isinstance(table, PresenceRule):
        limit = Limit(
            metric=table.metric,
            op=table.op,
            threshold=table.threshold,
            clear=table.clear,
            instances=tuple(table.instances),
            exclude=tuple(table.exclude),
        )
    return Rule(
        name=name,
        severity=table.severity,
        for_s=table.for_s,
        keep_firing_for_s=table.keep_firing_for_s,
        limit=limit,
        timing=Timing(
            group_wait_s=table.group_wait_s,
            group_wait_max_s=table.group_wait_max_s,
            group_interval_s=table.group_interval_s,
            repeat_interval_s=table.repeat_interval_s,
        ),
    )
