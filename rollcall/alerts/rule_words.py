"""What a rule says, and what it has seen, in words; and a rule's own sentence, filled in."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from rollcall.alerts.anomaly import Usual
from rollcall.alerts.rules import Absence, Anomaly, Condition, Forecast, Limit, Presence, Rule
from rollcall.alerts.wording import clean, duration, quantity, shortened
from rollcall.broker.messages import Number
from rollcall.broker.node_view import NodeState, NodeView

_MAX_SUMMARY: Final = 400
_UNITS: Final = (("percent", "%"), ("celsius", "°C"), ("bytes", "B"), ("seconds", "s"))

Words = Callable[[float], str]
"""Give the sentence about an alert, for how many seconds it has lasted."""


def value_summary(rule: Rule, limit: Limit, instance: str, value: Number) -> str:
    """Say what was measured, against what: `disk.used_percent / is 97.1 % (limit 95 %)`."""
    metric = rule.metric or ""
    threshold = quantity(limit.threshold, metric)
    return f"{_subject(rule, instance)} is {quantity(value, metric)} (limit {threshold})"


def forecast_summary(rule: Rule, asked: Forecast, instance: str, eta_s: float) -> str:
    """Say what is coming: `disk.free_bytes / reaches 0 B in about 9 h`."""
    target = quantity(asked.target, rule.metric or "")
    return f"{_subject(rule, instance)} reaches {target} in about {eta_in_words(eta_s)}"


def anomaly_summary(rule: Rule, usual: Usual, instance: str, value: Number) -> str:
    """Say what is unusual: `load.load1 is 9; usual now is 0.4 to 2.1`."""
    metric = rule.metric or ""
    low, high = quantity(usual.low, metric), quantity(usual.high, metric)
    is_ = f"{_subject(rule, instance)} is {quantity(value, metric)}"
    return f"{is_}; usual now is {low} to {high}"


def silence_summary(rule: Rule, instance: str, silent_s: float) -> str:
    """Say what is missing: `gpu.celsius has not been reported for 3 min`."""
    return f"{_subject(rule, instance)} has not been reported for {duration(silent_s)}"


def presence_summary(view: NodeView) -> str:
    """Say how a node is there or not."""
    match view.state, view.reason:
        case NodeState.ONLINE, _:
            return "online again"
        case NodeState.OFFLINE, "lost":
            return "offline: its connection ended without a goodbye (last will)"
        case NodeState.OFFLINE, "reboot":
            return "offline: it said it would reboot, and has not come back"
        case NodeState.OFFLINE, reason:
            return f"offline on purpose ({reason})"
        case NodeState.STALE, _:
            return "stale: it calls itself online, but nothing fresh has come from it"
    return "its status never arrived"


def eta_in_words(seconds: float) -> str:
    """Write a span ahead in one unit: `9 h`, `2 d`."""
    if not math.isfinite(seconds):
        return "never"
    for size, unit in ((172_800, "d"), (7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{round(seconds / (size / 2))} {unit}"
    return f"{max(round(seconds), 0)} s"


def filled(rule: Rule, node: str, instance: str, found: Mapping[str, object]) -> Words | None:
    """Give the rule's own sentence, if it has one; `found` holds what was seen."""
    template = rule.summary
    if template is None:
        return None
    unit = next((unit for end, unit in _UNITS if (rule.metric or "").endswith(end)), "")
    known = {"value": math.nan, "threshold": rule.threshold, "eta": "", "low": 0.0, "high": 0.0}
    named = {"node": node, "instance": clean(instance), "unit": unit}

    def write(lasted_s: float) -> str:
        text = template.format(**{**known, **found, **named, "duration": duration(lasted_s)})
        return shortened(text, _MAX_SUMMARY)

    return write


def rule_in_words(rule: Rule) -> str:
    """Say when a rule fires: `cpu.percent > 90 % for 5 min; over at 80 %`."""
    told = _asked(rule)
    if rule.also is not None:
        told += f" and {_condition(rule.also)}"
    if rule.for_s:
        told += f" for {duration(rule.for_s)}"
    clear = rule.question.clear if isinstance(rule.question, Limit) else None
    if clear is not None:
        told += f"; over at {quantity(clear, rule.metric or '')}"
    if rule.keep_firing_for_s:
        over = "" if clear is not None else "; over"
        told += f"{over} after {duration(rule.keep_firing_for_s)} in the clear"
    return told


def _asked(rule: Rule) -> str:
    metric = rule.metric or ""
    match rule.question:
        case Limit(op=op, threshold=threshold):
            return f"{metric} {op} {quantity(threshold, metric)}"
        case Presence(on=on):
            return " or ".join(on)
        case Absence():
            return f"{metric} is not reported"
        case Forecast(target=target, horizon_s=horizon_s):
            return f"{metric} reaches {quantity(target, metric)} within {duration(horizon_s)}"
        case Anomaly(threshold=threshold, season=season):
            return f"{metric} is {threshold:g} deviations from the usual of the {season}"


def _condition(also: Condition) -> str:
    return f"{also.metric} {also.op} {quantity(also.threshold, also.metric)}"


def _subject(rule: Rule, instance: str) -> str:
    return f"{rule.metric} {clean(instance)}".rstrip()
