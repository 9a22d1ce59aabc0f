"""The last hour of one number of each node, as means of whole minutes: what a sparkline shows.

A minute in which nothing arrived stays empty. Times are the consumer's own arrival times, Unix
seconds; a replayed report is no part of it. What was recorded before the start can be put in. Pure.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TREND: Final = "cpu.percent"
MINUTES: Final = 60
_MINUTE_S: Final = 60


@dataclass(slots=True)
class Trend:
    """The means of the newest `MINUTES` whole minutes, and the sum of the one that runs."""

    means: deque[tuple[int, float]] = field(default_factory=deque)
    _minute: int = -1
    _sum: float = 0.0
    _count: int = 0

    def take(self, value: float, at_s: float) -> bool:
        """Take in one number; say whether a minute was completed by it."""
        minute = int(at_s // _MINUTE_S)
        completed = self.settle(at_s)
        if minute != self._minute:
            self._minute, self._sum, self._count = minute, 0.0, 0
        self._sum += value
        self._count += 1
        return completed

    def settle(self, at_s: float) -> bool:
        """Close the minute that runs if it is over by now; say whether there was one to close."""
        minute = int(at_s // _MINUTE_S)
        if not self._count or minute <= self._minute:
            return False
        self.means.append((self._minute, self._sum / self._count))
        self._count = 0
        while self.means and self.means[0][0] < minute - MINUTES:
            self.means.popleft()
        return True

    def seed(self, means: Mapping[int, float]) -> None:
        """Take in means that are known from elsewhere, by minute; what was heard here stays."""
        known = dict(self.means)
        before = {minute: mean for minute, mean in means.items() if minute != self._minute}
        self.means = deque(sorted({**before, **known}.items()))

    def points(self, at_s: float) -> list[int | None]:
        """Give one mean for each minute up to the last whole one, oldest first.

        It begins with the first minute of the last `MINUTES` in which anything came.
        """
        first = int(at_s // _MINUTE_S) - MINUTES
        points: list[int | None] = [None] * MINUTES
        for minute, mean in self.means:
            if first <= minute < first + MINUTES:
                points[minute - first] = round(mean)
        known = (index for index, point in enumerate(points) if point is not None)
        return points[next(known, MINUTES) :]
