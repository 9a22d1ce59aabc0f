"""The fleet documents that were in force, for people who want one back."""

import json
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.overviews import ask

_QUERY: Final = text(
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
    """Give every document that the database holds, the newest first. Raises HistoryAwayError."""
    return ask(url, _all)


def _all(connection: Connection) -> list[Revision]:
    return [
        Revision(revision, ts / 1000, digest, json.loads(document))
        for revision, ts, digest, document in connection.execute(_QUERY)
    ]
