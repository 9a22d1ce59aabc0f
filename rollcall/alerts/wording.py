"""Numbers, spans of time and observations in words, for summaries and mails."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

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
    return shortened(printable(text), _MAX_NAME)


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


def clock(wall_s: float, beside: float) -> str:
    """Write a time of day in UTC, with the date where it is not the day of `beside`."""
    when, now = (datetime.fromtimestamp(time, UTC) for time in (wall_s, beside))
    if when.date() == now.date():
        return when.strftime("%H:%M:%S")
    return when.strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """Drop what does not show or would turn the text around."""
    return "".join(c for c in text if unicodedata.category(c) not in _NOT_SHOWN)


def closing(reason: str) -> str:
    """Say why an alert was closed without having recovered."""
    return {
        "recovered": "it recovered",
        "rule_removed": "the rule no longer holds there",
        "rule_changed": "the rule asks something else now",
        "node_removed": "the node was removed",
        "instance_gone": "no report mentions it any more",
        "no_data": "nothing measures it any more",
    }.get(reason, printable(reason))


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
