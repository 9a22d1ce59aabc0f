"""The read side over many nodes at once: compare a metric, go back to a moment, sum up a night.

Functions over a read-only connection of either engine, as in `queries`. Times are integer
milliseconds since 1970, UTC; windows are from `start` up to, not including, `stop`.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import TextClause

from rollcall.recorder.errors import RecorderError
from rollcall.recorder.queries import MOST_ROWS, reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from rollcall.recorder.slices import of_last_slices, of_same_slice

T = TypeVar("T")

_LOOK_BACK_MS: Final = DAY_MS
_WIDTHS: Final = {"rollup_minute": MINUTE_MS, "rollup_hour": HOUR_MS, "rollup_day": DAY_MS}
_LEAST_SAMPLES: Final = 10


class HistoryAwayError(RecorderError):
    """The database cannot be asked now; the text says why."""


class Bucket(NamedTuple):
    """What one series came to in one bucket."""

    node: str
    instance: str
    ts: int
    mean: float
    high: float
    samples: int


class Was(NamedTuple):
    """The newest value of a series at a moment."""

    node: str
    metric: str
    instance: str
    ts: int
    value: float


class Change(NamedTuple):
    """The mean of a series in a window, and in the window of equal length before it."""

    node: str
    metric: str
    instance: str
    before: float
    after: float


class AlertThen(NamedTuple):
    """An alert that was pending or firing at a moment."""

    node: str
    rule: str
    instance: str
    state: str
    severity: str | None
    ts: int
    summary: str | None
    incident: str | None


_METRICS: Final = text("SELECT DISTINCT metric FROM series_key ORDER BY metric LIMIT :most")
_OF_METRIC: Final = "FROM series_key s JOIN node n ON n.node_id = s.node_id"
_ROLLED_UP: Final = f"""
SELECT n.name, s.instance, r.ts - r.ts % :width AS bucket, sum(r.vsum) / sum(r.n), max(r.vmax),
  sum(r.n) {_OF_METRIC} JOIN {{table}} r ON r.series_id = s.series_id
WHERE s.metric = :metric AND r.ts >= :start AND r.ts < :stop
GROUP BY n.name, s.instance, r.ts - r.ts % :width"""
_OPEN: Final = f"""
SELECT n.name, s.instance, x.ts - x.ts % :width AS bucket, avg(x.value), max(x.value), count(*)
{_OF_METRIC} JOIN sample x ON x.series_id = s.series_id
WHERE s.metric = :metric AND x.ts < :stop
  AND x.ts >= (SELECT CASE WHEN upto > :start THEN upto ELSE :start END FROM progress
    WHERE what = 'closed')
GROUP BY n.name, s.instance, x.ts - x.ts % :width"""  # noqa: S608 - likewise
_NEWEST: Final = """(SELECT max(y.ts) FROM {table} y
  WHERE y.series_id = s.series_id AND y.ts <= :at AND y.ts > :since{slices})"""
# Materialized, so that each series is looked for once.
_NEWEST_BEFORE: Final = f"""
WITH a AS MATERIALIZED (SELECT s.series_id, n.name, s.metric, s.instance, {{newest}} AS at
  {_OF_METRIC} WHERE s.metric = :metric)
SELECT a.name, a.metric, a.instance, x.ts, x.value
FROM a JOIN {{table}} x ON x.series_id = a.series_id AND x.ts = a.at{{same_slice}}"""  # noqa: S608 - likewise
_MEANS: Final = """
SELECT n.name, s.metric, s.instance,
  sum(CASE WHEN r.ts < :before_stop THEN r.vsum END)
    / sum(CASE WHEN r.ts < :before_stop THEN r.n END),
  sum(CASE WHEN r.ts >= :start THEN r.vsum END) / sum(CASE WHEN r.ts >= :start THEN r.n END)
FROM series_key s JOIN node n ON n.node_id = s.node_id
  JOIN rollup_hour r ON r.series_id = s.series_id
WHERE s.kind = 'gauge' AND (r.ts >= :before AND r.ts < :before_stop
  OR r.ts >= :start AND r.ts < :stop)
