"""What differs between database engines: opening, faults, SQL dialect, closing.

SQLite is the engine so far. WAL survives a killed process, and with `synchronous=FULL` a power
cut too. Commits can be lost when one connection checkpoints while another writes (SQLite up to
3.51.2), so there is one writer with one connection, and its commits are the only checkpoints;
everybody else opens the file read-only.
"""

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError
from sqlalchemy.pool import QueuePool

from rollcall.service.config import ConfigError, Fault

_log = logging.getLogger(__name__)

_KEY: Final = "[recorder] database"
_OPEN_WITHIN_MS: Final = 10_000
_WAIT_FOR_LOCK_MS: Final = 500
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024
_PRIMARY_CODE: Final = 0xFF


class Cause(StrEnum):
    """What a failed statement calls for.

    `WAIT`: the same again later. `POISON`: a row no column holds. `BROKEN`: nothing helps.
    """

    WAIT = "wait"
    POISON = "poison"
    BROKEN = "broken"


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


class Sqlite:
    """The SQLite engine on one file."""

    macros: Final = {
        "TIME": "strftime('%Y-%m-%dT%H:%M:%fZ', ({}) / 1000.0, 'unixepoch')",
        "NOW": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        "SECONDS": "(({}) / 1000.0)",
    }

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_path = path.with_name(f"{path.name}.lock")

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
        """Wait only briefly for locks from now on: the caller has other things to look after."""
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_WAIT_FOR_LOCK_MS}")

    def size_bytes(self) -> int:
        """Give the size of the file and its log. Raises OSError."""
        parts = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def cause(self, error: Exception) -> tuple[Cause, str]:
        """Judge a failed transaction; the text is one word for what is waited for."""
        if isinstance(error, OverflowError | UnicodeEncodeError | IntegrityError | DataError):
            return Cause.POISON, ""
        original = getattr(error, "orig", error)
        code = getattr(original, "sqlite_errorcode", None)
        if code is None:
            # The module itself refused a parameter: SQLite never saw the statement.
            return Cause.POISON if isinstance(original, sqlite3.Error) else Cause.BROKEN, ""
        state = _WAITING.get(code & _PRIMARY_CODE)
        return (Cause.BROKEN, "") if state is None else (Cause.WAIT, state)


def database_of(url: str) -> Sqlite:
    """Choose the engine by the URL's scheme. Raises ConfigError for any that we do not have."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _fault("is no URL; try sqlite:////var/lib/rollcall/rollcall.db") from error
    if parsed.drivername != "sqlite":
        raise _fault(
            f"{parsed.get_backend_name()!r} is not supported by this version; "
            "use sqlite:///path/to/rollcall.db"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise _fault("names no file; try sqlite:////var/lib/rollcall/rollcall.db")
    return Sqlite(Path(parsed.database).expanduser())


def _fault(text: str) -> ConfigError:
    return ConfigError("the configuration", [Fault("", f"{_KEY}: {text}")])


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
