"""The read side for whoever goes through recorded data again: every raw sample, every state.

Functions over a read-only connection of either engine, as in `queries`, but bounded by the window
alone. Times are integer milliseconds since 1970, UTC; windows are from `start` up to, not
including, `stop`.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

_NODES: Final = text("SELECT node FROM nodes ORDER BY node")
_SAMPLES: Final = text("""
SELECT ts, instance, value FROM samples
WHERE node = :node AND metric = :metric AND ts >= :start AND ts < :stop ORDER BY ts""")
_STATES: Final = text("""
SELECT ts, state, reason FROM availability
WHERE node = :node AND ts < :stop AND (until_ts IS NULL OR until_ts > :start) ORDER BY ts""")


def nodes(connection: Connection) -> list[str]:
    """Name every node that was ever recorded."""
    return [str(name) for (name,) in connection.execute(_NODES)]


def samples(
    connection: Connection, node: str, metric: str, start: int, stop: int
) -> list[tuple[int, str, float]]:
    """Give time, instance and value of each sample of a metric, oldest first."""
    values = {"node": node, "metric": metric, "start": start, "stop": stop}
    return [(ts, instance, value) for ts, instance, value in connection.execute(_SAMPLES, values)]


def states(
    connection: Connection, node: str, start: int, stop: int
) -> list[tuple[int, str, str | None]]:
    """Give when which state began and why, oldest first; the first may have begun before."""
    values = {"node": node, "start": start, "stop": stop}
    return [(ts, state, reason) for ts, state, reason in connection.execute(_STATES, values)]
