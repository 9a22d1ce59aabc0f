"""The rules of the fleet document: a model for each kind, with every key and its default.

The descriptions of the fields are the documentation of the keys; durations are in seconds.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from rollcall.broker.fleet.rule_values import (
    GroupedBy,
    InhibitedName,
    ReceiverName,
    StaleAfter,
    summary_of,
)
from rollcall.broker.fleet.tables import Duration, Glob, Op, Table
from rollcall.broker.messages import Line, MetricName, Number, Severity


class Flap(Table):
    """When an alert that comes and goes is told as one that flaps."""

    window_s: Duration = Field(1800.0, alias="window")
    start: Annotated[int, Field(ge=2, le=100)] = 5
    stop: Annotated[int, Field(ge=0, le=100)] = 2

    @model_validator(mode="after")
    def _stops_below_its_start(self) -> Self:
        if self.stop >= self.start:
            raise ValueError(f"stop {self.stop} has to be below start {self.start}")
        return self


class Condition(Table):
    """A second metric that has to be beyond a limit too."""

    metric: MetricName
    op: Op = ">"
    threshold: Number


class RuleTable(Table):
    """What rules of every kind have; durations in seconds."""

    kind: str = Field(description="`threshold`, `presence`, `absence`, `forecast` or `anomaly`")
    enabled: bool = Field(True, description="whether it holds at all")
    severity: Severity = Field(
        "warning", description="`info` (only in the daily digest), `warning`, `critical`"
    )
    for_s: Duration = Field(
        0.0, alias="for", description="how long a breach must last before it fires"
    )
    keep_firing_for_s: Duration = Field(
        0.0, alias="keep_firing_for", description="how long it must be clear before it is over"
    )
    summary: Annotated[Line, Field(min_length=1, max_length=400)] | None = Field(
        None, description="the sentence in mails and on the alert topic, with placeholders"
    )
    send_resolved: bool = Field(True, description="whether a mail says that it is over")
    receivers: Annotated[list[ReceiverName], Field(min_length=1, max_length=20)] = Field(
        ["default"], description="who is told: `default` is `[mail] to`"
    )
    group_by: Annotated[list[GroupedBy], Field(max_length=8)] = Field(
        ["rule"],
        description="what alerts in one mail share: `rule`, `node`, `severity`, `label:NAME`",
    )
    group_wait_s: Duration = Field(
        10.0, alias="group_wait", description="how long the first mail waits for more of the same"
    )
    group_wait_max_s: Duration = Field(
        30.0, alias="group_wait_max", description="5 s more for each new one, up to this"
    )
    group_interval_s: Duration = Field(
        300.0, alias="group_interval", description="at most one mail about changes in this time"
    )
    repeat_interval_s: Duration = Field(
        43_200.0,
        alias="repeat_interval",
        description="a reminder while nothing changes; `0s` is never",
    )
    inhibits: Annotated[list[InhibitedName], Field(max_length=100)] = Field(
        [], description="rules that are not told on the node while this one fires; `*`: all"
    )
    flap: Flap = Field(
        Flap(),
        description="from `start` changes within `window` one mail, then silence until `stop`",
    )
    snapshot: Literal["auto", "cpu", "memory", "none"] = Field(
        "auto", description="which processes the mail shows: `auto`, `cpu`, `memory`, `none`"
    )

    @model_validator(mode="after")
    def _summary_can_be_written(self) -> Self:
        if self.summary is not None:
            summary_of(self.summary, PLACEHOLDERS[self.kind])
        return self


class MetricRule(RuleTable):
    """What rules about a metric have: which instances are meant, and what silence means."""

    metric: MetricName = Field(description="`collector.field`, such as `disk.used_percent`")
    instances: Annotated[list[Glob], Field(min_length=1, max_length=100)] = Field(
        ["*"], description="globs of the instances (mount points, sensors) that are meant"
    )
    exclude: Annotated[list[Glob], Field(max_length=100)] = Field(
        [], description="globs of the instances that are not meant"
    )
    stale_after: StaleAfter = Field(
        "3x", description='silence that counts as no data: `"3x"` intervals (at least 45 s), `"2m"`'
    )
    gone_after_s: Duration = Field(
        3600.0,
        alias="gone_after",
        description="an instance that healthy reports lack for so long is closed",
    )


class JudgedRule(MetricRule):
    """What rules have that judge each sample."""

    no_data: Literal["hold", "fire", "resolve"] = Field(
        "hold", description="silence: `hold` keeps the state, `fire` is a breach, `resolve` ends"
    )
    also: Condition | None = Field(
        None,
        alias="and",
        description='a second condition: `{ metric = "...", op = ">", threshold = 70 }`',
    )


class ThresholdRule(JudgedRule):
    """A limit on one metric, judged for each instance; `clear` is the hysteresis."""

    kind: Literal["threshold"]
    op: Op = Field(">", description="`>`, `>=`, `<`, `<=`, `==`, `!=`")
    threshold: Number = Field(description="the limit")
    clear: Number | None = Field(None, description="over only when the value is back here")

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
    inhibits: Annotated[list[InhibitedName], Field(max_length=100)] = Field(["*"])
    on: Annotated[list[Literal["lost", "stale", "stopped", "shutdown"]], Field(min_length=1)] = (
        Field(
            ["lost", "stale"],
            description="what is a breach: `lost`, `stale`, `stopped`, `shutdown`",
        )
    )
    reboot_grace_s: Duration = Field(
        600.0, alias="reboot_grace", description="how long a reboot may take before it counts"
    )


class AbsenceRule(MetricRule):
    """Whether a series that should be there is silent on a node that is online."""

    kind: Literal["absence"]
    for_s: Duration = Field(120.0, alias="for")


class ForecastRule(JudgedRule):
    """Whether a metric, going on as it goes, reaches a target soon."""

    kind: Literal["forecast"]
    for_s: Duration = Field(1800.0, alias="for")
    keep_firing_for_s: Duration = Field(1800.0, alias="keep_firing_for")
    target: Number = Field(description="the value that must not be reached")
    horizon_s: Duration = Field(
        86_400.0, alias="horizon", description="a breach if it is reached within this time"
    )
    window_s: Duration = Field(
        21_600.0, alias="window", description="how far back the line is fitted"
    )
    min_samples: Annotated[int, Field(ge=3, le=10_000)] = Field(
        60, description="with fewer samples in the window it says nothing"
    )
    min_span_s: Duration = Field(
        7200.0, alias="min_span", description="over less time it says nothing"
    )
    min_r2: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="how well the line must fit (1: perfectly); a step reaches 0.75"
    )

    @model_validator(mode="after")
    def _window_holds_the_span(self) -> Self:
        if self.min_span_s > self.window_s:
            raise ValueError("min_span is longer than window; make window longer")
        return self


class AnomalyRule(JudgedRule):
    """Whether a metric is far from what is usual at this time of day or week."""

    kind: Literal["anomaly"]
    for_s: Duration = Field(600.0, alias="for")
    threshold: Annotated[Number, Field(gt=0)] = Field(
        6, description="how many robust deviations from the median"
    )
    window_s: Duration = Field(
        604_800.0, alias="window", description="how far back it learns what is usual"
    )
    season: Literal["day", "week"] = Field(
        "day", description="what is compared: this time of the `day`, or this hour of the `week`"
    )
    train_min_s: Duration = Field(
        259_200.0, alias="train_min", description="before so much is known it says nothing"
    )
    min_delta: Annotated[Number, Field(ge=0)] = Field(
        description="a smaller distance from the median is never a breach"
    )
    direction: Literal["both", "above", "below"] = Field(
        "both", description="which side is a breach: `both`, `above`, `below`"
    )

    @model_validator(mode="after")
    def _window_holds_the_season(self) -> Self:
        if self.season == "week" and self.window_s < _TWO_WEEKS_S:
            raise ValueError('season "week" needs a window of at least "14d"')
        if self.train_min_s > self.window_s:
            raise ValueError("train_min is longer than window; make window longer")
        if self.window_s > _LONGEST_WINDOW_S:
            raise ValueError('window is at most "35d"')
        return self


_TWO_WEEKS_S: Final = 14 * 86_400.0
_LONGEST_WINDOW_S: Final = 35 * 86_400.0

AnyRule = ThresholdRule | PresenceRule | AbsenceRule | ForecastRule | AnomalyRule

KINDS: Final[dict[str, type[AnyRule]]] = {
    "threshold": ThresholdRule,
    "presence": PresenceRule,
    "absence": AbsenceRule,
    "forecast": ForecastRule,
    "anomaly": AnomalyRule,
}

_ON_A_NODE: Final = frozenset({"node", "duration"})
_ON_AN_INSTANCE: Final = _ON_A_NODE | {"instance"}
_ON_A_VALUE: Final = _ON_AN_INSTANCE | {"value", "threshold", "unit"}
PLACEHOLDERS: Final[dict[str, frozenset[str]]] = {
    "presence": _ON_A_NODE,
    "absence": _ON_AN_INSTANCE,
    "threshold": _ON_A_VALUE,
    "forecast": _ON_A_VALUE | {"eta"},
    "anomaly": _ON_A_VALUE | {"low", "high"},
    "": _ON_A_VALUE | {"eta", "low", "high"},
}
