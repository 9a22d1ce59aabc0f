"""Copies of the whole database, made while it is written, and putting one in its place.

A copy is opened and counted before it is called one. A restored database gets a new identity:
receipts of the one before it no longer hold, and its recorder knows whose they were.
"""

import hashlib
import os
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from rollcall.recorder import queries, schema
from rollcall.recorder.engine import Database
from rollcall.recorder.engines import database_of
from rollcall.recorder.errors import RecorderError
from rollcall.recorder.sqlite import Sqlite
from rollcall.recorder.upgrade import claim, translated

_CLAIM_WITHIN_S: Final = 5.0
_ASIDE: Final = "rollcall_before"
# What is counted under which name; what a schema does not have is not counted.
_COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "nodes": ("node",),
    "series": ("series_key",),
    "samples": ("sample", "sealed"),
    "minutely": ("rollup_minute",),
    "hourly": ("rollup_hour",),
    "daily": ("rollup_day",),
    "availability": ("availability_change",),
    "events": ("event",),
    "alert_history": ("alert_change",),
}


class BackupError(RecorderError):
    """The copy is not what it should be; the text says what differs."""


class Contents(NamedTuple):
    """What a database holds: its engine, schema, identity, rows by name, its newest sample."""

    engine: str
    schema: str
    uuid: str
    counts: dict[str, int]
    newest_ts: int | None


def engine_of(url: str) -> str:
    """Name the engine of a URL. Raises ConfigError."""
    return "sqlite" if isinstance(database_of(url), Sqlite) else "postgresql"


def contents(url: str) -> Contents | None:
    """Say what the database behind `url` holds now; None when it cannot be read, or is empty."""
    try:
        with queries.reading(url) as engine, engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            return _counted(connection)
    except (SQLAlchemyError, IndexError):
        return None


def copy(url: str, target: Path) -> Contents:
    """Copy the database to the new file `target` while others write it; say what is in it.

    Raises ConfigError, BackupError and RecorderError; nothing is left at `target` then.
    """
    database = database_of(url)
    try:
        if isinstance(database, Sqlite):
            return _copy_file(database.path, target)
        return _dump(url, database, target)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, database.faults):
            raise translated(database, error) from error
        raise


