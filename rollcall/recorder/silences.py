"""When nothing of a node was recorded: what a night's account needs to name gaps.

A function over a read-only connection of either engine, as in `queries`. A node is judged by one
of its series that is usually recorded often; where that one is silent, whatever else was recorded
of the node counts, too. Times are integer milliseconds since 1970, UTC; windows are from `start` up
to, not including, `stop`.
"""

from collections import defaultdict
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.raw import nodes
from rollcall.recorder.rollups import HOUR_MS, MINUTE_MS

_JUDGED_BY: Final = "cpu.percent"
_MISSING_STEPS: Final = 2.5
_LEAST_MS: Final = 2 * MINUTE_MS
# With more than this many minutes of nodes, hours have to do.
_MOST_BUCKETS: Final = 2_000_000
_MOST_LOOKED_INTO: Final = 500

_JUDGED: Final = """judged AS (SELECT n.name, coalesce(
    max(CASE WHEN s.metric = :judged_by THEN s.series_id END), min(s.series_id)) AS series_id
  FROM series_key s JOIN node n ON n.node_id = s.node_id GROUP BY n.name)"""
_STEPS: Final = f"""
WITH {_JUDGED}, told AS (
  SELECT j.name, r.ts FROM judged j JOIN {{table}} r ON r.series_id = j.series_id
    WHERE r.ts >= :start AND r.ts < :stop
  UNION SELECT j.name, x.ts - x.ts % :width FROM judged j
    JOIN sample x ON x.series_id = j.series_id WHERE x.ts < :stop
    AND x.ts >= (SELECT CASE WHEN upto > :start THEN upto ELSE :start END FROM progress
      WHERE what = 'closed')),
steps AS (SELECT name, ts, lag(ts) OVER (PARTITION BY name ORDER BY ts) AS prev_ts,
    lead(ts) OVER (PARTITION BY name ORDER BY ts) AS next_ts FROM told),
usual AS (SELECT *, min(next_ts - ts) OVER (PARTITION BY name) AS step FROM steps)
SELECT name, ts, next_ts, step FROM usual
WHERE prev_ts IS NULL OR next_ts IS NULL OR next_ts - ts > {_MISSING_STEPS} * step
ORDER BY name, ts"""  # noqa: S608 - our own text
_ANYTHING: Final = """
SELECT 1 FROM series_key s JOIN node n ON n.node_id = s.node_id WHERE n.name = :node AND (
  EXISTS (SELECT 1 FROM {table} r WHERE r.series_id = s.series_id AND r.ts >= :start
    AND r.ts < :stop)
  OR EXISTS (SELECT 1 FROM sample x WHERE x.series_id = s.series_id AND x.ts >= :start
    AND x.ts < :stop)) LIMIT 1"""


class Silence(NamedTuple):
    """Nothing of a node was recorded from `ts` up to `until_ts`."""

    node: str
    ts: int
    until_ts: int


def silences(connection: Connection, start: int, stop: int) -> list[Silence]:
    """Give the times of two minutes and more in which nothing of a node was recorded.

    In order of node and time, by whole minutes; by hours where a window has very many. Of every
    node that was ever recorded, also of one that was not there: what it was, `states` says.
    """
    table, width = _buckets(connection, start, stop)
    values = {"start": start - start % width, "stop": stop, "width": width}
    query = text(_STEPS.format(table=table))
    told: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query, {**values, "judged_by": _JUDGED_BY}):
        told[row.name].append(row)
    found = [
        Silence(name, *hole)
        for name in nodes(connection)
        for hole in _holes(told[name], start, stop, width)
    ]
    anything = text(_ANYTHING.format(table=table))
    return [
        silence
        for number, silence in enumerate(found)
        if number >= _MOST_LOOKED_INTO or _is_true(connection, anything, silence)
    ]


def _buckets(connection: Connection, start: int, stop: int) -> tuple[str, int]:
    fine = len(nodes(connection)) * (stop - start) / MINUTE_MS <= _MOST_BUCKETS
    return ("rollup_minute", MINUTE_MS) if fine else ("rollup_hour", HOUR_MS)


def _holes(rows: list[Any], start: int, stop: int, width: int) -> list[tuple[int, int]]:
    """Give what lies between the buckets of one node, and at the ends of the window."""
    if not rows:
        return [(start, stop)]
    longest = max(_LEAST_MS, _MISSING_STEPS * (rows[0].step or 0) - width)
    edges = [(start, rows[0].ts), (rows[-1].ts + width, stop)]
    inner = [(row.ts + width, row.next_ts) for row in rows if row.next_ts is not None]
    return sorted((a, b) for a, b in (*edges, *inner) if b - a >= longest)


def _is_true(connection: Connection, anything: Any, silence: Silence) -> bool:
    values = {"node": silence.node, "start": silence.ts, "stop": silence.until_ts}
    return connection.execute(anything, values).first() is None
