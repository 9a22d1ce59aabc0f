"""The public views, and the few of our own that they stand on.

One text for every engine: `TIME(x)`, `NOW()` and `SECONDS(x)` are macros that the engine spells.
Views hold no data, so every change of the schema drops and makes all of them.
"""

import re
from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.slices import of_same_slice

PUBLIC: Final = (
    "nodes",
    "series",
    "samples",
    "latest",
    "minutely",
    "hourly",
    "daily",
    "availability",
    "gaps",
    "events",
    "alert_history",
    "rejected",
    "fleet_history",
)

# A node that claims to be online is stale after 45 s and three of its intervals of silence.
_PRESENCE_NOW: Final = """
SELECT node_id, node, address, model, os, agent, groups, description, last_seen_ts, silent_ms,
  CASE WHEN state IS NULL THEN 'unknown' WHEN is_stale THEN 'stale' ELSE state END AS state,
  CASE WHEN is_stale THEN NULL ELSE reason END AS reason,
  CASE WHEN is_stale AND last_seen_ts > since_ts THEN last_seen_ts ELSE since_ts END AS since_ts
FROM (SELECT n.node_id, n.name AS node, n.address, n.model, n.os, n.agent, n.groups,
    n.description,
    p.state, p.reason, p.since_ts, p.last_seen_ts, NOW() - p.last_seen_ts AS silent_ms,
    p.state = 'online' AND (p.last_seen_ts IS NULL OR (NOW() - p.last_seen_ts > 45000
      AND NOW() - p.last_seen_ts > 3000 * coalesce(p.interval_s, 0))) AS is_stale
  FROM node n LEFT JOIN presence p ON p.node_id = n.node_id) a"""

_NODES: Final = """
SELECT node, state, reason, TIME(since_ts) AS since, TIME(last_seen_ts) AS last_seen,
  CASE WHEN silent_ms < 0 THEN 0 ELSE SECONDS(silent_ms) END AS silent_seconds,
  address, model, os, agent, groups, description
FROM presence_now"""

_SERIES: Final = """
SELECT s.series_id, n.name AS node, s.metric, s.instance, s.unit, s.kind, s.first_ts,
  (SELECT w.ts FROM newest w WHERE w.series_id = s.series_id) AS last_ts
FROM series_key s JOIN node n ON n.node_id = s.node_id"""

_SAMPLES: Final = """
SELECT n.name AS node, s.metric, s.instance, TIME(x.ts) AS time, x.ts, x.value, s.unit
FROM {table} x JOIN series_key s ON s.series_id = x.series_id
  JOIN node n ON n.node_id = s.node_id"""

_LATEST: Final = """
SELECT p.node, s.metric, s.instance, TIME(w.ts) AS time, w.ts,
  SECONDS(NOW() - w.ts) AS age_seconds, w.value, s.unit, p.state
FROM newest w JOIN series_key s ON s.series_id = w.series_id
  JOIN presence_now p ON p.node_id = s.node_id"""

_ROLLUP: Final = """
SELECT n.name AS node, s.metric, s.instance, TIME(r.ts) AS time, r.ts, r.vmin AS min,
  r.vsum / r.n AS avg, r.vmax AS max, r.vlast AS last, r.n AS samples, s.unit
FROM {table} r JOIN series_key s ON s.series_id = r.series_id
  JOIN node n ON n.node_id = s.node_id"""

# What is not rolled up yet is summed up when somebody asks.
_OPEN: Final = """
SELECT node, metric, instance, TIME(ts) AS time, ts, min, avg, max,
  (SELECT max(z.value) FROM sample z
    WHERE z.ts = o.at AND z.series_id = o.series_id{same_slice}) AS last,
  samples, unit
FROM (SELECT x.series_id, n.name AS node, s.metric, s.instance, x.ts - x.ts % {width_ms} AS ts,
    min(x.value) AS min, avg(x.value) AS avg, max(x.value) AS max, max(x.ts) AS at,
    count(*) AS samples, s.unit
  FROM sample x JOIN series_key s ON s.series_id = x.series_id
    JOIN node n ON n.node_id = s.node_id
  WHERE x.ts >= (SELECT upto FROM progress WHERE what = 'closed')
  GROUP BY x.series_id, n.name, s.metric, s.instance, s.unit, x.ts - x.ts % {width_ms}) o"""