def sha256(path: Path) -> str:
    """Give the digest of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def alone(url: str) -> Iterator[Database]:
    """Hold the place of the recorder, so that none runs.

    Raises ConfigError, AlreadyRunningError and RecorderError.
    """
    database = database_of(url)
    with database.identity_lock():
        if isinstance(database, Sqlite):
            yield database
            return
        engine = database.open()
        try:
            claim(engine, _CLAIM_WITHIN_S)
            yield database
        except database.faults as error:
            raise translated(database, error) from error
        finally:
            database.close(engine)


def place_of_copy(url: str) -> Path | None:
    """Give where a copy has to lie to be put in place; None: anywhere."""
    database = database_of(url)
    if not isinstance(database, Sqlite):
        return None
    return database.path.with_name(f"{database.path.name}.restoring")


def restore(url: str, database: Database, copied: Path, expected: Contents) -> str:
    """Put a copy in the place of the database that `alone` gave; say where that is kept now.

    The copy has to hold what is `expected`. Raises BackupError (nothing has changed),
    RecorderError, OSError.
    """
    before = _identities(url)
    aside = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    if isinstance(database, Sqlite):
        return _replace_file(database.path, copied, expected, before, aside)
    return _replace_schema(url, database, copied, expected, before, aside)


def _copy_file(source: Path, target: Path) -> Contents:
    uri = f"{source.expanduser().absolute().as_uri()}?mode=ro"
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.close(descriptor)
    # In one step: a copy in several begins anew with every commit, and never ends.
    with (
        closing(sqlite3.connect(uri, uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing, pages=-1)
    return _opened(target)


def _opened(copied: Path, *, new_identity: Sequence[str] | None = None) -> Contents:
    """Open a copy, look whether it is whole, and count."""
    engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(copied)))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
            found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            if found != ["ok"]:
                raise BackupError(f"the copy is damaged: {found[0]}")
            counted = _counted(connection)
            if new_identity is not None:
                schema.standing(connection, str(copied))
                _renew(connection, new_identity)
                connection.commit()
            return counted
    except SQLAlchemyError as error:
        raise BackupError(f"the copy cannot be read: {getattr(error, 'orig', error)}") from error
    finally:
        engine.dispose()


def _dump(url: str, database: Any, target: Path) -> Contents:
    with queries.reading(url) as engine, engine.connect() as opened:
        connection = opened.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        target.touch(0o600)
        without = f"--exclude-schema={_ASIDE}_*"
        database.dump(target, f"--snapshot={snapshot}", without)
        counted = _counted(connection)
    _read_through(target)
    return counted


def _read_through(dump: Path) -> None:
    """Have all of a dump read and unpacked, to nowhere."""
    from rollcall.recorder.postgresql import program  # noqa: PLC0415 - needs psycopg

    command = [program("pg_restore"), "--file=/dev/null", str(dump)]
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(f"the copy cannot be read: {done.stderr.strip()}")


def _counted(connection: Connection) -> Contents:
    there = set(sqlalchemy.inspect(connection).get_table_names())
    counts = {
        name: sum(_count(connection, table) for table in tables if table in there)
        for name, tables in _COUNTED.items()
        if there.intersection(tables)
    }
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    newest = connection.execute(text("SELECT max(ts) FROM newest")).scalar_one()
    return Contents(connection.dialect.name, version, schema.identity(connection), counts, newest)


def _count(connection: Connection, table: str) -> int:
    query = f"SELECT count(*) FROM {table}"  # noqa: S608 - our own names
    return int(connection.execute(text(query)).scalar_one())


def _identities(url: str) -> list[str]:
    try:
        with queries.reading(url) as engine, engine.connect() as connection:
            return schema.identities(connection)
    except SQLAlchemyError:
        return []


def _renew(connection: Connection, before: Sequence[str]) -> None:
    """Give the database a new identity; those of the one it replaces are known from now on."""
    known = set(schema.identities(connection))
    newest = connection.execute(text("SELECT max(made_ts) FROM about")).scalar_one()
    insert = text("INSERT INTO about (uuid, made_ts) VALUES (:uuid, :ts)")
    for other in before:
        if other not in known:
            connection.execute(insert, {"uuid": other, "ts": newest})
    now_ms = max(time.time_ns() // 1_000_000, newest + 1)
    connection.execute(insert, {"uuid": str(uuid.uuid4()), "ts": now_ms})


def _agree(found: Contents, expected: Contents) -> None:
    if found.counts != expected.counts:
        raise BackupError(f"the copy holds {found.counts}, and should hold {expected.counts}")


def _replace_file(
    path: Path, copied: Path, expected: Contents, before: Sequence[str], aside: str
) -> str:
    _agree(_opened(copied, new_identity=before), expected)
    _give_to_owner(copied, path)
    with copied.open("rb") as opened:
        os.fsync(opened.fileno())
    kept = path.with_name(f"{path.name}.before-restore-{aside}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(f"{path.name}{suffix}")
        if part.exists():
            part.rename(kept.with_name(f"{kept.name}{suffix}"))
    copied.rename(path)
    return str(kept) if kept.exists() else ""


def _give_to_owner(copied: Path, path: Path) -> None:
    """Let those read and write the copy who may do so with the file it replaces."""
    like = path if path.exists() else path.parent
    found = like.stat()
    if os.geteuid() == 0:
        os.chown(copied, found.st_uid, found.st_gid)
    if like is path:
        copied.chmod(found.st_mode & 0o777)


def _replace_schema(
    url: str, database: Any, copied: Path, expected: Contents, before: Sequence[str], aside: str
) -> str:
    kept = f"{_ASIDE}_{aside}"
    _say(
        url,
        f"ALTER SCHEMA public RENAME TO {kept}",
        "CREATE SCHEMA public",
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
    )
    try:
        database.restore(copied, "--schema=public")
        with _writing(url) as connection:
            schema.standing(connection, str(copied))
            _agree(_counted(connection), expected)
            _renew(connection, before)
    except BaseException:
        _say(url, "DROP SCHEMA public CASCADE", f"ALTER SCHEMA {kept} RENAME TO public")
        raise
    return f"schema {kept}"


def _say(url: str, *statements: str) -> None:
    with _writing(url) as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def _writing(url: str) -> Iterator[Connection]:
    address = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(address, connect_args={"client_encoding": "utf8"})
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
