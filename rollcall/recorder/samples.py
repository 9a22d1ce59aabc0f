"""The samples of one batch on their way into the tables.

Where a sample goes depends on its age. One of an hour that is still open goes to `sample`. A late
one makes its hour due again; on SQLite it goes to `sealed`, where the rest of its hour is. One
that is older than everything kept raw is merged into the roll-ups: making those again would
replace a full hour by what came late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.engine import Database, SampleRow
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS

_LATE: Final = "INSERT INTO sealed (ts, value, series_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_DUE: Final = "INSERT INTO rollup_due (hour) VALUES (:hour) ON CONFLICT (hour) DO {}"
# With several recorders, whoever closes the hour has to wait until we have committed.
_IF_DUE: Final = {"sqlite": "NOTHING", "postgresql": "UPDATE SET hour = excluded.hour"}
_PROGRESS: Final = text("SELECT what, upto FROM progress")
_MERGE: Final = """
INSERT INTO {table} (series_id, ts, n, vmin, vmax, vsum, vlast)
VALUES (:series_id, :ts, :n, :vmin, :vmax, :vsum, :vlast)
ON CONFLICT (series_id, ts) DO UPDATE SET n = {table}.n + excluded.n,
  vmin = CASE WHEN excluded.vmin < {table}.vmin THEN excluded.vmin ELSE {table}.vmin END,
  vmax = CASE WHEN excluded.vmax > {table}.vmax THEN excluded.vmax ELSE {table}.vmax END,
  vsum = {table}.vsum + excluded.vsum"""


class Level(NamedTuple):
    """A level of roll-ups: its table, the width of a bucket, and what `progress` calls it."""

    table: str
    width_ms: int
    pruned: str


LEVELS: Final = (
    Level("rollup_minute", MINUTE_MS, "pruned_minutely"),
    Level("rollup_hour", HOUR_MS, "pruned_hourly"),
    Level("rollup_day", DAY_MS, "pruned_daily"),
)


@dataclass(slots=True)
class _Bucket:
    n: int
    vmin: float
    vmax: float
    vsum: float
    newest: SampleRow


def progress(connection: Connection) -> dict[str, int]:
    """Give up to which time (milliseconds) each thing is done."""
    return {row.what: row.upto for row in connection.execute(_PROGRESS)}


def write(connection: Connection, database: Database, rows: list[SampleRow]) -> int:
    """Write samples within the transaction; give how many are new.

    Of two samples of one series at one time the first stays.
    """
    upto = progress(connection)
    raw_from, closed = upto["pruned_raw"], upto["closed"]
    times = {ts for ts, _, _ in rows}
    oldest = min(times)
    ancient = [row for row in rows if row[0] < raw_from] if oldest < raw_from else []
    kept = [row for row in rows if row[0] >= raw_from] if ancient else rows
    count = _insert(connection, database, kept, closed if oldest < closed else 0)
    _merge(connection, ancient, upto)
    database.upsert_newest(connection, _newest(rows))
    hours = {ts - ts % HOUR_MS for ts in times if ts >= raw_from}
    if hours:
        due = text(_DUE.format(_IF_DUE[connection.dialect.name]))
        connection.execute(due, [{"hour": hour} for hour in sorted(hours)])
    return count + len(ancient)


def _insert(connection: Connection, database: Database, rows: list[SampleRow], closed: int) -> int:
    late: list[SampleRow] = []
    if connection.dialect.name == "sqlite" and closed:
        late = sorted((row for row in rows if row[0] < closed), key=_by_series)
    recent = [row for row in rows if row[0] >= closed] if late else rows
    count = connection.exec_driver_sql(_LATE, list(late)).rowcount if late else 0
    if recent:
        database.make_days(connection, {ts // DAY_MS for ts, _, _ in recent})
        count += database.insert_samples(connection, recent)
    return count


def _newest(rows: list[SampleRow]) -> list[SampleRow]:
    # Of two at one time the first one has to come last here, and stays.
    in_time = rows[::-1]
    in_time.sort(key=_time)
    return list({row[2]: row for row in in_time}.values())


def _merge(connection: Connection, rows: list[SampleRow], upto: dict[str, int]) -> None:
    for level in LEVELS:
        kept_from = upto[level.pruned]
        buckets = _summed((row for row in rows if row[0] >= kept_from), level.width_ms)
        if buckets:
            connection.execute(text(_MERGE.format(table=level.table)), buckets)


def _summed(rows: Iterable[SampleRow], width_ms: int) -> list[dict[str, Any]]:
    buckets: dict[tuple[int, int], _Bucket] = {}
    for row in rows:
        ts, value, series_id = row
        key = (series_id, ts - ts % width_ms)
        known = buckets.get(key)
        if known is None:
            buckets[key] = _Bucket(1, value, value, value, row)
            continue
        known.n += 1
        known.vmin = min(known.vmin, value)
        known.vmax = max(known.vmax, value)
        known.vsum += value
        if ts > known.newest[0]:
            known.newest = row
    return [
        {
            "series_id": series_id,
            "ts": ts,
            "n": found.n,
            "vmin": found.vmin,
            "vmax": found.vmax,
            "vsum": found.vsum,
            "vlast": found.newest[1],
        }
        for (series_id, ts), found in buckets.items()
    ]


_time: Final = itemgetter(0)
_by_series: Final = itemgetter(2, 0)
