"""The read side: what a dashboard or a console asks of the database, and nothing that writes.

Functions over a read-only connection of either engine. What they give is bounded: a window of time
decides the resolution, so that a curve has at most some 1,500 points however long it is. Times are
integer milliseconds since 1970, UTC; windows are from `start` up to, not including, `stop`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, Engine, make_url

from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from rollcall.recorder.slices import of_same_slice

MOST_POINTS: Final = 1_500
MOST_ROWS: Final = 10_000
_USUAL_INTERVAL_MS: Final = 10_000
_STATEMENT_TIMEOUT_MS: Final = 30_000
_CONNECTED_WITHIN_S: Final = 10

# How wide a point of each resolution is; raw samples as they usually come.
RESOLUTIONS: Final = {
    "raw": _USUAL_INTERVAL_MS,
    "minutely": MINUTE_MS,
    "hourly": HOUR_MS,
    "daily": DAY_MS,
}


class Point(NamedTuple):
    """What a series came to in one bucket that begins at `ts`; raw: one sample."""

    ts: int
    min: float
    avg: float
    max: float
    last: float
    samples: int


class Curve(NamedTuple):
    """A series over a window, at the resolution that suits it, in order of time."""

    resolution: str
    points: list[Point]


class Reading(NamedTuple):
    """The newest value of a series, and the state of its node."""

    node: str
    metric: str
    instance: str
    ts: int
    value: float
    unit: str | None
    state: str


class State(NamedTuple):
    """The state of a node from `ts` up to `until_ts` (None: it lasts)."""

    node: str
    state: str
    reason: str | None
    ts: int
    until_ts: int | None


class Uptime(NamedTuple):
    """The share of a window that a node was online, of the time of which anything is known."""

    node: str
    percent: float
    known_ms: int


class Rank(NamedTuple):
    """The highest value of a series in a window."""

    node: str
    instance: str
    value: float


class Incident(NamedTuple):
    """What belongs to one incident; `ended_ts` None: it lasts."""

    incident: str
    node: str
    rule: str
    severity: str | None
    began_ts: int
    ended_ts: int | None
    summary: str | None


class Happened(NamedTuple):
    """An event; `detail` is JSON text."""

    node: str
    ts: int
    kind: str
    source: str
    detail: str


class Gap(NamedTuple):
    """Reports that are missing; `state` is `open`, or why they will never come."""

    node: str
    epoch: str
    first_seq: int
    last_seq: int
    state: str


_SERIES: Final = text(
    "SELECT s.series_id FROM series_key s JOIN node n ON n.node_id = s.node_id "
    "WHERE n.name = :node AND s.metric = :metric AND s.instance = :instance"
)
_RAW: Final = (
    "SELECT ts, value AS min, value AS avg, value AS max, value AS last, 1 AS samples "
    "FROM {table} WHERE series_id = :series_id AND ts >= :start AND ts < :stop"
)
_ROLLED_UP: Final = (
    "SELECT ts, vmin AS min, vsum / n AS avg, vmax AS max, vlast AS last, n AS samples "
    "FROM {table} WHERE series_id = :series_id AND ts >= :start AND ts < :stop"
)
# What is not rolled up yet; the latest of a bucket is looked up beside it.
_OPEN: Final = """
SELECT o.ts, o.min, o.avg, o.max, z.value AS last, o.samples FROM (
  SELECT x.ts - x.ts % {width_ms} AS ts, min(x.value) AS min, avg(x.value) AS avg,
    max(x.value) AS max, max(x.ts) AS at, count(*) AS samples FROM sample x
  WHERE x.series_id = :series_id AND x.ts < :stop
    AND x.ts >= (SELECT CASE WHEN upto > :start THEN upto ELSE :start END FROM progress
      WHERE what = 'closed')
  GROUP BY x.ts - x.ts % {width_ms}) o
JOIN sample z ON z.ts = o.at AND z.series_id = :series_id{same_slice}"""
_TABLES: Final = {
    "minutely": "rollup_minute",
    "hourly": "rollup_hour",
    "daily": "rollup_day",
}
_TOP: Final = """
SELECT n.name AS node, s.instance, max(r.vmax) AS value
FROM series_key s JOIN node n ON n.node_id = s.node_id
  JOIN {table} r ON r.series_id = s.series_id
