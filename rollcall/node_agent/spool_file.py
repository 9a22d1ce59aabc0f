"""The file of the spool: its tables, opening and checking it, setting a damaged one aside."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

_VERSION: Final = 1
# A worn SD card may take many seconds to sync; whoever else writes waits for it.
_BUSY_S: Final = 30.0
_SCHEMA: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE report (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, is_event INTEGER NOT NULL, name TEXT NOT NULL,
        boot TEXT NOT NULL, boottime_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
        body TEXT NOT NULL)""",
    "CREATE TABLE evicted (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL)",
)


class SpoolError(RuntimeError):
    """The spool cannot be used now; the text says why and what to try."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file in WAL mode. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def check(db: sqlite3.Connection, *, epoch: str) -> None:
    """Make the tables in a new file; look a file through that was not closed in good order.

    `epoch` is for a new file. Raises sqlite3.DatabaseError when it is damaged, SpoolError when it
    is of a newer version than this program.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise SpoolError(f"the spool is of version {version}, newer than this program knows")
    db.execute("BEGIN IMMEDIATE")
    if version == 0:
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?), ('session', 0)", (epoch,))
        db.execute(f"PRAGMA user_version = {_VERSION}")
    elif db.execute("DELETE FROM meta WHERE key = 'closed'").rowcount == 0:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    db.execute("COMMIT")


def set_aside(path: Path) -> Path:
    """Move a damaged file away, in place of the one moved before; give where to."""
    kept = path.with_name(f"{path.name}.damaged")
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return kept


def next_session(path: Path) -> int:
    """Count one more session and give its number, safe from a power cut, on any thread.

    Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        (session,) = db.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'session' RETURNING value"
        ).fetchone()
        return int(session)
