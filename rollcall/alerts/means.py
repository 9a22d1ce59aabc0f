"""A series over hours and days, as means of equal spans: what forecast and anomaly look back on.

Spans are multiples of `width_s` on the wall clock (Unix seconds), so that a restart goes on with
them. The newest span is still open: it grows with every sample.
"""

from array import array
from bisect import bisect_left
from typing import NamedTuple


class Mean(NamedTuple):
    """One span: the mean time of its samples, their mean value, how many they are.

    `odd`: the value was in breach, and is not to be taken for usual.
    """

    at: float
    value: float
    samples: int
    odd: bool = False


class Means:
    """The means of the last `keep_s` seconds, oldest first."""

    def __init__(self, width_s: float, keep_s: float) -> None:
        self.width_s = width_s
        self.keep_s = keep_s
        self.times = array("d")
        self.values = array("d")
        self.counts = array("L")
        self.odds = array("b")
        self.stored_to_s = 0.0

    def __len__(self) -> int:
        return len(self.times)

    def add(self, value: float, wall_s: float) -> None:
        """Take in a sample; what is older than `keep_s`, or of the future, is dropped."""
        span = wall_s // self.width_s
        self._drop_from(bisect_left(self.times, (span + 1) * self.width_s))
        if self.times and self.times[-1] // self.width_s == span:
            count = self.counts[-1] + 1
            self.times[-1] += (wall_s - self.times[-1]) / count
            self.values[-1] += (value - self.values[-1]) / count
            self.counts[-1] = count
        else:
            self.put(Mean(wall_s, value, 1))
        self._drop_to(bisect_left(self.times, wall_s - self.keep_s))

    def put(self, mean: Mean) -> None:
        """Take up a span of before a restart; spans come oldest first."""
        self.times.append(mean.at)
        self.values.append(mean.value)
        self.counts.append(mean.samples)
        self.odds.append(int(mean.odd))

    def mark_odd(self) -> None:
        """Note that the newest span is in breach."""
        if self.odds:
            self.odds[-1] = 1

    def closed_since_stored(self) -> list[Mean]:
        """Hand out, once, the spans that are closed and not stored yet."""
        first = bisect_left(self.times, self.stored_to_s)
        found = [
            Mean(self.times[i], self.values[i], self.counts[i], bool(self.odds[i]))
            for i in range(first, len(self) - 1)
        ]
        if self.times:
            self.stored_to_s = self.times[-1] // self.width_s * self.width_s
        return found

    def _drop_from(self, end: int) -> None:
        for column in (self.times, self.values, self.counts, self.odds):
            del column[end:]

    def _drop_to(self, begin: int) -> None:
        if begin:
            for column in (self.times, self.values, self.counts, self.odds):
                del column[:begin]
