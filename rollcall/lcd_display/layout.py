"""How numbers, ages and names are put into few characters."""

import math
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rollcall.lcd_display.charset import HORIZONTAL, VERTICAL

UNKNOWN: Final = "--"
# Glasses have 20 or 16 columns, and 4 or 2 rows: what is less than this is narrow, or flat.
WIDE: Final = 20
TALL: Final = 4

_GIGABYTE: Final = 1e9
_TERABYTE: Final = 1e12
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_DAYS_WITH_HOURS: Final = 100
_CUT: Final = ".."
_KEPT_AT_END: Final = 2
# The unit of an age, its length in seconds, and below how many of it the unit is used.
_AGES: Final = (
    ("s", 1, 100),
    ("m", _MINUTE_S, 100),
    ("h", _HOUR_S, 48),
    ("d", _DAY_S, 100),
    ("w", 7 * _DAY_S, 100),
)
_NAMES_REMEMBERED: Final = 20_000
_YEAR_S: Final = 365 * _DAY_S
_THOUSANDS_FROM: Final = 10_000


def row(columns: int, left: str, right: str = "") -> str:
    """Put `left` and `right` on a row of exactly `columns` cells; what does not fit of `left` goes.

    Characters that have no cell of their own (control, combining, invisible ones) become `?`.
    """
    right = _in_cells(right)[:columns]
    room = columns - len(right)
    return _in_cells(left)[:room].ljust(room) + right


def first_fitting(width: int, *candidates: str) -> str:
    """Give the first of `candidates` that has `width` characters or less, else the last one cut."""
    return next((text for text in candidates if len(text) <= width), candidates[-1][:width])


def wrapped(text: str, width: int, rows: int) -> list[str]:
    """Break `text` at words into exactly `rows` rows; what is left out is marked `..`."""
    lines = textwrap.wrap(" ".join(_in_cells(text).split()), width, break_on_hyphens=False)
    if len(lines) > rows:
        rest = " ".join(lines[rows - 1 :])
        lines[rows - 1 :] = [f"{rest[: width - len(_CUT)].rstrip()}{_CUT}"]
    return [*lines, *[""] * (rows - len(lines))]


def count(number: int) -> str:
    """Give a number of things in at most four characters up to a million: `9999`, `12k`."""
    return str(number) if number < _THOUSANDS_FROM else f"{number // 1000}k"


def nodes(number: int) -> str:
    """Give `1 node`, `5 nodes`."""
    return "1 node" if number == 1 else f"{count(number)} nodes"


def percent(value: float | None) -> str:
    """Give a share as `7%` or `--%`."""
    return f"{UNKNOWN if value is None else round(value)}%"


def age(seconds: float) -> str:
    """Give an age in at most three characters, rounded down: `95s 12m 3h 4d 20w 2y`."""
    for unit, length_s, below in _AGES:
        if seconds < below * length_s:
            return f"{int(max(seconds, 0) / length_s)}{unit}"
    return f"{int(seconds / _YEAR_S)}y"


def duration(seconds: float) -> str:
    """Give two units of a time that goes on: `45s 6m12 5h07 3d04 123d`."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m{whole % _MINUTE_S:02}"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}h{whole % _HOUR_S // _MINUTE_S:02}"
    if whole < _DAYS_WITH_HOURS * _DAY_S:
        return f"{whole // _DAY_S}d{whole % _DAY_S // _HOUR_S:02}"
    return f"{whole // _DAY_S}d"


def uptime(seconds: float) -> str:
    """Give an uptime: `12m 4h12m 3d04h 123d`."""
    if seconds < _HOUR_S:
        return f"{int(seconds / _MINUTE_S)}m"
    if seconds < _DAY_S:
        return f"{duration(seconds)}m"
    if seconds < _DAYS_WITH_HOURS * _DAY_S:
        return f"{duration(seconds)}h"
    return duration(seconds)


def of_bytes(used_bytes: float, total_bytes: float, width: int) -> str:
    """Give `11.6/20.0GB`, in whole units where `width` asks for it; nothing if that is too wide."""
    unit, size, decimals = _unit_for(total_bytes)
    for places in range(decimals, -1, -1):
        text = f"{used_bytes / size:.{places}f}/{total_bytes / size:.{places}f}{unit}"
        if len(text) <= width:
            return text
    return ""


def size(size_bytes: float) -> str:
    """Give `32GB`, `1.6TB`: an amount in at most six characters up to an exabyte."""
    unit, unit_bytes, _ = _unit_for(size_bytes)
    places = 1 if size_bytes < 10 * unit_bytes else 0
    return f"{size_bytes / unit_bytes:.{places}f}{unit}"


def rate(bytes_per_second: float) -> str:
    """Give a rate in at most four characters: `99 1.2k 0.3M 45M 1.2G`, in bytes per second."""
    for unit, scale in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        number = bytes_per_second / scale
        if number < 9.95 and scale > 1:  # noqa: PLR2004 - would round to 10.0
            return f"{number:.1f}{unit}"
        if number < 99.5:  # noqa: PLR2004 - would round to 100
            return f"{number:.0f}{unit}"
    return UNKNOWN


def load(value: float) -> str:
    """Give a load average in three characters where it can be: `.31 2.4 18`."""
    if value < 0.995:  # noqa: PLR2004 - would round to 1.00
        return f"{value:.2f}"[1:]
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"  # noqa: PLR2004 - rounds to 10.0


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
    number = len(name) - len(name.rstrip("0123456789"))
    kept_at_end = min(max(number, _KEPT_AT_END), max(width - (1 if number else 2), 0))
    return name[: width - 1 - kept_at_end] + "." + name[len(name) - kept_at_end :]


@lru_cache(_NAMES_REMEMBERED)
def in_natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Give a sort key by which `pi-2` comes before `pi-10`."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in _parts(name))


def short_names(names: Sequence[str], all_names: Sequence[str], width: int) -> list[str]:
    """Give what tells `names` apart: their numbers where all nodes are called alike."""
    stems = {re.sub(r"\d+$", "", name) for name in all_names}
    numbers = [re.search(r"\d+$", name) for name in names]
    if len(stems) == 1 and all(numbers):
        return [str(int(number[0])) for number in numbers if number]
    return [cut(name, width) for name in names]


def listing(columns: int, title: str, words: Sequence[str]) -> str:
    """Give `title` and as many words as fit a row; `+12` counts the others."""
    for kept in range(len(words), -1, -1):
        more = [f"+{len(words) - kept}"] if kept < len(words) else []
        text = " ".join((title, *words[:kept], *more))
        if len(text) <= columns:
            break
    return row(columns, text)


def _in_cells(text: str) -> str:
    """Replace what would take no cell or two in a terminal, and has none in the display's font."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        character
        if character.isprintable()
        and unicodedata.category(character)[0] not in "MC"
        and unicodedata.east_asian_width(character) not in "WF"
        else "?"
        for character in composed
    )


def _unit_for(total_bytes: float) -> tuple[str, float, int]:
    if total_bytes >= 1000 * _GIGABYTE:
        return "TB", _TERABYTE, 2
    return "GB", _GIGABYTE, 1


def _parts(name: str) -> list[str]:
    return re.findall(r"\d+|\D+", name)
