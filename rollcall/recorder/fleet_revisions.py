"""Reading the fleet documents that were in force from the database, for people who want one back.

The file is opened read-only: whoever asks need not be the recorder's user.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import sqlalchemy
from pydantic import JsonValue
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from rollcall.recorder.errors import RecorderError

_QUERY: Final = (
    "SELECT revision, ts, digest, document FROM fleet_history ORDER BY ts DESC, revision DESC"
)


@dataclass(frozen=True, slots=True)
class Revision:
    """A document that was in force from `time_s` (Unix seconds)."""

    revision: int
    time_s: float
    digest: str
    document: dict[str, JsonValue]


def fleet_revisions(url: str) -> list[Revision]:
    """Give every document that the database holds, the newest first. Raises RecorderError."""
    try:
        engine = sqlalchemy.create_engine(_reading(make_url(url)), poolclass=NullPool)
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text(_QUERY)).fetchall()
    except (SQLAlchemyError, ImportError) as error:
        why = getattr(error, "orig", None) or error
        raise RecorderError(f"the database cannot be asked: {why}") from error
    return [Revision(row[0], row[1] / 1000, row[2], json.loads(row[3])) for row in found]


def _reading(url: URL) -> URL:
    if url.get_backend_name() != "sqlite":
        return url.set(drivername="postgresql+psycopg")
    path = quote(str(Path(url.database or "").expanduser()))
    return URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
