"""The choice of an engine by the URL of the database."""

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from rollcall.recorder.engine import Database, Membership
from rollcall.recorder.sqlite import Sqlite
from rollcall.service.config import ConfigError, Fault

_KEY: Final = "[recorder] database"
_SQLITE_EXAMPLE: Final = "sqlite:////var/lib/rollcall/rollcall.db"
_POSTGRESQL: Final = {"postgresql", "postgresql+psycopg"}


def database_of(url: str, membership: Membership | None = None) -> Database:
    """Choose the engine by the URL's scheme; `membership` is ours among several recorders.

    Raises ConfigError for an engine that we do not have, and for one that several cannot share.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _fault(f"is no URL; try {_SQLITE_EXAMPLE}") from error
    membership = membership or Membership()
    if parsed.drivername in _POSTGRESQL:
        return _postgresql(parsed, membership)
    if parsed.drivername != "sqlite":
        raise _fault(
            f"{parsed.get_backend_name()!r} is not supported; "
            "use sqlite:///path/to/rollcall.db or postgresql://user@host/db"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise _fault(f"names no file; try {_SQLITE_EXAMPLE}")
    if membership.shared:
        raise _fault("several recorders can share a postgresql:// database, not a file of SQLite")
    return Sqlite(Path(parsed.database).expanduser())


def _postgresql(url: URL, membership: Membership) -> Database:
    if not url.database:
        raise _fault("names no database; try postgresql://user@host/rollcall")
    try:
        from rollcall.recorder.postgresql import Postgresql  # noqa: PLC0415 - needs psycopg
    except ImportError as error:
        raise _fault(
            "PostgreSQL needs the package psycopg, and libpq where its wheel has none; "
            "pip install 'rollcall-mqtt[postgresql]', apt-get install libpq5"
        ) from error
    return Postgresql(url, membership)


def _fault(text: str) -> ConfigError:
    return ConfigError("the configuration", [Fault("", f"{_KEY}: {text}")])
