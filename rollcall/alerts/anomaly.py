"""Whether a value is far from what is usual at this time of the day, or hour of the week.

The usual is a median, and its spread the median absolute deviation, scaled by 1.4826 to that of a
normal distribution: neither is moved by a few outliers. Like is compared with like: means of five
minutes with means of five minutes. The newest hour is not asked, so that what begins slowly does
not become usual while it begins; what was in breach is asked only a day later.
"""

from dataclasses import dataclass
from statistics import median
from typing import Final

from rollcall.alerts.means import Means
from rollcall.alerts.rules import Anomaly

SPAN_S: Final = 300.0
_SCALE: Final = 1.4826
_CLEAR_FACTOR: Final = 0.8
_NEWEST_LEFT_OUT_S: Final = 3600.0
_ODD_FOR_S: Final = 86_400.0
_DAY_S: Final = 86_400.0
_WEEK_S: Final = 7 * _DAY_S
_HALF_WIDTH_S: Final = 1800.0
_HOUR_S: Final = 3600.0
_MIN_VALUES: Final = 30


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual now: the median, and how far from it is a breach."""

    median: float
    limit: float

    @property
    def low(self) -> float:
        """The lowest value that is no breach."""
        return self.median - self.limit

    @property
    def high(self) -> float:
        """The highest value that is no breach."""
        return self.median + self.limit

    def is_breached_by(self, value: float, direction: str) -> bool:
        """Say whether `value` is too far off, on a side that counts."""
        return self._distance(value, direction) > self.limit

    def is_cleared_by(self, value: float, direction: str) -> bool:
        """Say whether `value` is near enough to end an alert."""
        return self._distance(value, direction) <= _CLEAR_FACTOR * self.limit

    def _distance(self, value: float, direction: str) -> float:
        distance = value - self.median
        return {"above": distance, "below": -distance}.get(direction, abs(distance))


def usual(asked: Anomaly, series: Means, now_s: float) -> Usual | None:
    """Say what is usual at `now_s` (Unix seconds); None while too little is known."""
    if not len(series) or now_s - series.times[0] < asked.train_min_s:
        return None
    values = _reference(asked, series, now_s)
    if len(values) < _MIN_VALUES:
        return None
    middle = median(values)
    spread = _SCALE * median([abs(value - middle) for value in values])
    return Usual(middle, max(asked.threshold * spread, asked.min_delta))


def _reference(asked: Anomaly, series: Means, now_s: float) -> list[float]:
    values = []
    for at, value, odd in zip(series.times, series.values, series.odds, strict=True):
        age_s = now_s - at
        if age_s < _NEWEST_LEFT_OUT_S or (odd and age_s < _ODD_FOR_S):
            continue
        if asked.season == "day":
            off_s = (age_s + _DAY_S / 2) % _DAY_S - _DAY_S / 2
            is_alike = abs(off_s) <= _HALF_WIDTH_S
        else:
            is_alike = at % _WEEK_S // _HOUR_S == now_s % _WEEK_S // _HOUR_S
        if is_alike:
            values.append(value)
    return values
