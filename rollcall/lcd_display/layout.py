"""How numbers, ages and names are put into few characters."""

import math
import re
from collections.abc import Sequence
from typing import Final

from rollcall.lcd_display.charset import HORIZONTAL, VERTICAL

COLUMNS: Final = 20
UNKNOWN: Final = "--"

_GIGABYTE: Final = 1e9
_TERABYTE: Final = 1e12
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_SECONDS_UP_TO: Final = 120
_MINUTES_UP_TO: Final = 120
_HOURS_UP_TO: Final = 48
_DAYS_WITH_HOURS: Final = 100
_KEPT_AT_END: Final = 2


def row(left: str, right: str = "") -> str:
    """Put `left` and `right` on a row of exactly 20 cells; what does not fit of `left` goes."""
    return left[: COLUMNS - len(right)].ljust(COLUMNS - len(right)) + right[:COLUMNS]


def percent(value: float | None) -> str:
    """Give a share as `7%` or `--%`."""
    return f"{UNKNOWN if value is None else round(value)}%"


def age(seconds: float) -> str:
    """Give an age in two or three characters where it can be: `95s 12m 3h 4d`."""
    if seconds < _SECONDS_UP_TO:
        return f"{int(seconds)}s"
    if seconds < _MINUTES_UP_TO * _MINUTE_S:
        return f"{int(seconds / _MINUTE_S)}m"
    if seconds < _HOURS_UP_TO * _HOUR_S:
        return f"{int(seconds / _HOUR_S)}h"
    return f"{int(seconds / _DAY_S)}d"


def duration(seconds: float) -> str:
    """Give two units of a time that goes on: `45s 6m12 5h07 3d04`."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m{whole % _MINUTE_S:02}"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}h{whole % _HOUR_S // _MINUTE_S:02}"
    return f"{whole // _DAY_S}d{whole % _DAY_S // _HOUR_S:02}"


def uptime(seconds: float) -> str:
    """Give an uptime: `12m 4h12m 3d04h 123d`."""
    if seconds < _HOUR_S:
        return f"{int(seconds / _MINUTE_S)}m"
    if seconds < _DAY_S:
        return f"{duration(seconds)}m"
    if seconds < _DAYS_WITH_HOURS * _DAY_S:
        return f"{duration(seconds)}h"
    return f"{int(seconds / _DAY_S)}d"


def of_bytes(used_bytes: float, total_bytes: float, width: int) -> str:
    """Give `11.6/20.0GB`, in whole units where `width` asks for it; nothing if that is too wide."""
    unit, size, decimals = ("GB", _GIGABYTE, 1)
    if total_bytes >= 1000 * _GIGABYTE:
        unit, size, decimals = ("TB", _TERABYTE, 2)
    for places in range(decimals, -1, -1):
        text = f"{used_bytes / size:.{places}f}/{total_bytes / size:.{places}f}{unit}"
        if len(text) <= width:
            return text
    return ""


def bar(value_percent: float | None, width: int) -> str:
    """Draw a bar of `width` cells, five columns each; what is not 0 shows at least one."""
    if value_percent is None:
        return ""
    dots = math.ceil(min(max(value_percent, 0), 100) * width * len(HORIZONTAL) / 100)
    full, rest = divmod(dots, len(HORIZONTAL))
    return HORIZONTAL[-1] * full + (HORIZONTAL[rest - 1] if rest else "")


def level(value_percent: float) -> str:
    """Draw a share as one cell, 1 to 7 rows high."""
    steps = len(VERTICAL)
    return VERTICAL[min(int(min(max(value_percent, 0), 100) * steps / 100), steps - 1)]


def cut(name: str, width: int) -> str:
    """Cut a name in the middle, so that its number stays: `worker-17` to `work.17`."""
    if len(name) <= width:
        return name
    kept_at_end = min(_KEPT_AT_END, max(width - 2, 0))
    return name[: width - 1 - kept_at_end] + "." + name[len(name) - kept_at_end :]


def in_natural_order(name: str) -> list[tuple[int, str]]:
    """Give a sort key by which `pi-2` comes before `pi-10`."""
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in _parts(name)]


def short_names(names: Sequence[str], all_names: Sequence[str], width: int) -> list[str]:
    """Give what tells `names` apart: their numbers where all nodes are called alike."""
    stems = {re.sub(r"\d+$", "", name) for name in all_names}
    numbers = [re.search(r"\d+$", name) for name in names]
    if len(stems) == 1 and all(numbers):
        return [str(int(number[0])) for number in numbers if number]
    return [cut(name, width) for name in names]


def listing(title: str, words: Sequence[str]) -> str:
    """Give `title` and as many words as fit a row; `+12` counts the others."""
    for kept in range(len(words), -1, -1):
        more = [f"+{len(words) - kept}"] if kept < len(words) else []
        text = " ".join((title, *words[:kept], *more))
        if len(text) <= COLUMNS:
            break
    return row(text)


def _parts(name: str) -> list[str]:
    return re.findall(r"\d+|\D+", name)
