"""The read side for whoever looks whether a database is well, and how far a node's data came.

Nothing here writes. Times are integer milliseconds since 1970, UTC.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder import schema
from rollcall.recorder.engine import Database
from rollcall.recorder.engines import database_of
from rollcall.recorder.queries import Gap, Happened, reading
from rollcall.recorder.schema import Standing
from rollcall.recorder.upgrade import translated

# A file of this size is read within a second from a memory card.
_QUICKLY_READ_BYTES: Final = 64 * 1024 * 1024
_MOST: Final = 1000
_NEWEST: Final = text("SELECT max(ts) FROM newest")
_REFUSED: Final = text("""
SELECT topic, reason, error, times, ts FROM rejected WHERE ts >= :since AND topic LIKE :like
ORDER BY ts DESC LIMIT :most""")
_COLLECTORS: Final = text(
    "SELECT metric, max(last_ts) AS ts FROM series WHERE node = :node GROUP BY metric"
)
_EVENTS: Final = text(
    "SELECT node, ts, kind, source, detail FROM events WHERE node = :node AND ts >= :since "
    "ORDER BY ts DESC LIMIT :most"
)
_GAPS: Final = text(
    "SELECT node, epoch, first_seq, last_seq, state FROM gaps WHERE node = :node LIMIT :most"
)


class Refusal(NamedTuple):
    """A message that was refused `times`, last at `ts`."""

    topic: str
    reason: str
    error: str
    times: int
    ts: int


class Checkup(NamedTuple):
    """How a database is. `fault`: what SQLite finds wrong in it, where it was looked through.

    `refused`: what was refused since the time that was asked for, the newest first.
    """

    where: str
    standing: Standing
    size_bytes: int | None
    free_bytes: int | None
    newest_ts: int | None = None
    fault: str = ""
    refused: tuple[Refusal, ...] = ()


class NodeCheckup(NamedTuple):
    """What the database holds of a node: when each collector's newest sample was, and the rest."""

    newest_ts: dict[str, int]
    gaps: tuple[Gap, ...]
    refused: tuple[Refusal, ...]
    events: tuple[Happened, ...]


def checkup(url: str, since_ms: int) -> Checkup:
    """Look how the database is; a small SQLite file is looked through.

    Raises ConfigError (NewerSchemaError) and RecorderError with its kinds.
    """
    with _asked(url) as (database, connection):
        found = Checkup(
            database.where,
            schema.standing(connection, database.where),
            _size_or_none(lambda: database.size_bytes(connection)),
            _size_or_none(database.free_bytes),
        )
        if found.standing.theirs is None or found.standing.pending:
            return found
        return found._replace(
            newest_ts=connection.execute(_NEWEST).scalar_one(),
            fault=_fault(connection, found.size_bytes),
            refused=_refused(connection, "%", since_ms),
        )


def node_checkup(url: str, node_topics: str, node: str, since_ms: int) -> NodeCheckup:
    """Look what there is of a node, whose topics begin with `node_topics`. Raises as `checkup`."""
    with _asked(url) as (_, connection):
        newest: dict[str, int] = {}
        for metric, ts in connection.execute(_COLLECTORS, {"node": node}):
            collector = str(metric).partition(".")[0]
            newest[collector] = max(newest.get(collector, 0), ts or 0)
        values = {"node": node, "since": since_ms, "most": _MOST}
        return NodeCheckup(
            newest,
            tuple(Gap(*row) for row in connection.execute(_GAPS, {"node": node, "most": _MOST})),
            _refused(connection, f"{node_topics}%", since_ms),
            tuple(Happened(*row) for row in connection.execute(_EVENTS, values)),
        )


@contextmanager
def _asked(url: str) -> Iterator[tuple[Database, Connection]]:
    database = database_of(url)
    try:
        with reading(url) as engine, engine.connect() as connection:
            yield database, connection
    except database.faults as error:
        raise translated(database, error) from error


def _refused(connection: Connection, like: str, since_ms: int) -> tuple[Refusal, ...]:
    values = {"like": like, "since": since_ms, "most": _MOST}
    return tuple(Refusal(*row) for row in connection.execute(_REFUSED, values))


def _fault(connection: Connection, size_bytes: int | None) -> str:
    if connection.dialect.name != "sqlite" or (size_bytes or 0) > _QUICKLY_READ_BYTES:
        return ""
    told = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    return "" if told == "ok" else told


def _size_or_none(measure: Callable[[], int | None]) -> int | None:
    try:
        return measure()
    except OSError:
        # What cannot be measured is not known; that the rest can be asked is worth more.
        return None
