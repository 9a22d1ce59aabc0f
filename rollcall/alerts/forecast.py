"""When a series, going on as it goes, reaches a target: a straight line by least squares.

A line that does not fit says nothing: `r2` is the share of the variation that it explains. One step
in otherwise flat values reaches 0.75.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.alerts.means import Means
from rollcall.alerts.rules import Forecast

SPANS: Final = 72
_CLEAR_FACTOR: Final = 1.25


@dataclass(frozen=True, slots=True)
class Line:
    """A line through a series: its slope per second, its value now, how well it fits (0 to 1)."""

    slope: float
    now: float
    r2: float

    def at(self, seconds: float) -> float:
        """Give its value so many seconds from now."""
        return self.now + self.slope * seconds

    def eta_s(self, target: float) -> float:
        """Give the seconds until it reaches `target`; infinite when never, negative when before."""
        return (target - self.now) / self.slope if self.slope else math.inf


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a forecast says: whether it breaches or clears, and when it expects the target."""

    breached: bool
    cleared: bool
    eta_s: float


def fitted(times: Sequence[float], values: Sequence[float], now_s: float) -> Line:
    """Fit a line through at least two points at different times."""
    count = len(times)
    xs = [at - now_s for at in times]
    x_mean, y_mean = math.fsum(xs) / count, math.fsum(values) / count
    sxx = math.fsum((x - x_mean) ** 2 for x in xs)
    sxy = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(xs, values, strict=True))
    syy = math.fsum((y - y_mean) ** 2 for y in values)
    slope = sxy / sxx
    r2 = sxy * sxy / (sxx * syy) if syy > 0 else 0.0
    return Line(slope, y_mean - slope * x_mean, r2)


def outlook(asked: Forecast, series: Means, now_s: float) -> Outlook | None:
    """Say whether the target comes near; None while too little is known. `now_s`: Unix seconds."""
    if len(series) < 2:  # noqa: PLR2004 - a line needs two points
        return None
    span_s = series.times[-1] - series.times[0]
    if sum(series.counts) < asked.min_samples or span_s < asked.min_span_s:
        return None
    line = fitted(series.times, series.values, now_s)
    eta_s = line.eta_s(asked.target)
    fits = line.r2 >= asked.min_r2
    return Outlook(
        breached=fits and 0 <= eta_s <= asked.horizon_s,
        cleared=not fits or not 0 <= eta_s <= _CLEAR_FACTOR * asked.horizon_s,
        eta_s=eta_s,
    )
