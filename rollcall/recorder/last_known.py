"""The read side of what is known last: nodes with their facts, and their newest values.

What stands in for the broker while it is away. Functions over a read-only connection of either
engine, as in `queries`. Times are integer milliseconds since 1970, UTC.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from rollcall.recorder.overviews import Was
from rollcall.recorder.queries import MOST_ROWS


class KnownNode(NamedTuple):
    """A node as it was recorded; `state` is judged now, so that silence makes it stale."""

    node: str
    state: str
    reason: str | None
    since_ts: int | None
    last_seen_ts: int | None
    address: str | None
    model: str | None
    os: str | None
    agent: str | None
    description: str | None


_NODES: Final = text(
    "SELECT node, state, reason, since_ts, last_seen_ts, address, model, os, agent, description "
    "FROM presence_now ORDER BY node LIMIT :most"
)
_VALUES: Final = text(
    "SELECT n.name, s.metric, s.instance, w.ts, w.value FROM newest w "
    "JOIN series_key s ON s.series_id = w.series_id JOIN node n ON n.node_id = s.node_id "
    "WHERE s.metric IN :metrics ORDER BY n.name, s.metric, s.instance"
).bindparams(bindparam("metrics", expanding=True))
_NEWEST_SIGN: Final = text("SELECT max(last_seen_ts) FROM presence")


def nodes(connection: Connection) -> list[KnownNode]:
    """Give every node that was ever recorded."""
    return [KnownNode(*row) for row in connection.execute(_NODES, {"most": MOST_ROWS})]


def values(connection: Connection, metrics: Sequence[str]) -> list[Was]:
    """Give the newest value of these metrics, for each series, however old it is."""
    return [Was(*row) for row in connection.execute(_VALUES, {"metrics": list(metrics)})]


def newest_sign(connection: Connection) -> int | None:
    """Give when anything of any node was recorded last; None: never."""
    found: int | None = connection.execute(_NEWEST_SIGN).scalar_one()
    return found
