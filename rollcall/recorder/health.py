"""How the recorder fares, as its status topic tells it.

Rates are those of the last minute. How long the disk lasts is the free space by the growth of
the database over the last two days; it is not said before an hour has been watched.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import JsonValue

from rollcall.recorder.transaction import Stored

_RATE_OVER_S: Final = 60.0
_SIZE_EVERY_S: Final = 30.0
_GROWTH_EVERY_S: Final = 3_600.0
_GROWTH_POINTS: Final = 49
_DAY_S: Final = 86_400.0


class Space(NamedTuple):
    """What the database takes, and what is free where it lies; None: not known."""

    taken_bytes: int | None = None
    free_bytes: int | None = None


class Growth:
    """How fast the database grows; seconds are monotonic."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=_GROWTH_POINTS)
        self._newest: tuple[float, int] | None = None

    def measured(self, now_s: float, taken_bytes: int) -> None:
        """Take in a size."""
        self._newest = (now_s, taken_bytes)
        if not self._points or now_s - self._points[-1][0] >= _GROWTH_EVERY_S:
            self._points.append(self._newest)

    def days_until_full(self, free_bytes: int) -> float | None:
        """Give how long the free space lasts; None: not known, or it does not shrink."""
        if not self._points or self._newest is None:
            return None
        (began_s, began_bytes), (now_s, now_bytes) = self._points[0], self._newest
        if now_s - began_s < _GROWTH_EVERY_S or now_bytes <= began_bytes:
            return None
        per_day = (now_bytes - began_bytes) / (now_s - began_s) * _DAY_S
        return free_bytes / per_day


@dataclass(slots=True)
class Health:
    """Counts since the start, and the present state; written by one thread, read by any."""

    reports: int = 0
    events: int = 0
    samples: int = 0
    duplicates: int = 0
    rejected: int = 0
    faults: int = 0
    dropped: int = 0
    last_commit: float | None = None
    lag_seconds: float = 0.0
    queue: int = 0
    database: str = "ok"
    leads: bool = False
    space: Space = field(default_factory=Space)
    reports_per_second: float = 0.0
    samples_per_second: float = 0.0
    growth: Growth = field(default_factory=Growth)
    _recent: deque[tuple[float, int, int]] = field(default_factory=lambda: deque([(0.0, 0, 0)]))
    _measured_s: float = float("-inf")

    def stored(self, stored: Stored, *, at_s: float) -> None:
        """Count a batch that was committed at `at_s` (Unix seconds)."""
        self.reports += stored.reports
        self.events += stored.events
        self.samples += stored.samples
        self.duplicates += stored.duplicates
        self.rejected += stored.rejected
        self.last_commit = at_s
        self.database = "ok"

    def look(self, now_s: float, space: Callable[[], Space]) -> None:
        """Work out the rates, and ask for the space when that is due; seconds are monotonic."""
        if now_s - self._measured_s >= _SIZE_EVERY_S:
            self._measured_s = now_s
            self.space = space()
            if self.space.taken_bytes is not None:
                self.growth.measured(now_s, self.space.taken_bytes)
        if now_s - self._recent[-1][0] < 1.0:
            return
        self._recent.append((now_s, self.reports, self.samples))
        while len(self._recent) > 1 and now_s - self._recent[1][0] >= _RATE_OVER_S:
            self._recent.popleft()
        began_s, reports, samples = self._recent[0]
        over_s = min(now_s - began_s, _RATE_OVER_S)
        self.reports_per_second = (self.reports - reports) / over_s
        self.samples_per_second = (self.samples - samples) / over_s

    def snapshot(self) -> dict[str, JsonValue]:
        """Give all of it for the status topic; `faults` are messages that tripped us up."""
        free = self.space.free_bytes
        days = None if free is None else self.growth.days_until_full(free)
        return {
            "reports": self.reports,
            "events": self.events,
            "samples": self.samples,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "faults": self.faults,
            "dropped": self.dropped,
            "reports_per_second": round(self.reports_per_second, 1),
            "samples_per_second": round(self.samples_per_second, 1),
            "last_commit": self.last_commit and round(self.last_commit, 3),
            "lag_seconds": round(self.lag_seconds, 3),
            "queue": self.queue,
            "database": self.database,
            "leads": self.leads,
            "database_bytes": self.space.taken_bytes,
            "free_bytes": free,
            "days_until_full": None if days is None else round(days, 1),
        }
