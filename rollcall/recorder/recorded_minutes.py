"""The read side of when anything was recorded at all: by minutes, of all nodes together.

Functions over a read-only connection of either engine, as in `queries`. Times are integer
milliseconds since 1970, UTC.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS

# What every agent reports unless it is told not to.
_METRIC: Final = "cpu.percent"
_LONGEST_MS: Final = 31 * DAY_MS
_LOOK_BACK_MS: Final = 6 * HOUR_MS
_LEAST_MS: Final = 3 * MINUTE_MS
_STEPS: Final = 3

# Of each minute the first series that has it is enough.
_ROLLED_UP: Final = text("""
WITH RECURSIVE minute(ts) AS (
  SELECT :start UNION ALL SELECT ts + 60000 FROM minute WHERE ts + 60000 < :stop)
SELECT m.ts FROM minute m WHERE EXISTS (
  SELECT 1 FROM series_key s JOIN rollup_minute r ON r.series_id = s.series_id AND r.ts = m.ts
  WHERE s.metric = :metric) ORDER BY m.ts""")
_OPEN: Final = text("""
SELECT DISTINCT x.ts - x.ts % 60000 AS ts FROM sample x
  JOIN series_key s ON s.series_id = x.series_id
WHERE s.metric = :metric AND x.ts < :stop
  AND x.ts >= (SELECT CASE WHEN upto > :start THEN upto ELSE :start END FROM progress
    WHERE what = 'closed') ORDER BY 1""")


def minutes(connection: Connection, start: int, stop: int) -> list[int]:
    """Give the minutes of a window in which a CPU was recorded of any node."""
    values = {"start": start - start % MINUTE_MS, "stop": stop, "metric": _METRIC}
    rolled_up, opened = (connection.execute(query, values) for query in (_ROLLED_UP, _OPEN))
    return sorted({int(row[0]) for row in (*rolled_up, *opened)})


def gaps(connection: Connection, start: int, stop: int) -> list[tuple[int, int]]:
    """Give from when until when nothing was recorded of any node, clipped to a window.

    Of windows longer than 31 days, and of what was before the first minute, nothing is said.
    """
    if stop - start > _LONGEST_MS:
        return []
    known = minutes(connection, start - _LOOK_BACK_MS, stop)
    return [(max(begin, start), end) for begin, end in holes(known, stop) if end > start]


def holes(known: Sequence[int], stop: int) -> Iterator[tuple[int, int]]:
    """Give the spans between minutes, and up to `stop`, that are longer than usual.

    Longer than three minutes, and than three times what usually lies between two.
    """
    if not known:
        return
    steps = [later - earlier for earlier, later in pairwise(known)]
    usual = max(_LEAST_MS, _STEPS * median(steps)) if steps else _LEAST_MS
    for earlier, later in pairwise((*known, stop)):
        if later - earlier - MINUTE_MS >= usual:
            yield earlier + MINUTE_MS, later
