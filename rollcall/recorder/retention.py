"""What is kept how long: horizons, and what lies before them.

Every level (samples, minutes, hours, days) has a horizon, the beginning of a day, before which
nothing is kept. Coarser levels are kept longer, so that what is forgotten has been rolled up. The
host's own clock does not decide alone: nothing newer than a day before the newest sample's time
minus what is kept is ever given up, even if the clock says 2099. Pure; times in milliseconds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from rollcall.recorder.rollups import DAY_MS
from rollcall.service.settings import Keep, kept_days


class Level(NamedTuple):
    """What is kept at one resolution: its name, its table, and about what a row takes on disk.

    `per_day` is the most rows that a series has a day; None: as many as there were samples. The
    sizes are those that `bench/size` measures.
    """

    name: str
    table: str
    per_day: int | None
    sqlite_bytes: int
    postgresql_bytes: int

    @property
    def progress(self) -> str:
        """What `progress` calls its horizon."""
        return f"pruned_{self.name}"


LEVELS: Final = (
    Level("raw", "sealed", None, 25, 84),
    Level("minutely", "rollup_minute", 1440, 58, 129),
    Level("hourly", "rollup_hour", 24, 58, 129),
    Level("daily", "rollup_day", 1, 58, 135),
)


@dataclass(frozen=True, slots=True)
class Projection:
    """What pruning would take from one level: rows from `since` up to `horizon`, and bytes."""

    level: str
    horizon: int
    rows: int
    size_bytes: int


def horizons(keep: Keep, now_ms: int, newest_ts: int | None) -> dict[str, int]:
    """Give by level before which time nothing is kept; 0: everything is.

    `newest_ts` is the time of the newest sample there is.
    """
    known_ms = 0 if newest_ts is None else min(now_ms, newest_ts + DAY_MS)
    today = known_ms - known_ms % DAY_MS
    found = {}
    for level in LEVELS:
        days = kept_days(getattr(keep, level.name))
        found[level.name] = 0 if math.isinf(days) else max(today - int(days) * DAY_MS, 0)
    return found


def allowed(wanted: Mapping[str, int], oldest_due: int | None) -> dict[str, int]:
    """Give the horizons that spare every day with an hour whose roll-ups are still to be made."""
    limit = math.inf if oldest_due is None else oldest_due - oldest_due % DAY_MS
    return {name: int(min(horizon, limit)) for name, horizon in wanted.items()}


def projection(
    level: Level, horizon: int, series_days: Mapping[int, int], engine: str
) -> Projection:
    """Project what goes of one level; `series_days`: how many series had so many samples a day."""
    most = level.per_day
    rows = sum(
        count * (samples if most is None else min(samples, most))
        for samples, count in series_days.items()
    )
    each = level.sqlite_bytes if engine == "sqlite" else level.postgresql_bytes
    return Projection(level.name, horizon, rows, rows * each)
