"""The file of the spool: its tables, opening it, setting a damaged one aside.

While a process uses the file it carries a mark, the boot in which it was opened; a good end removes
it. The commit that sets the mark is synced, all later ones are not: after a power cut the newest
transactions may be gone, though what they stored was published already.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rollcall.node_agent.spans import Span, merged
from rollcall.node_agent.spooled import Identity, Memory, Renewal

_log = logging.getLogger(__name__)

# A worn SD card may take many seconds to sync; whoever else writes waits for it.
_BUSY_S: Final = 30.0
# Every checkpoint syncs; by itself SQLite would make one for every 4 MiB written.
_CHECKPOINT_PAGES: Final = 4096
# A checkpoint comes at least this often, so a power cut cannot undo more.
NUMBERS_AT_RISK: Final = 10_000
_CACHE_KIB: Final = 512
_COLUMNS: Final = "is_event, name, boot, boottime_ms, wall_ms, synced, body"
_VERSIONS: Final = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE report (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, is_event INTEGER NOT NULL, name TEXT NOT NULL,
            boot TEXT NOT NULL, boottime_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
            body TEXT NOT NULL)""",
        """CREATE TABLE evicted (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL)""",
        "INSERT INTO meta (key, value) VALUES ('epoch', lower(hex(randomblob(8)))), ('session', 0)",
    ),
    (
        "ALTER TABLE report ADD COLUMN synced INTEGER NOT NULL DEFAULT 1",
        "CREATE TABLE boots (boot TEXT PRIMARY KEY, offset_ms INTEGER NOT NULL) WITHOUT ROWID",
        "DELETE FROM meta WHERE key = 'closed'",
    ),
)


class SpoolError(RuntimeError):
    """The spool cannot be used now; the text says why and what to try."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file in WAL mode, or a database in memory. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        db.close()
        raise
    return db


def begin(db: sqlite3.Connection, *, boot: str, identity: Identity) -> Renewal | None:
    """Make the tables ready and mark the file as in use, in one synced commit.

    After a power cut the numbers go on beyond all that may have been given. Gives the renewal
    when this file turns out to be another machine's and got a new epoch. On the same board it was
    this machine's own before it was reinstalled: nobody else gives the old numbers out any more.
    Raises sqlite3.DatabaseError when it is damaged, SpoolError when it is of a newer version than
    this program.
    """
    with _synced(db):
        _upgrade(db)
        opened_in = recalled(db, "open")
        if opened_in not in {None, boot}:
            _skip_numbers(db)
        renewal = None
        known = recalled(db, "identity")
        if known is not None and identity.is_another_than(_identity(known)):
            epoch_before = recalled(db, "epoch")
            if identity.is_on_the_board_of(_identity(known)):
                renewal = Renewal("reinstalled", epoch_before, unreceipted(db))
            else:
                renewal = Renewal("copied", epoch_before)
            begin_epoch(db)
        remember(db, "identity", identity.text())
        remember(db, "open", boot)
        db.execute("DELETE FROM boots WHERE boot NOT IN (SELECT boot FROM report)")
    if opened_in is not None:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    return renewal


def end(db: sqlite3.Connection) -> None:
    """Note a good end; closing the file then syncs it. Raises sqlite3.Error."""
    db.execute("DELETE FROM meta WHERE key = 'open'")


def begin_epoch(db: sqlite3.Connection) -> None:
    """Give what waits new numbers in a new epoch, within a transaction."""
    db.execute("CREATE TEMP TABLE kept AS SELECT * FROM report ORDER BY seq")
    db.execute("DELETE FROM report")
    db.execute("DELETE FROM evicted")
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'report'")
    db.execute(f"INSERT INTO report ({_COLUMNS}) SELECT {_COLUMNS} FROM kept ORDER BY seq")  # noqa: S608 - only our own words
    db.execute("DROP TABLE kept")
    db.execute("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'epoch'")


def recalled(db: sqlite3.Connection, key: str) -> str | None:
    """Give what was remembered under `key`."""
    found = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(found[0]) if found else None


def remember(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a value under `key`."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def newest_number(db: sqlite3.Connection) -> int:
    """Give the newest number taken, 0 before the first."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'report'").fetchone()
    return int(found[0]) if found else 0


def note_evicted(db: sqlite3.Connection, first: int, last: int, reason: str) -> None:
    """Note numbers that will never come, joined to those before them of the same reason."""
    before = db.execute(
        "SELECT first FROM evicted WHERE last = ? AND reason = ?", (first - 1, reason)
    ).fetchone()
    db.execute(
        "INSERT OR REPLACE INTO evicted (first, last, reason) VALUES (?, ?, ?)",
        (before[0] if before else first, last, reason),
    )


def move(source: sqlite3.Connection, target: sqlite3.Connection, session: int) -> tuple[Span, ...]:
    """Put what waits in `source` behind what waits in `target`, within a transaction there.

    Gives the numbers that it had in `source`, and those that were evicted there.
    """
    rows = source.execute(f"SELECT {_COLUMNS} FROM report ORDER BY seq")  # noqa: S608 - only our own words
    target.executemany(f"INSERT INTO report ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 - likewise
    offsets = source.execute("SELECT boot, offset_ms FROM boots")
    target.executemany("INSERT OR REPLACE INTO boots VALUES (?, ?)", offsets)
    for memory in Memory:
        text = recalled(source, memory)
        if text is not None:
            remember(target, memory, text)
    target.execute(
        "UPDATE meta SET value = max(CAST(value AS INTEGER), ?) WHERE key = 'session'", (session,)
    )
    return unreceipted(source)


def unreceipted(db: sqlite3.Connection) -> tuple[Span, ...]:
    """Give the numbers of what waits, and of what was evicted and not yet told for good."""
    waits = db.execute("SELECT seq, seq FROM report UNION SELECT first, last FROM evicted")
    return tuple(merged(waits))


def used_bytes(db: sqlite3.Connection) -> int:
    """Give the size of what the database holds, without what is free within the file."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    return int(pages - free) * int(page_bytes)


def set_aside(path: Path) -> Path:
    """Move a damaged file away, in place of the one moved before; give where to."""
    kept = path.with_name(f"{path.name}.damaged")
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return kept


def next_session(path: Path, known: int) -> int:
    """Count one more session than the file and `known` say, safe from a power cut, on any thread.

    Raises sqlite3.Error.
    """
    place = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_S, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        (session,) = db.execute(
            "UPDATE meta SET value = max(CAST(value AS INTEGER), ?) + 1 WHERE key = 'session'"
            " RETURNING value",
            (known,),
        ).fetchone()
        return int(session)


def _upgrade(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(_VERSIONS):
        raise SpoolError(f"the spool is of version {version}, newer than this program knows")
    for statements in _VERSIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(_VERSIONS)}")


def _skip_numbers(db: sqlite3.Connection) -> None:
    """Leave out as many numbers as may have been published and then undone by a power cut."""
    last = newest_number(db)
    _log.warning("the power went while the spool was open; numbers go on beyond %d", last)
    note_evicted(db, last + 1, last + NUMBERS_AT_RISK, "power_cut")
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'report'")
    db.execute("INSERT INTO sqlite_sequence VALUES ('report', ?)", (last + NUMBERS_AT_RISK,))


def _identity(text: str) -> Identity:
    machine, boards = json.loads(text)
    return Identity(machine, frozenset(boards))


@contextmanager
def _synced(db: sqlite3.Connection) -> Iterator[None]:
    """Make everything within one commit that survives a power cut."""
    db.execute("PRAGMA synchronous = FULL")
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("PRAGMA synchronous = NORMAL")