GROUP BY n.name, s.metric, s.instance
HAVING sum(CASE WHEN r.ts < :before_stop THEN r.n END) >= :least
  AND sum(CASE WHEN r.ts >= :start THEN r.n END) >= :least"""
_ALERTS_AT: Final = text("""
SELECT n.name, a.rule, a.instance, a.state, a.severity, a.ts, a.summary, a.incident
FROM alert_change a JOIN node n ON n.node_id = a.node_id
WHERE a.change_id = (SELECT max(b.change_id) FROM alert_change b
    WHERE b.node_id = a.node_id AND b.rule = a.rule AND b.instance = a.instance AND b.ts <= :at)
  AND a.ts <= :at AND a.state <> 'ended' LIMIT :most""")


def ask(url: str, question: Callable[[Connection], T]) -> T:
    """Open the database behind `url` to read, and ask. Raises HistoryAwayError."""
    try:
        with reading(url) as engine, engine.connect() as connection:
            return question(connection)
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise HistoryAwayError(f"the database cannot be asked: {cause}") from error


def metrics(connection: Connection) -> list[str]:
    """Name every metric that was ever recorded."""
    return [str(row[0]) for row in connection.execute(_METRICS, {"most": MOST_ROWS})]


def compared(
    connection: Connection, metric: str, start: int, stop: int, points: int
) -> tuple[int, list[Bucket]]:
    """Give one metric of all nodes in at most `points` buckets each; and a bucket's width in ms."""
    table = _table_for(stop - start, points)
    width = max(_WIDTHS[table], _ceiled(stop - start, points, _WIDTHS[table]))
    values = {"metric": metric, "start": start - start % width, "stop": stop, "width": width}
    rows = list(connection.execute(text(_ROLLED_UP.format(table=table)), values))
    if table != "rollup_day":
        rows += connection.execute(text(_OPEN), values)
    merged: dict[tuple[str, str, int], Bucket] = {}
    for node, instance, ts, mean, high, samples in rows:
        # PostgreSQL gives sums of integers as Decimal.
        bucket = Bucket(node, instance, int(ts), float(mean), float(high), int(samples))
        before = merged.get(bucket[:3])
        merged[bucket[:3]] = bucket if before is None else _joined(before, bucket)
    return width, [merged[key] for key in sorted(merged)]


def values_at(connection: Connection, names: Sequence[str], at: int) -> list[Was]:
    """Give the newest value of these metrics at a moment, for each series; of the day before it."""
    queries = _newest_before(connection.dialect.name)
    found: dict[tuple[str, str, str], Was] = {}
    for metric in names:
        for query in queries:
            values = {"metric": metric, "at": at, "since": at - _LOOK_BACK_MS}
            for row in connection.execute(query, values):
                was = Was(*row)
                if was[:3] not in found or found[was[:3]].ts < was.ts:
                    found[was[:3]] = was
    return [found[key] for key in sorted(found)]


def _newest_before(engine: str) -> list[TextClause]:
    """Give the questions for the newest samples: one for each table that holds any."""
    newest = _NEWEST.format(table="sample", slices="")
    if engine == "sqlite":
        # Nearly all series have one in the last minute; for the others every slice is looked into.
        lately = _NEWEST.format(table="sample", slices=of_last_slices("y", ":at"))
        newest = f"coalesce({lately}, {newest})"
    same_slice = of_same_slice(engine, "x", "a.at")
    found = [_NEWEST_BEFORE.format(table="sample", newest=newest, same_slice=same_slice)]
    if engine == "sqlite":
        newest = _NEWEST.format(table="sealed", slices="")
        found.append(_NEWEST_BEFORE.format(table="sealed", newest=newest, same_slice=""))
    return [text(query) for query in found]


def alerts_at(connection: Connection, at: int) -> list[AlertThen]:
    """Give the alerts that were pending or firing at a moment."""
    return [
        AlertThen(*row) for row in connection.execute(_ALERTS_AT, {"at": at, "most": MOST_ROWS})
    ]


def changes(
    connection: Connection, start: int, stop: int, most: int, apart_ms: int | None = None
) -> list[Change]:
    """Give the gauges whose mean changed most against a window of equal length before it.

    That one begins `apart_ms` earlier, such as a day; None: it ends where the other begins.
    By whole hours that are rolled up; how much is judged by the ratio of the means.
    """
    before = start - (stop - start if apart_ms is None else apart_ms)
    values = {
        "start": start,
        "stop": stop,
        "before": before,
        "before_stop": min(before + stop - start, start),
        "least": _LEAST_SAMPLES,
    }
    found = [Change(*row) for row in connection.execute(text(_MEANS), values)]
    return sorted(found, key=lambda change: -_strength(change))[:most]


def _strength(change: Change) -> float:
    """Say how strongly a mean changed; shares need ten points to count, others half again."""
    low, high = sorted((abs(change.before), abs(change.after)))
    if change.metric.endswith("_percent") or change.metric.endswith(".percent"):
        return (high - low) / 10 if high - low >= 10 else 0.0  # noqa: PLR2004 - percent points
    return high / low if low > 0 else 0.0


def _table_for(window_ms: int, points: int) -> str:
    """Choose the coarsest roll-up that still has as many buckets as wanted."""
    fine = [name for name, width in _WIDTHS.items() if window_ms >= width * points]
    return fine[-1] if fine else "rollup_minute"


def _ceiled(window_ms: int, points: int, unit_ms: int) -> int:
    """Give the narrowest multiple of a unit at which a window has no more than `points`."""
    return -(-window_ms // (points * unit_ms)) * unit_ms


def _joined(one: Bucket, other: Bucket) -> Bucket:
    samples = one.samples + other.samples
    mean = (one.mean * one.samples + other.mean * other.samples) / samples
    return one._replace(mean=mean, high=max(one.high, other.high), samples=samples)
