"""The read side over many nodes at once: compare a metric, go back to a moment, sum up a night.

Functions over a read-only connection of either engine, as in `queries`. Times are integer
milliseconds since 1970, UTC; windows are from `start` up to, not including, `stop`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import TextClause

from rollcall.recorder.errors import RecorderError
from rollcall.recorder.queries import MOST_ROWS, reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from rollcall.recorder.slices import of_last_slices, of_same_slice, of_slices_between

T = TypeVar("T")
# Total, highest value, count.
_Sum = tuple[float, float, int]

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
_NAMES: Final = text(
    f"SELECT s.series_id, n.name, s.instance {_OF_METRIC} WHERE s.metric = :metric "
    "ORDER BY n.name, s.instance"
)
_CLOSED: Final = text("SELECT upto FROM progress WHERE what = 'closed'")
_AS_STORED: Final = """
SELECT r.series_id, r.ts, r.vsum, r.vmax, r.n
FROM series_key s JOIN {table} r ON r.series_id = s.series_id
WHERE s.metric = :metric AND r.ts >= :start AND r.ts < :stop"""
_SUMMED_UP: Final = """
SELECT r.series_id, r.ts - r.ts % :width AS bucket, sum(r.vsum), max(r.vmax),
  CAST(sum(r.n) AS bigint)
FROM series_key s JOIN {table} r ON r.series_id = s.series_id
WHERE s.metric = :metric AND r.ts >= :start AND r.ts < :stop
GROUP BY r.series_id, r.ts - r.ts % :width"""
_OPEN: Final = """
SELECT x.series_id, x.ts - x.ts % :width AS bucket, sum(x.value), max(x.value), count(*)
FROM sample x
WHERE x.series_id IN (SELECT series_id FROM series_key WHERE metric = :metric)
  AND x.ts >= :start AND x.ts < :stop{slices}
GROUP BY x.series_id, x.ts - x.ts % :width"""
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
    except (SQLAlchemyError, ImportError) as error:
        # PostgreSQL's library need not be installed where people only look.
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
    stored = _AS_STORED if width == _WIDTHS[table] else _SUMMED_UP
    rows = list(connection.execute(text(stored.format(table=table)), values))
    if table != "rollup_day":
        rows += _still_open(connection, values)
    sums: dict[int, dict[int, _Sum]] = defaultdict(dict)
    for series_id, ts, total, high, samples in rows:
        of_series = sums[series_id]
        if ts in of_series:
            before, highest, count = of_series[ts]
            of_series[ts] = (before + total, max(highest, high), count + samples)
        else:
            of_series[ts] = (total, high, samples)
    return width, [
        Bucket(node, instance, ts, total / samples, high, samples)
        for series_id, node, instance in connection.execute(_NAMES, {"metric": metric})
        for ts, (total, high, samples) in sorted(sums[series_id].items())
    ]


def _still_open(connection: Connection, values: Mapping[str, Any]) -> list[Any]:
    """Sum up what of a window is not rolled up yet; nothing is looked at where all of it is."""
    closed = connection.execute(_CLOSED).scalar_one()
    start = max(closed, values["start"])
    if start >= values["stop"]:
        return []
    slices = of_slices_between(connection.dialect.name, "x", ":start", ":stop")
    query = text(_OPEN.format(slices=slices))
    return list(connection.execute(query, {**values, "start": start}))


def values_at(connection: Connection, names: Sequence[str], at: int) -> list[Was]:
    """Give the newest value of these metrics at a moment, for each series; of the day before it."""
    engine = connection.dialect.name
    closed: int = connection.execute(_CLOSED).scalar_one()
    # On SQLite what is closed lies elsewhere; there the open hours would be searched in vain.
    queries = [_newest_in_sample(engine)] if engine != "sqlite" or at >= closed else []
    if engine == "sqlite":
        queries.append(_newest_in_sealed())
    found: dict[tuple[str, str, str], Was] = {}
    for metric in names:
        for query in queries:
            values = {"metric": metric, "at": at, "since": at - _LOOK_BACK_MS}
            for row in connection.execute(query, values):
                was = Was(*row)
                if was[:3] not in found or found[was[:3]].ts < was.ts:
                    found[was[:3]] = was
    return [found[key] for key in sorted(found)]


def _newest_in_sample(engine: str) -> TextClause:
    newest = _NEWEST.format(table="sample", slices="")
    if engine == "sqlite":
        # Nearly all series have one in the last minute; for the others every slice is looked into.
        lately = _NEWEST.format(table="sample", slices=of_last_slices("y", ":at"))
        newest = f"coalesce({lately}, {newest})"
    same_slice = of_same_slice(engine, "x", "a.at")
    return text(_NEWEST_BEFORE.format(table="sample", newest=newest, same_slice=same_slice))


def _newest_in_sealed() -> TextClause:
    newest = _NEWEST.format(table="sealed", slices="")
    return text(_NEWEST_BEFORE.format(table="sealed", newest=newest, same_slice=""))


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
