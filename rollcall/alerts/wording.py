"""Numbers, spans of time and observations in words, for summaries and mails."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

from rollcall.alerts.rules import Limit, Rule
from rollcall.broker.cluster import NodeState, NodeView
from rollcall.broker.messages import Number

_MAX_NAME: Final = 120
_BYTE_STEPS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# Control, format (which holds the bidirectional controls), surrogate, line and paragraph marks.
_NOT_SHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNITS: Final = (
    ("percent", "%"),
    ("celsius", "°C"),
    ("hertz", "Hz"),
    ("volts", "V"),
)


def clean(text: str) -> str:
    """Make a name harmless in a line of text: printable, no reversals, at most 120 characters."""
    kept = "".join(c for c in text if unicodedata.category(c) not in _NOT_SHOWN)
    return shortened(kept, _MAX_NAME)


def shortened(text: str, limit: int) -> str:
    """Cut a text to `limit` characters; an ellipsis shows that something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quantity(number: Number, metric: str) -> str:
    """Write a number with the unit that the metric's name ends in: `97.1 %`, `1.5 GiB`."""
    if metric.endswith("bytes_per_second"):
        return f"{_bytes(number)}/s"
    if metric.endswith("bytes"):
        return _bytes(number)
    if metric.endswith("seconds"):
        return duration(number)
    unit = next((unit for ending, unit in _UNITS if metric.endswith(ending)), "")
    return f"{_decimal(number)} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Write a span of time in its two largest units: `27 min 51 s`, `12 h`."""
    left = max(round(seconds), 0)
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def moment(wall_s: float) -> str:
    """Write a time for people, in UTC: `2026-01-05 03:13:27 UTC`."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def value_summary(limit: Limit, instance: str, value: Number) -> str:
    """Say what was measured, against what: `disk.used_percent / is 97.1 % (limit 95 %)`."""
    subject = f"{limit.metric} {clean(instance)}".rstrip()
    threshold = quantity(limit.threshold, limit.metric)
    return f"{subject} is {quantity(value, limit.metric)} (limit {threshold})"


def presence_summary(view: NodeView) -> str:
    """Say how a node is there or not."""
    match view.state, view.reason:
        case NodeState.ONLINE, _:
            return "online again"
        case NodeState.OFFLINE, "lost":
            return "offline: its connection ended without a goodbye (last will)"
        case NodeState.OFFLINE, reason:
            return f"offline on purpose ({reason})"
        case NodeState.STALE, _:
            return "stale: it calls itself online, but nothing fresh has come from it"
    return "its status never arrived"


def rule_in_words(rule: Rule) -> str:
    """Say when a rule fires: `cpu.percent > 90 % for 5 min; over at 80 %`."""
    limit = rule.limit
    if limit is None:
        told = "lost or stale"
    else:
        told = f"{limit.metric} {limit.op} {quantity(limit.threshold, limit.metric)}"
    if rule.for_s:
        told += f" for {duration(rule.for_s)}"
    if limit is not None and limit.clear is not None:
        told += f"; over at {quantity(limit.clear, limit.metric)}"
    if rule.keep_firing_for_s:
        over = "" if limit is not None and limit.clear is not None else "; over"
        told += f"{over} after {duration(rule.keep_firing_for_s)} in the clear"
    return told


def _decimal(number: Number) -> str:
    if number != 0 and abs(number) < 0.1:  # noqa: PLR2004 - below it one decimal shows nothing
        return f"{number:.3g}"
    return f"{number:.1f}".removesuffix(".0")


def _bytes(number: Number) -> str:
    size = float(number)
    for unit in _BYTE_STEPS[:-1]:
        if abs(size) < 1024:  # noqa: PLR2004 - the step of binary units
            return f"{_decimal(size)} {unit}"
        size /= 1024
    return f"{_decimal(size)} {_BYTE_STEPS[-1]}"
