"""SQLite: the file with its one writer, its errors, its dialect, closing.

WAL survives a killed process, and with `synchronous=FULL` a power cut too. Commits can be lost
when one connection checkpoints while another writes (SQLite up to 3.51.2), so there is one writer
with one connection, and its commits are the only checkpoints; everybody else opens the file
read-only.
"""

import logging
import shutil
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from rollcall.recorder.engine import Cause, SampleRows, Verdict, is_poison
from rollcall.recorder.slices import SLICE_MS
from rollcall.service.lock import ProcessLock

_log = logging.getLogger(__name__)

_OPEN_WITHIN_MS: Final = 10_000
_WAIT_FOR_LOCK_MS: Final = 500
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024
_PRIMARY_CODE: Final = 0xFF

_WAITING: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_NOMEM: "out_of_memory",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
    sqlite3.SQLITE_IOERR: "input_output_error",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
}
_SAMPLES: Final = (
    "INSERT INTO sample (slice, series_id, ts, value) VALUES {} ON CONFLICT DO NOTHING"
)
# Each statement gives Python's lock away and has to get it back: many rows to one of them.
_ROWS_AT_ONCE: Final = 250
_MANY_SAMPLES: Final = _SAMPLES.format(", ".join(["(?, ?, ?, ?)"] * _ROWS_AT_ONCE))
_ONE_SAMPLE: Final = _SAMPLES.format("(?, ?, ?, ?)")
_KEY: Final = itemgetter(0, 1, 2)
_NEWEST: Final = (
    "INSERT INTO newest (ts, value, series_id) VALUES (?, ?, ?) "
    "ON CONFLICT (series_id) DO UPDATE SET ts = excluded.ts, value = excluded.value "
    "WHERE excluded.ts > newest.ts"
)


class Sqlite:
    """The SQLite engine on one file."""

    macros: Mapping[str, str] = {
        "TIME": "strftime('%Y-%m-%dT%H:%M:%fZ', ({}) / 1000.0, 'unixepoch')",
        "NOW": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        "SECONDS": "(({}) / 1000.0)",
    }

    faults: tuple[type[Exception], ...] = (
        SQLAlchemyError,
        sqlite3.Error,
        OverflowError,
        UnicodeEncodeError,
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self.remedy = "restore a backup, or move the file aside to begin a new one"

    def identity_lock(self) -> ProcessLock:
        """Give the lock beside the file: it has one writer."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        return ProcessLock(lock, "a recorder on this database")

    def open(self) -> Engine:
        """Make the engine with its one connection; the folder is there."""
        url = sqlalchemy.URL.create("sqlite", database=str(self.path))
        engine = sqlalchemy.create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine

    def close(self, engine: Engine) -> None:
        """Close the connection, and leave a file that needs no write permission to be read.

        A reader who may not write the folder fails on a cleanly closed file in WAL mode.
        """
        try:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode=DELETE").close()
        except sqlite3.Error as error:
            _log.info("the journal stays as it is: %s", error)
        finally:
            engine.dispose()

    def patience(self, connection: Connection) -> None:
        """Wait half a second for locks from now on."""
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_WAIT_FOR_LOCK_MS}")

    def size_bytes(self, _connection: Connection) -> int:
        """Give the size of the file and its log. Raises OSError."""
        parts = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def back_up(self, engine: Engine, target: Path) -> None:
        """Copy with VACUUM INTO: consistent, whatever else is going on."""
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            raw: Any = connection.connection.driver_connection
            try:
                raw.execute("VACUUM INTO ?", (str(target),))
            except BaseException:
                target.unlink(missing_ok=True)
                raise

    def copy_before(self, schema: str) -> Path:
        """Give a file beside ours."""
        return self.path.with_name(f"{self.path.name}.before-{schema}")

    def free_bytes(self) -> int:
        """Give what is free in the file's folder. Raises OSError."""
        return shutil.disk_usage(self.path.parent).free

    def judge(self, error: Exception) -> Verdict:
        """Judge by the result code of SQLite."""
        if is_poison(error):
            return Verdict(Cause.POISON)
        original = getattr(error, "orig", error)
        code = getattr(original, "sqlite_errorcode", None)
        if code is None:
            # The module itself refused a parameter: SQLite never saw the statement.
            return Verdict(Cause.POISON if isinstance(original, sqlite3.Error) else Cause.BROKEN)
        state = _WAITING.get(code & _PRIMARY_CODE)
        return Verdict(Cause.BROKEN) if state is None else Verdict(Cause.WAIT, state)

    def lock_schema(self, _connection: Connection) -> None:
        """Do nothing: every transaction of ours holds the write lock."""

    def is_alone(self, _connection: Connection) -> bool:
        """Say yes: a file has one recorder."""
        return True

    def lock_nodes(self, _connection: Connection, _nodes: Collection[str]) -> None:
        """Do nothing: there are no others."""

    def lead(self, _connection: Connection) -> bool:
        """Say that the only recorder leads."""
        return True

    def make_days(self, _connection: Connection, _days: Collection[int]) -> None:
        """Do nothing: one table holds all days."""

    def insert_samples(self, connection: Connection, rows: SampleRows) -> int:
        """Insert rows in the order of the key, many with one statement."""
        keyed = [(ts // SLICE_MS, series_id, ts, value) for ts, value, series_id in rows]
        # By the key alone: of two rows with the same one the first has to stay the first.
        keyed.sort(key=_KEY)
        whole = len(keyed) - len(keyed) % _ROWS_AT_ONCE
        count = 0
        for first in range(0, whole, _ROWS_AT_ONCE):
            some = tuple(chain.from_iterable(keyed[first : first + _ROWS_AT_ONCE]))
            count += connection.exec_driver_sql(_MANY_SAMPLES, some).rowcount
        if whole < len(keyed):
            count += connection.exec_driver_sql(_ONE_SAMPLE, keyed[whole:]).rowcount
        return count

    def upsert_newest(self, connection: Connection, rows: SampleRows) -> None:
        """Insert or update row by row."""
        connection.exec_driver_sql(_NEWEST, list(rows))


def _prepare(connection: Any, _record: Any) -> None:
    # Python's own transactions leave out DDL and reads; `_begin` opens real ones.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_OPEN_WITHIN_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"journal_size_limit={_WAL_KEPT_BYTES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Taking the write lock at once: an upgrade in mid-transaction could only fail.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
