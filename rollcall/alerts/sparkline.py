"""A row of values as a line of eight heights."""

from collections.abc import Sequence
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"
_NOTHING: Final = "·"


def heights(values: Sequence[float | None], levels: int) -> list[int | None]:
    """Give each value's height, 0 to `levels` - 1, between the smallest and the largest."""
    known = [value for value in values if value is not None]
    if not known:
        return [None for _ in values]
    low, span = min(known), max(known) - min(known)
    top = levels - 1
    return [
        None if v is None else (round((v - low) / span * top) if span else top // 2) for v in values
    ]


def sparkline(values: Sequence[float | None]) -> str:
    """Draw the values, oldest first; a dot where there is none."""
    return "".join(_NOTHING if h is None else _BARS[h] for h in heights(values, len(_BARS)))
