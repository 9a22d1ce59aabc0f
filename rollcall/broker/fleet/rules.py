"""The rules of the fleet document: a model for each kind, and the built-in ones.

A rule of the document is laid over the built-in rule of the same name, key by key, unless it is of
another kind.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from rollcall.broker.fleet.faults import FleetError, faults_of, keys_of, told
from rollcall.broker.fleet.tables import Duration, Glob, Op, Table
from rollcall.broker.messages import MetricName, Number, Severity

_LATER_KINDS: Final = ("absence", "forecast", "anomaly")
LATER_RULES: Final = MappingProxyType({"disk_forecast": "forecast"})


class RuleTable(Table):
    """What rules of every kind have; durations in seconds."""

    kind: str
    enabled: bool = True
    severity: Severity = "warning"
    for_s: Duration = Field(0.0, alias="for")
    keep_firing_for_s: Duration = Field(0.0, alias="keep_firing_for")
    group_wait_s: Duration = Field(10.0, alias="group_wait")
    group_wait_max_s: Duration = Field(30.0, alias="group_wait_max")
    group_interval_s: Duration = Field(300.0, alias="group_interval")
    repeat_interval_s: Duration = Field(43_200.0, alias="repeat_interval")


class ThresholdRule(RuleTable):
    """A limit on one metric, judged for each instance; `clear` is the hysteresis."""

    kind: Literal["threshold"]
    metric: MetricName
    op: Op = ">"
    threshold: Number
    clear: Number | None = None
    instances: list[Glob] = Field(["*"])
    exclude: list[Glob] = Field([])

    @model_validator(mode="after")
    def _clear_and_breach_exclude_each_other(self) -> Self:
        if self.clear is None:
            return self
        if self.op in {"==", "!="}:
            raise ValueError(f'clear has no meaning beside op "{self.op}"; leave it out')
        overlaps = {
            ">": self.clear > self.threshold,
            ">=": self.clear >= self.threshold,
            "<": self.clear < self.threshold,
            "<=": self.clear <= self.threshold,
        }
        if overlaps[self.op]:
            raise ValueError(
                f"clear {self.clear} would hold during a breach ({self.op} {self.threshold}); "
                f"put it {'below' if '>' in self.op else 'above'} the threshold"
            )
        return self


class PresenceRule(RuleTable):
    """Whether a node is there at all: lost or stale is a breach, a planned stop is not."""

    kind: Literal["presence"]
    for_s: Duration = Field(30.0, alias="for")
    keep_firing_for_s: Duration = Field(30.0, alias="keep_firing_for")


AnyRule = ThresholdRule | PresenceRule

_THRESHOLD: Final = {"kind": "threshold"}
BUILT_IN: Final[Mapping[str, Mapping[str, JsonValue]]] = MappingProxyType(
    {
        "node_offline": {"kind": "presence", "for": "30s", "severity": "critical"},
        "cpu_high": _THRESHOLD
        | {"metric": "cpu.percent", "op": ">", "threshold": 90, "clear": 80, "for": "5m"},
        "memory_low": _THRESHOLD
        | {"metric": "memory.used_percent", "op": ">", "threshold": 92, "clear": 87, "for": "3m"},
        "disk_filling": _THRESHOLD
        | {"metric": "disk.used_percent", "op": ">=", "threshold": 85, "clear": 82, "for": "5m"},
        "disk_full": _THRESHOLD
        | {"metric": "disk.used_percent", "op": ">=", "threshold": 95, "clear": 92, "for": "1m"}
        | {"severity": "critical"},
        "too_hot": _THRESHOLD
        | {"metric": "temperature.celsius", "op": ">=", "threshold": 80, "clear": 75, "for": "30s"}
        | {"severity": "critical"},
    }
)


def read_rules(
    tables: Mapping[str, Mapping[str, JsonValue]],
) -> tuple[dict[str, AnyRule], list[str]]:
    """Give all rules by name, the built-in ones among them, and what is wrong in `tables`."""
    problems: list[str] = []
    rules: dict[str, AnyRule] = {}
    for name in sorted(BUILT_IN.keys() | tables.keys()):
        try:
            rules[name] = _rule(name, tables.get(name, {}))
        except FleetError as error:
            problems += error.problems
    return rules, problems


def _rule(name: str, table: Mapping[str, JsonValue]) -> AnyRule:
    under = BUILT_IN.get(name, {})
    kind = table.get("kind", under.get("kind"))
    merged = dict(table) if kind != under.get("kind") else {**under, **table}
    if kind in _LATER_KINDS:
        raise FleetError([f'rules.{name}: kind "{kind}" is not supported by this version yet'])
    model: type[AnyRule]
    if kind == "threshold":
        model = ThresholdRule
    elif kind == "presence":
        model = PresenceRule
    else:
        raise FleetError([f'rules.{name}: kind must be "threshold" or "presence"'])
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        known = keys_of(model)
        raise FleetError(
            [told(fault, known, ("rules", name)) for fault in faults_of(error)]
        ) from error
