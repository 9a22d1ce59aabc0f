"""Roll-ups: what the samples of a minute, an hour and a day come to, stored.

Minutes are made from samples, hours from minutes, days from hours: counts and sums compose,
averages do not. An hour is rolled up as a whole, in the transaction that seals it, and made again
when samples of it come late; doing so twice changes nothing.

On SQLite sealing moves the samples of an hour from `sample`, ordered by slices of time so that a
commit writes few pages, to `sealed`, ordered by series so that one series is read quickly. On
PostgreSQL they stay where they are. Times are integer milliseconds.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import TextClause

from rollcall.recorder.slices import SLICE_MS

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
# Live samples come at most this late; an hour is closed when it is over for so long.
SETTLED_MS: Final = 120_000

# CROSS JOIN keeps SQLite from reading a whole table: it looks into each series for the span.
_FROM_SAMPLES: Final = """
INSERT INTO rollup_minute (series_id, ts, n, vmin, vmax, vsum, vlast)
SELECT series_id, bucket, n, low, high, total,
  (SELECT max(z.value) FROM {source} z WHERE z.series_id = a.series_id AND z.ts = a.at)
FROM (SELECT x.series_id, x.ts - x.ts % 60000 AS bucket, count(*) AS n, min(x.value) AS low,
    max(x.value) AS high, sum(x.value) AS total, max(x.ts) AS at
  FROM series_key s CROSS JOIN {source} x
  WHERE x.series_id = s.series_id AND x.ts >= :start AND x.ts < :stop
  GROUP BY x.series_id, x.ts - x.ts % 60000) a WHERE true"""
_FROM_FINER: Final = """
INSERT INTO {table} (series_id, ts, n, vmin, vmax, vsum, vlast)
SELECT series_id, :start, n, low, high, total,
  (SELECT z.vlast FROM {finer} z WHERE z.series_id = a.series_id AND z.ts = a.at)
FROM (SELECT x.series_id, sum(x.n) AS n, min(x.vmin) AS low, max(x.vmax) AS high,
    sum(x.vsum) AS total, max(x.ts) AS at
  FROM series_key s CROSS JOIN {finer} x
  WHERE x.series_id = s.series_id AND x.ts >= :start AND x.ts < :stop
  GROUP BY x.series_id) a WHERE true"""
_OR_REPLACED: Final = """
ON CONFLICT (series_id, ts) DO UPDATE SET n = excluded.n, vmin = excluded.vmin,
  vmax = excluded.vmax, vsum = excluded.vsum, vlast = excluded.vlast"""

_SLICES: Final = f"slice >= :start / {SLICE_MS} AND slice < :stop / {SLICE_MS}"
_SEAL: Final = text(
    "INSERT INTO sealed (series_id, ts, value) "  # noqa: S608 - our own numbers
    "SELECT series_id, ts, value FROM sample "
    f"WHERE {_SLICES} ORDER BY series_id, ts ON CONFLICT DO NOTHING"
)
_SEALED: Final = text(f"DELETE FROM sample WHERE {_SLICES}")  # noqa: S608 - likewise
_DUE: Final = text("SELECT min(hour) FROM rollup_due WHERE hour < :before")
_DONE: Final = text("DELETE FROM rollup_due WHERE hour = :start")
_CLOSED: Final = text("UPDATE progress SET upto = :upto WHERE what = 'closed' AND upto < :upto")


def closable_before(now_ms: int) -> int:
    """Give the end of the last hour that is over for long enough to be closed."""
    settled_ms = now_ms - SETTLED_MS
    return settled_ms - settled_ms % HOUR_MS


def close_oldest(connection: Connection, now_ms: int) -> bool:
    """Close the oldest hour that is due, within the transaction; say whether there was one."""
    before = closable_before(now_ms)
    hour: int | None = connection.execute(_DUE, {"before": before}).scalar_one()
    if hour is None:
        connection.execute(_CLOSED, {"upto": before})
        return False
    # Taken off first: with several recorders, who finds it gone has nothing to do.
    if connection.execute(_DONE, {"start": hour}).rowcount:
        _roll_up(connection, hour)
        connection.execute(_CLOSED, {"upto": hour + HOUR_MS})
    return True


def _roll_up(connection: Connection, hour: int) -> None:
    day = hour - hour % DAY_MS
    in_hour = {"start": hour, "stop": hour + HOUR_MS}
    source = "sample"
    if connection.dialect.name == "sqlite":
        connection.execute(_SEAL, in_hour)
        connection.execute(_SEALED, in_hour)
        source = "sealed"
    connection.execute(_statement(_FROM_SAMPLES, source=source), in_hour)
    hours = _statement(_FROM_FINER, table="rollup_hour", finer="rollup_minute")
    connection.execute(hours, in_hour)
    days = _statement(_FROM_FINER, table="rollup_day", finer="rollup_hour")
    connection.execute(days, {"start": day, "stop": day + DAY_MS})


def _statement(pattern: str, **tables: str) -> TextClause:
    return text(pattern.format(**tables) + _OR_REPLACED)
