"""Databases as older versions of the recorder left them: frozen as SQL, and filled.

Each was filled by the code of its time and dumped. PostgreSQL came with schema 0002; what 0001 held
is put into the tables of 0001, so that its steps are taken there too.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from alembic import command

from rollcall.recorder import schema
from rollcall.recorder.engines import database_of

DUMPS = Path(__file__).parents[1] / "fixtures" / "databases"
OLD = "0001"
OLDER = (OLD, "0002")


def make_old(url: str, revision: str = OLD) -> None:
    """Make the database of an older schema behind `url`."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(_dump(revision, "sqlite"))
    elif revision == OLD:
        _carry_over(url, _dump(OLD, "sqlite"))
    else:
        with psycopg.connect(url) as connection:
            connection.execute(_dump(revision, "postgresql").encode())


def _dump(revision: str, engine: str) -> str:
    return (DUMPS / f"{revision}-{engine}.sql").read_text("utf-8")


def _carry_over(url: str, dump: str) -> None:
    make_tables(url, OLD)
    with closing(sqlite3.connect(":memory:")) as source, psycopg.connect(url) as target:
        source.executescript(dump)
        _make_days(url, [ts for (ts,) in source.execute("SELECT ts FROM sample")])
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
        target.execute("DELETE FROM about")
        for (table,) in source.execute(names).fetchall():
            rows = source.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in rows.description]
            places = ", ".join(["%s"] * len(columns))
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
            with target.cursor() as cursor:
                cursor.executemany(insert.encode(), rows.fetchall())
        for table, key in (("node", "node_id"), ("epoch", "epoch_id"), ("series_key", "series_id")):
            numbers = f"pg_get_serial_sequence('{table}', '{key}')"
            target.execute(f"SELECT setval({numbers}, max({key})) FROM {table}".encode())


def make_tables(url: str, revision: str) -> None:
    """Take the steps up to `revision` on an empty database."""
    database = database_of(url)
    engine = database.open()
    with engine.begin() as connection:
        command.upgrade(schema._config(connection), revision)
    engine.dispose()


def _make_days(url: str, times: list[int]) -> None:
    database = database_of(url)
    engine = database.open()
    with engine.begin() as connection:
        database.make_days(connection, {ts // 86_400_000 for ts in times})
    engine.dispose()