_AVAILABILITY: Final = """
SELECT node, state, reason, TIME(ts) AS time, ts, until_ts,
  SECONDS(coalesce(until_ts, NOW()) - ts) AS seconds
FROM (SELECT p.node, c.state, c.reason, c.ts,
    coalesce((SELECT min(d.ts) FROM availability_change d
        WHERE d.node_id = c.node_id AND d.ts > c.ts),
      CASE WHEN p.state = 'stale' THEN p.since_ts END) AS until_ts
  FROM availability_change c JOIN presence_now p ON p.node_id = c.node_id
  UNION ALL SELECT node, state, NULL, since_ts, NULL FROM presence_now WHERE state = 'stale') a"""

_GAPS: Final = """
SELECT n.name AS node, e.epoch, g.first_seq, g.last_seq, g.last_seq - g.first_seq + 1 AS reports,
  g.state
FROM (SELECT epoch_id, first_seq, last_seq, reason AS state FROM ledger WHERE reason IS NOT NULL
    UNION ALL SELECT epoch_id, held + 1, first_seq - 1, 'open' FROM (SELECT epoch_id, first_seq,
      coalesce(lag(last_seq) OVER (PARTITION BY epoch_id ORDER BY first_seq), 0) AS held
      FROM ledger) h WHERE first_seq > held + 1
    UNION ALL SELECT epoch_id, held + 1, newest_seq, 'open' FROM (SELECT t.epoch_id, p.newest_seq,
      coalesce((SELECT max(last_seq) FROM ledger l WHERE l.epoch_id = t.epoch_id), 0) AS held
      FROM presence p JOIN epoch t ON t.node_id = p.node_id AND t.epoch = p.epoch) u
      WHERE newest_seq > held) g
  JOIN epoch e ON e.epoch_id = g.epoch_id JOIN node n ON n.node_id = e.node_id"""

_EVENTS: Final = """
SELECT n.name AS node, TIME(e.ts) AS time, e.ts, e.kind, e.source, e.detail
FROM event e JOIN node n ON n.node_id = e.node_id"""

_ALERT_HISTORY: Final = """
SELECT n.name AS node, a.rule, a.instance, a.state, a.severity, TIME(a.ts) AS time, a.ts,
  a.value, a.summary, a.incident
FROM alert_change a JOIN node n ON n.node_id = a.node_id"""

_REJECTED: Final = """
SELECT TIME(ts) AS time, ts, topic, reason, error, times, payload FROM rejection"""

# What stands between the parentheses of a macro: itself with at most two levels of them.
_ARGUMENT: Final = r"((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)"

_FLEET_HISTORY: Final = """
SELECT revision, TIME(ts) AS time, ts, digest, document FROM fleet_revision"""


def _minutely_or_hourly(engine: str, table: str, width_ms: int) -> str:
    opened = _OPEN.format(width_ms=width_ms, same_slice=of_same_slice(engine, "z", "o.at"))
    return f"{_ROLLUP.format(table=table)}\nUNION ALL{opened}"


def _texts(engine: str) -> Mapping[str, str]:
    """Give the views in the order in which they stand on each other."""
    samples = _SAMPLES.format(table="sample")
    if engine == "sqlite":
        samples = f"{samples}\nUNION ALL{_SAMPLES.format(table='sealed')}"
    return {
        "presence_now": _PRESENCE_NOW,
        "nodes": _NODES,
        "series": _SERIES,
        "samples": samples,
        "latest": _LATEST,
        "minutely": _minutely_or_hourly(engine, "rollup_minute", 60_000),
        "hourly": _minutely_or_hourly(engine, "rollup_hour", 3_600_000),
        "daily": _ROLLUP.format(table="rollup_day"),
        "availability": _AVAILABILITY,
        "gaps": _GAPS,
        "events": _EVENTS,
        "alert_history": _ALERT_HISTORY,
        "rejected": _REJECTED,
        "fleet_history": _FLEET_HISTORY,
    }


def drop_all(connection: Connection) -> None:
    """Drop every view, so that tables beneath may change."""
    for name in reversed(list(_texts(connection.dialect.name))):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create_all(connection: Connection, macros: Mapping[str, str]) -> None:
    """Make every view, in the engine's dialect."""
    for name, query in _texts(connection.dialect.name).items():
        connection.execute(text(f"CREATE VIEW {name} AS {_spelled(query, macros)}"))


def _spelled(text: str, macros: Mapping[str, str]) -> str:
    for name in ("TIME", "SECONDS", "NOW"):
        before, after = macros[name].split("{}") if "{}" in macros[name] else (macros[name], "")
        text = re.sub(rf"\b{name}\({_ARGUMENT}\)", rf"{before}\g<1>{after}", text)
    return text
