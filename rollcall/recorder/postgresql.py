"""PostgreSQL: connecting, durability, locks among several recorders, daily partitions, COPY.

Locks between recorders are advisory: those of a session say who is there and who leads, those of
a transaction keep two members from writing the ledger of one node at a time. Samples arrive in a
stage by binary COPY and leave it in one statement. `sample` is divided by days; a day has to be
there before its samples: one without a partition would be refused by the database.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from rollcall.recorder.engine import CLAIMED, Cause, Membership, SampleRows, Verdict, is_poison
from rollcall.recorder.errors import DatabaseUnavailableError, RecorderError
from rollcall.service.config import ConfigError, Fault
from rollcall.service.lock import AlreadyRunningError

# A busy server ends the session of a killed program only when its statement is done.
_ALREADY_AFTER_S: Final = 20.0
_DAY_MS: Final = 86_400_000
_DAYS_AHEAD: Final = 2
_CONNECT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "rollcall recorder",
    # A database that was made without an encoding would give bytes for text.
    "client_encoding": "utf8",
}
# A member that hangs in mid-transaction must not keep the others waiting for ever.
_SESSION: Final = (
    "SET synchronous_commit = on",
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "CREATE TEMP TABLE stage (ts bigint, value float8, series_id int) ON COMMIT DELETE ROWS",
)
# The first half of our advisory locks; the second is the hash of a name.
_ALONE, _MEMBER, _LEADER, _NODE, _SCHEMA, _DAYS = range(0x526F6C00, 0x526F6C06)

_WAITING: Final[Mapping[str, str]] = {
    "08": "unreachable",
    "25006": "read_only",
    "28": "refused",
    "3D000": "refused",
    "40": "conflict",
    "53100": "full",
    "53200": "out_of_memory",
    "53": "overloaded",
    "55P03": "locked",
    "57014": "interrupted",
    "57": "unreachable",
    "58": "input_output_error",
}
# A row that no page or index holds.
_TOO_LARGE: Final = "54"
_INSERT: Final = (
    "INSERT INTO sample (ts, value, series_id) SELECT ts, value, series_id FROM stage "
    "ORDER BY series_id, ts ON CONFLICT DO NOTHING"
)
_NEWEST: Final = text(
    "INSERT INTO newest (ts, value, series_id) SELECT * FROM unnest(CAST(:ts AS bigint[]), "
    "CAST(:value AS float8[]), CAST(:series_id AS int[])) ON CONFLICT (series_id) DO UPDATE SET "
    "ts = excluded.ts, value = excluded.value WHERE excluded.ts > newest.ts"
)
_LOCK_NODES: Final = text(
    "SELECT pg_advisory_xact_lock(:kind, key) FROM (SELECT DISTINCT hashtext(name) AS key "
    "FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) AS keys"
)
_MISSING: Final = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL"
)
_PARTITION: Final = (
    """CREATE TABLE {name} (LIKE sample, PRIMARY KEY (series_id, ts),
       CONSTRAINT {name}_range CHECK (ts >= {first} AND ts < {end}))""",
    "CREATE INDEX ON {name} USING brin (ts) WITH (pages_per_range = 16)",
    "ALTER TABLE sample ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
)


class Postgresql:
    """The PostgreSQL engine on one database."""

    macros: Mapping[str, str] = {
        "TIME": "to_timestamp(({}) / CAST(1000 AS double precision))",
        "NOW": "CAST(extract(epoch FROM now()) * 1000 AS bigint)",
        "SECONDS": "(({}) / CAST(1000 AS double precision))",
    }

    # COPY goes past SQLAlchemy, and its errors with it.
    faults: tuple[type[Exception], ...] = (SQLAlchemyError, psycopg.Error, UnicodeEncodeError)

    def __init__(self, url: URL, membership: Membership) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._membership = membership
        self._locked_since_s: float | None = None
        self.where = url.render_as_string(hide_password=True)
        self.remedy = "look into the log of PostgreSQL, and restore a backup if it is damaged"

    def identity_lock(self) -> AbstractContextManager[object]:
        """Give nothing to hold: the locks are taken with each connection."""
        return nullcontext()

    def open(self) -> Engine:
        """Make the engine with its one connection."""
        engine = sqlalchemy.create_engine(
            self._url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            isolation_level="READ COMMITTED",
            connect_args={k: v for k, v in _CONNECT.items() if k not in self._url.query},
        )
        event.listen(engine, "connect", self._prepare)
        return engine

    def close(self, engine: Engine) -> None:
        """Close the connection; its locks go with it."""
        engine.dispose()

    def patience(self, connection: Connection) -> None:
        """Do nothing: every connection waits 5 s for locks at most."""

    def size_bytes(self, connection: Connection) -> int:
        """Give the size of the whole database."""
        size = text("SELECT pg_database_size(current_database())")
        return int(connection.execute(size).scalar_one())

    def back_up(self, _engine: Engine, target: Path) -> None:
        """Dump with pg_dump, in its custom format: `pg_restore` reads it."""
        self.dump(target)

    def dump(self, target: Path, *options: str) -> None:
        """Dump with pg_dump and further `options`. Raises RecorderError."""
        try:
            self._run("pg_dump", "--format=custom", f"--file={target}", *options)
        except RecorderError:
            target.unlink(missing_ok=True)
            raise

    def restore(self, dump: Path, *options: str) -> None:
        """Restore a dump with pg_restore, all of it or nothing. Raises RecorderError."""
        how = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        self._run("pg_restore", *how, *options, str(dump), placed="--dbname=")

    def _run(self, name: str, *options: str, placed: str = "") -> None:
        environment = dict(os.environ)
        url = self._url.set(drivername="postgresql")
        if url.password is not None:
            environment["PGPASSWORD"] = str(url.password)
        place = url._replace(password=None).render_as_string()
        command = [program(name), *options, f"{placed}{place}"]
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RecorderError(f"{name} failed: {done.stderr.strip()}")

    def copy_before(self, _schema: str) -> None:
        """Give nothing: the recorder's host need not have room or programs for a dump."""

    def free_bytes(self) -> None:
        """Say that the server's disk is not ours to see."""

    def judge(self, error: Exception) -> Verdict:
        """Judge by the SQLSTATE; without one the connection is at fault."""
        original = getattr(error, "orig", error)
        if is_poison(error) or isinstance(original, psycopg.DataError | psycopg.IntegrityError):
            return Verdict(Cause.POISON)
        state = getattr(original, "sqlstate", None)
        if state is not None and state.startswith(_TOO_LARGE):
            return Verdict(Cause.POISON)
        if state is None:
            away = isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
            return Verdict(Cause.WAIT, "unreachable") if away else Verdict(Cause.BROKEN)
        word = _WAITING.get(state) or _WAITING.get(state[:2])
        return Verdict(Cause.BROKEN) if word is None else Verdict(Cause.WAIT, word)

    def lock_schema(self, connection: Connection) -> None:
        """Wait until no other member changes the schema."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:kind, 0)"), {"kind": _SCHEMA})

    def is_alone(self, connection: Connection) -> bool:
        """Say whether the lock that members share can be had for ourselves."""
        take = text("SELECT pg_try_advisory_xact_lock(:kind, 0)")
        return bool(connection.execute(take, {"kind": _ALONE}).scalar_one())

    def lock_nodes(self, connection: Connection, nodes: Collection[str]) -> None:
        """Wait until no other member writes what belongs to these nodes."""
        if nodes:
            connection.execute(_LOCK_NODES, {"kind": _NODE, "names": sorted(nodes)})

    def lead(self, connection: Connection) -> bool:
        """Take the lead when nobody has it; it is held as long as the connection lives."""
        if not self._membership.shared:
            return True
        # One session may take a lock several times; asking first keeps the count at one.
        held = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
            "pid = pg_backend_pid() AND classid = :kind AND "
            "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        if connection.execute(held, {"kind": _LEADER}).scalar_one():
            return True
        take = text("SELECT pg_try_advisory_lock(:kind, 0)")
        return bool(connection.execute(take, {"kind": _LEADER}).scalar_one())

    def make_days(self, connection: Connection, days: Collection[int]) -> None:
        """Make the partitions of these days, each with those that come after today.

        Attaching a table leaves readers alone; creating it as a partition would lock them out.
        """
        today = time.time_ns() // 1_000_000 // _DAY_MS
        wanted = {*days, *range(today, today + _DAYS_AHEAD + 1)}
        names = {partition_of(day): day for day in sorted(wanted)}
        if not connection.execute(_MISSING, {"names": list(names)}).first():
            return
        connection.execute(text("SELECT pg_advisory_xact_lock(:kind, 0)"), {"kind": _DAYS})
        for (name,) in connection.execute(_MISSING, {"names": list(names)}).all():
            first, end = names[name] * _DAY_MS, (names[name] + 1) * _DAY_MS
            for statement in _PARTITION:
                connection.execute(text(statement.format(name=name, first=first, end=end)))

    def insert_samples(self, connection: Connection, rows: SampleRows) -> int:
        """Copy the rows into the stage in binary form, and insert them in the order of the key."""
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor:
            copy_in = "COPY stage (ts, value, series_id) FROM STDIN (FORMAT BINARY)"
            with cursor.copy(copy_in) as copy:
                copy.set_types(("int8", "float8", "int4"))
                for row in rows:
                    copy.write_row(row)
            cursor.execute(_INSERT)
            inserted: int = cursor.rowcount
        return inserted

    def upsert_newest(self, connection: Connection, rows: SampleRows) -> None:
        """Insert or update all rows in one statement."""
        ts, values, series_ids = map(list, zip(*sorted(rows, key=itemgetter(2)), strict=True))
        connection.execute(_NEWEST, {"ts": ts, "value": values, "series_id": series_ids})

    def _prepare(self, connection: Any, _record: Any) -> None:
        try:
            self._settle_in(connection)
        except BaseException:
            connection.close()
            raise

    def _settle_in(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            if cursor.execute("SHOW fsync").fetchone() == ("off",):
                raise _fault(
                    f"{self.where} runs with fsync = off: a power cut would lose what was "
                    "receipted; switch it on in postgresql.conf"
                )
            for statement in _SESSION:
                cursor.execute(statement)
            self._take_places(cursor)
        connection.commit()

    def _take_places(self, cursor: Any) -> None:
        """Say that we are here: alone, or as one of several. Raises AlreadyRunningError.

        The locks of a connection that broke off live on until the server notices.
        """
        function = "pg_try_advisory_lock" + ("_shared" if self._membership.shared else "")
        granted = cursor.execute(
            f"SELECT {function}(%s, 0) AND pg_try_advisory_lock(%s, hashtext(%s))",
            (_ALONE, _MEMBER, self._membership.name),
        ).fetchone()[0]
        if granted:
            self._locked_since_s = None
            return
        now_s = time.monotonic()
        self._locked_since_s = self._locked_since_s or now_s
        said = (
            f"{self.where} has another recorder; several need [recorder] shared = true and "
            "a [recorder] name of their own each"
        )
        if now_s - self._locked_since_s > _ALREADY_AFTER_S:
            raise AlreadyRunningError(said)
        raise DatabaseUnavailableError(CLAIMED, said)


def program(name: str) -> str:
    """Find a program of PostgreSQL, the newest there is. Raises RecorderError."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise RecorderError(
            f"a backup needs {name}; install postgresql-client, or make one elsewhere"
        )
    return path


def partition_of(day: int) -> str:
    """Give the name of the partition of a day, numbered since 1970."""
    return time.strftime("sample_%Y%m%d", time.gmtime(day * _DAY_MS // 1000))


def _fault(said: str) -> ConfigError:
    return ConfigError("the configuration", [Fault("", f"[recorder] database: {said}")])
