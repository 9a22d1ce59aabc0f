"""The read side of incidents: which series they were about, and which document held then.

Functions over a read-only connection of either engine, as in `queries`. Times are integer
milliseconds since 1970, UTC.
"""

import json
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.queries import MOST_ROWS


class AlertSpan(NamedTuple):
    """One instance of an incident on a node: since when, and until when (None: it lasts).

    It began when the instance was first out of bounds, before anybody was told.
    """

    incident: str
    node: str
    rule: str
    instance: str
    began_ts: int
    ended_ts: int | None


_SPANS: Final = text("""
SELECT s.incident, n.name, s.rule, s.instance, coalesce((SELECT max(p.ts) FROM alert_change p
    WHERE p.node_id = s.node_id AND p.rule = s.rule AND p.instance = s.instance
      AND p.state = 'pending' AND p.ts <= s.began AND NOT EXISTS (SELECT 1 FROM alert_change e
        WHERE e.node_id = p.node_id AND e.rule = p.rule AND e.instance = p.instance
          AND e.state = 'ended' AND e.ts > p.ts AND e.ts < s.began)), s.began) AS began,
  CASE WHEN s.ended >= s.told THEN s.ended END AS ended
FROM (SELECT a.incident, a.node_id, a.rule, a.instance, min(a.ts) AS began,
    max(CASE WHEN a.state = 'ended' THEN a.ts ELSE 0 END) AS ended,
    max(CASE WHEN a.state <> 'ended' THEN a.ts ELSE 0 END) AS told
  FROM alert_change a WHERE a.incident IS NOT NULL AND a.ts >= :start AND a.ts < :stop
  GROUP BY a.incident, a.node_id, a.rule, a.instance) s
JOIN node n ON n.node_id = s.node_id ORDER BY began, 1, 2, 3, 4 LIMIT :most""")
_DOCUMENT: Final = text(
    "SELECT document FROM fleet_history WHERE ts <= :at ORDER BY ts DESC, revision DESC LIMIT 1"
)


def spans(connection: Connection, start: int, stop: int) -> list[AlertSpan]:
    """Give the instances of the incidents of which anything was told in a window."""
    values = {"start": start, "stop": stop, "most": MOST_ROWS}
    return [AlertSpan(*row) for row in connection.execute(_SPANS, values)]


def document_at(connection: Connection, at: int) -> dict[str, Any]:
    """Give the fleet document that was in force at a moment; empty where none is recorded."""
    found = connection.execute(_DOCUMENT, {"at": at}).scalar_one_or_none()
    return json.loads(found) if found else {}