WHERE s.metric = :metric AND r.ts >= :start AND r.ts < :stop
GROUP BY n.name, s.instance ORDER BY value DESC, node, s.instance LIMIT :most"""
_LATEST: Final = "SELECT node, metric, instance, ts, value, unit, state FROM latest"
_STATES: Final = (
    "SELECT node, state, reason, ts, until_ts FROM availability "
    "WHERE ts < :stop AND (until_ts IS NULL OR until_ts > :start)"
)
_INCIDENTS: Final = text("""
SELECT a.incident, n.name AS node, a.rule, max(a.severity) AS severity, min(a.ts) AS began_ts,
  max(CASE WHEN a.state = 'ended' THEN a.ts END) AS ended_ts,
  max(CASE WHEN a.state <> 'ended' THEN a.ts END) AS told_ts, max(a.summary) AS summary
FROM alert_change a JOIN node n ON n.node_id = a.node_id
WHERE a.incident IS NOT NULL AND a.ts >= :start AND a.ts < :stop
GROUP BY a.incident, n.name, a.rule ORDER BY began_ts DESC LIMIT :most""")
_EVENTS: Final = (
    "SELECT node, ts, kind, source, detail FROM events WHERE ts >= :start AND ts < :stop"
)
_NEWEST_EVENT: Final = text(
    "SELECT node, ts, kind, source, detail FROM events "
    "WHERE node = :node AND kind = :kind AND ts <= :until ORDER BY ts DESC LIMIT 1"
)


@contextmanager
def reading(url: str) -> Iterator[Engine]:
    """Open the database behind `url` so that nothing can be written; a context manager.

    Raises what the database raises. A SQLite file that its recorder left cleanly needs no write
    permission, but must not be opened for the first time while a recorder starts.
    """
    parsed = make_url(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        yield engine
    finally:
        engine.dispose()


def resolution_for(window_ms: int, most_points: int = MOST_POINTS) -> str:
    """Choose the finest resolution at which a window has no more than `most_points`."""
    for name, width_ms in RESOLUTIONS.items():
        if window_ms <= width_ms * most_points:
            return name
    return "daily"


def curve(
    connection: Connection, node: str, metric: str, instance: str, start: int, stop: int
) -> Curve:
    """Give a series over a window; empty where there is no such series.

    A series with an interval of less than ten seconds is rolled up sooner, so that the bound holds.
    """
    resolution = resolution_for(stop - start)
    names = {"node": node, "metric": metric, "instance": instance}
    series_id = connection.execute(_SERIES, names).scalar_one_or_none()
    if series_id is None:
        return Curve(resolution, [])
    values = {"series_id": series_id, "start": start, "stop": stop, "most": MOST_POINTS + 1}
    points = _points(connection, resolution, values)
    if resolution == "raw" and len(points) > MOST_POINTS:
        resolution = resolution_for(stop - start + MOST_POINTS * _USUAL_INTERVAL_MS)
        points = _points(connection, resolution, values)
    return Curve(resolution, points[-MOST_POINTS:])


def latest(connection: Connection, node: str | None = None) -> list[Reading]:
    """Give the newest value of every series, of one node or of all."""
    wanted = "" if node is None else " WHERE node = :node"
    query = text(f"{_LATEST}{wanted} ORDER BY node, metric, instance LIMIT :most")
    found = connection.execute(query, {"node": node, "most": MOST_ROWS} if node else _all())
    return [Reading(*row) for row in found]


def states(connection: Connection, start: int, stop: int, node: str | None = None) -> list[State]:
    """Give in which states nodes were, each clipped to the window, in order of node and time."""
    wanted = "" if node is None else " AND node = :node"
    values: dict[str, Any] = {"start": start, "stop": stop, "most": MOST_ROWS}
    query = text(f"{_STATES}{wanted} ORDER BY node, ts LIMIT :most")
    found = connection.execute(query, {**values, "node": node} if node else values)
    return [_clipped(State(*row), start, stop) for row in found]


def cluster_at(connection: Connection, at: int) -> list[State]:
    """Give the state of every node at one moment; a node not heard of by then is left out."""
    query = text(f"{_STATES} ORDER BY node LIMIT :most")
    found = connection.execute(query, {"start": at, "stop": at + 1, "most": MOST_ROWS})
    return [State(*row) for row in found]


def uptimes(connection: Connection, start: int, stop: int, now: int) -> list[Uptime]:
    """Give the share of the window that each node was online; what lasts, lasts until `now`."""
    known: dict[str, list[int]] = {}
    for state in states(connection, start, min(stop, now)):
        until = min(stop, now) if state.until_ts is None else state.until_ts
        lasted = max(until - state.ts, 0)
        online, total = known.setdefault(state.node, [0, 0])
        known[state.node] = [online + lasted * (state.state == "online"), total + lasted]
    return [
        Uptime(node, 100 * online / total, total)
        for node, (online, total) in known.items()
        if total
    ]


def top(connection: Connection, metric: str, start: int, stop: int, most: int = 10) -> list[Rank]:
    """Give the series of a metric with the highest values in a window of whole hours or days.

    Windows of two days and more are answered by days, shorter ones by hours: what is still open
    is not in it.
    """
    table = "rollup_day" if stop - start >= 2 * DAY_MS else "rollup_hour"
    values = {"metric": metric, "start": start, "stop": stop, "most": most}
    return [Rank(*row) for row in connection.execute(text(_TOP.format(table=table)), values)]


def incidents(
    connection: Connection, start: int, stop: int, most: int = MOST_ROWS
) -> list[Incident]:
    """Give the incidents of which anything was told in a window, the newest first."""
    found = []
    for row in connection.execute(_INCIDENTS, {"start": start, "stop": stop, "most": most}):
        told_ts = row.told_ts or 0
        ended_ts = row.ended_ts if (row.ended_ts or 0) >= told_ts else None
        head = (row.incident, row.node, row.rule, row.severity, row.began_ts)
        found.append(Incident(*head, ended_ts, row.summary))
    return found


def events(
    connection: Connection, start: int, stop: int, node: str | None = None
) -> list[Happened]:
    """Give what happened in a window, the newest first."""
    wanted = "" if node is None else " AND node = :node"
    values: dict[str, Any] = {"start": start, "stop": stop, "most": MOST_ROWS}
    query = text(f"{_EVENTS}{wanted} ORDER BY ts DESC LIMIT :most")
    found = connection.execute(query, {**values, "node": node} if node else values)
    return [Happened(*row) for row in found]


def newest_event(connection: Connection, node: str, kind: str, until: int) -> Happened | None:
    """Give the last event of a kind that happened to a node up to a moment; None: never."""
    values = {"node": node, "kind": kind, "until": until}
    row = connection.execute(_NEWEST_EVENT, values).first()
    return None if row is None else Happened(*row)


def gaps(connection: Connection) -> list[Gap]:
    """Give the reports that are missing, and those that will never come."""
    query = text(
        "SELECT node, epoch, first_seq, last_seq, state FROM gaps "
        "ORDER BY node, first_seq LIMIT :most"
    )
    return [Gap(*row) for row in connection.execute(query, _all())]


def _all() -> dict[str, int]:
    return {"most": MOST_ROWS}


def _clipped(state: State, start: int, stop: int) -> State:
    until = state.until_ts if state.until_ts is None else min(state.until_ts, stop)
    return state._replace(ts=max(state.ts, start), until_ts=until)


def _points(connection: Connection, resolution: str, values: dict[str, Any]) -> list[Point]:
    if resolution == "raw":
        arms = [_RAW.format(table="sample")]
        if connection.dialect.name == "sqlite":
            arms.append(_RAW.format(table="sealed"))
    else:
        arms = [_ROLLED_UP.format(table=_TABLES[resolution])]
        if resolution != "daily":
            same_slice = of_same_slice(connection.dialect.name, "z", "o.at")
            arms.append(_OPEN.format(width_ms=RESOLUTIONS[resolution], same_slice=same_slice))
    union = "\nUNION ALL ".join(arms)
    query = text(f"SELECT * FROM ({union}) u ORDER BY ts LIMIT :most")  # noqa: S608 - our own text
    return [Point(*row) for row in connection.execute(query, values)]


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "").expanduser().absolute()
    # Without a log nobody writes: then the file may even lie where we must not make one.
    closed = not path.with_name(f"{path.name}-wal").exists()
    query = {"mode": "ro", "uri": "true", **({"immutable": "1"} if closed else {})}
    engine = sqlalchemy.create_engine(
        URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)
    )
    event.listen(engine, "connect", _answer_at_once)
    return engine


def _answer_at_once(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON").close()


def _postgresql(url: URL) -> Engine:
    options = f"-c default_transaction_read_only=on -c statement_timeout={_STATEMENT_TIMEOUT_MS}"
    # A database that was made without an encoding would give bytes for text.
    arguments: dict[str, Any] = {"options": options, "client_encoding": "utf8"}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECTED_WITHIN_S
    return sqlalchemy.create_engine(
        url.set(drivername="postgresql+psycopg"), connect_args=arguments
    )
