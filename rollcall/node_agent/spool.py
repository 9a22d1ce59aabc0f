"""Reports on disk, numbered, until the recorder has said that it holds them.

A small SQLite file in WAL mode. A number is taken in the transaction that stores its report, and
AUTOINCREMENT never gives one twice. `epoch` is made with the file: (epoch, seq) names a report for
ever. What is evicted, or asked for and no longer here, is told with its reason until a receipt has
passed it. One process, one thread; only `next_session` may be called from another.

A disk that refuses stops nothing: from then on a spool in memory, with an epoch of its own, takes
its place, until `heal` finds that the file can be written again.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import JsonValue

from rollcall.broker.messages import Eviction, Receipt
from rollcall.node_agent import spool_file
from rollcall.node_agent.account import SpoolSize
from rollcall.node_agent.spans import Span, merged, overlaps, without
from rollcall.node_agent.spool_file import SpoolError
from rollcall.node_agent.spooled import Bounds, Identity, Item, Memory, Renewal, Stored, Taken

_log = logging.getLogger(__name__)

_EVICTED_AT_ONCE: Final = 100
_TOLD_AT_ONCE: Final = 500
_IN_MEMORY: Final = Path(":memory:")
_MAX_IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
# Room for what one transaction takes beyond it.
_CHECKPOINT_AFTER: Final = spool_file.NUMBERS_AT_RISK - 1000


class Spool:
    """The spool in one folder; a context manager that opens, checks and closes it.

    `boot` names the present boot, `identity` this machine. A damaged file is set aside (one is
    kept) and a new one begun; the copy of another machine's file gets an epoch of its own. Entering
    raises SpoolError when the file is of a newer version.
    """

    def __init__(
        self,
        folder: Path,
        bounds: Bounds | None = None,
        *,
        boot: str = "",
        identity: Identity | None = None,
    ) -> None:
        self.path = folder / "spool.db"
        self._bounds = bounds or Bounds()
        self._boot = boot
        self._identity = identity or Identity()
        self._db: sqlite3.Connection
        self._offsets_ms: dict[str, int] = {}
        self._unchecked = 0
        self._session = 0
        self.in_memory = False
        self.renewals: list[Renewal] = []
        self.epoch = ""
        self.last_seq = 0

    def __enter__(self) -> Self:
        try:
            self._db = self._open_file()
        except (sqlite3.Error, OSError) as error:
            self._open_memory(error)
            self.renewals.append(Renewal("refused", None))
        self._recall()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                spool_file.end(self._db)
        except sqlite3.Error as fault:
            _log.warning("%s is not closed in good order: %s", self.path, fault)
        finally:
            self._db.close()

    # The disk refuses

    def fall_back(self, fault: Exception) -> None:
        """Go on in memory, with an epoch of its own; what waits on the disk stays there."""
        if self.in_memory:
            return
        before = self.epoch
        self._db.close()
        self._open_memory(fault)
        self._recall()
        self.renewals.append(Renewal("refused", before))

    def heal(self) -> bool:
        """Go back to the file if it can be written again, and take along what waits."""
        if not self.in_memory:
            return False
        memory, before = self._db, self.epoch
        try:
            self._db = self._open_file()
        except (sqlite3.Error, OSError) as error:
            _log.debug("%s still refuses: %s", self.path, error)
            return False
        try:
            with self.transaction():
                moved = spool_file.move(memory, self._db, self._session)
        except SpoolError as error:
            _log.debug("%s still refuses: %s", self.path, error)
            self._db.close()
            self._db = memory
            self._recall()
            return False
        memory.close()
        self.in_memory = False
        self.renewals.append(Renewal("healed", before, moved))
        self._recall()
        _log.info("%s can be written again", self.path)
        return True

    # Taking and giving

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything within one commit. Raises SpoolError, and then nothing has happened."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.Error | OSError):
                raise SpoolError(f"{self.path} cannot be written: {error}") from error
            raise

    def take(self, items: Iterable[Item], now: Taken) -> list[Stored]:
        """Store items, each under the next number, within a transaction."""
        stored = []
        for item in items:
            cursor = self._db.execute(
                "INSERT INTO report (is_event, name, body, boot, boottime_ms, wall_ms, synced)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (item.is_event, item.name, item.body, *_row_of(now)),
            )
            self.last_seq = cursor.lastrowid or 0
            stored.append(Stored(self.last_seq, item, now))
        self._unchecked += len(stored)
        return stored

    def content(self, stored: Stored) -> dict[str, JsonValue]:
        """Give the message of an item, without its name, its time set right if that is possible.

        What was taken while the clock was wrong gets the time that the clock of its boot, once it
        was right, would have shown; else it goes as it is, and says so.
        """
        message: dict[str, JsonValue] = {"seq": stored.seq, **json.loads(stored.item.body)}
        offset_ms = self._offsets_ms.get(stored.taken.boot)
        if not stored.taken.synced and offset_ms is not None:
            message["time"] = (offset_ms + stored.taken.boottime_ms) / 1000
            message.pop("clock", None)
        return message

    def checkpoint(self) -> None:
        """Bring what was taken safely to disk when it is a lot. Raises SpoolError."""
        if self._unchecked < _CHECKPOINT_AFTER:
            return
        try:
            _, pages, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise SpoolError(f"{self.path} cannot be synced: {error}") from error
        if pages == moved:
            self._unchecked = 0

    def waiting(self, through: int, besides: Sequence[Span], limit: int) -> list[Stored]:
        """Give what waits with a number up to `through`, not within `besides`, oldest first."""
        apart = " AND NOT seq BETWEEN ? AND ?" * len(besides)
        rows = self._db.execute(
            "SELECT seq, name, body, is_event, boot, boottime_ms, wall_ms, synced FROM report"  # noqa: S608 - only placeholders are added
            f" WHERE seq <= ?{apart} ORDER BY seq LIMIT ?",
            (through, *(number for span in besides for number in span), limit),
        )
        return [
            Stored(seq, Item(name, body, bool(event)), _taken_of(taken))
            for seq, name, body, event, *taken in rows
        ]

    def holds_any(self, span: Span) -> bool:
        """Say whether something within `span` still waits."""
        found = self._db.execute("SELECT 1 FROM report WHERE seq BETWEEN ? AND ? LIMIT 1", span)
        return found.fetchone() is not None

    def last_taken_before(self, boot: str, boottime_ms: int) -> int:
        """Give the newest number taken before then or in another boot; 0 when there is none."""
        found = self._db.execute(
            "SELECT seq FROM report WHERE boot <> ? OR boottime_ms <= ? ORDER BY seq DESC LIMIT 1",
            (boot, boottime_ms),
        ).fetchone()
        return found[0] if found else 0

    def size(self, now: Taken) -> SpoolSize:
        """Give how much waits."""
        (count,) = self._db.execute("SELECT count(*) FROM report").fetchone()
        oldest = next(self._oldest(1), None)
        age_ms = self._age_ms(oldest[1], now) if oldest else None
        oldest_s = None if age_ms is None else max(0, age_ms) / 1000
        return SpoolSize(count, spool_file.used_bytes(self._db), oldest_s)

    # Receipts

    def settle(self, receipt: Receipt) -> bool:
        """Drop what `receipt` covers, note what it misses and we no longer hold.

        Within a transaction. False, and nothing done, when the receipt is of another epoch.
        A receipt for numbers we never took means that this file is an old copy, or that another
        host has one: what waits gets new numbers in a new epoch.
        """
        if receipt.epoch != self.epoch:
            return False
        if receipt.through > self.last_seq:
            _log.warning("numbers we never took are receipted: this spool is a copy; new epoch")
            self.renewals.append(Renewal("copied", self.epoch))
            spool_file.begin_epoch(self._db)
            self._recall()
            return True
        if spool_file.recalled(self._db, "database") != receipt.database:
            spool_file.remember(self._db, "database", receipt.database)
            _log.info("receipts come from database %s", receipt.database)
        missing = merged(receipt.missing)
        for span in without([(1, receipt.through)], missing):
            self._db.execute("DELETE FROM report WHERE seq BETWEEN ? AND ?", span)
        told = [(first, last) for first, last, _ in self._evicted()]
        for first, last in told:
            if last <= receipt.through and not overlaps((first, last), missing):
                self._db.execute("DELETE FROM evicted WHERE first = ?", (first,))
        ours = [(first, min(last, self.last_seq)) for first, last in missing]
        for first, last in without(ours, [*told, *self._held_within(ours)]):
            spool_file.note_evicted(self._db, first, last, "forgotten")
        return True

    # Bounds

    def evicted(self) -> list[Eviction]:
        """Give what will never come, and why, as far as it fits one message; oldest first."""
        return self._evicted(_TOLD_AT_ONCE)

    def evict(self, now: Taken, free_bytes: int) -> int:
        """Give up the oldest beyond the bounds, within a transaction; say how many."""
        limit_ms = self._bounds.age_s * 1000
        count = 0
        while aged := self._aged(now, limit_ms):
            count += self._give_up(aged, "age")
        used_bytes = spool_file.used_bytes(self._db)
        allowed_bytes = self._bounds.allowed_bytes(used_bytes, free_bytes)
        if self.in_memory:
            allowed_bytes = min(allowed_bytes, _MAX_IN_MEMORY_BYTES)
        while spool_file.used_bytes(self._db) > allowed_bytes:
            oldest = [seq for seq, _ in self._oldest(_EVICTED_AT_ONCE)]
            if not oldest:
                break
            count += self._give_up(oldest, "size")
        return count

    def free_bytes(self) -> int:
        """Give the bytes that are free on the disk of the spool. Raises OSError."""
        if self.in_memory:
            return self._bounds.size_bytes * 100
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    def give_up(self, seq: int) -> None:
        """Evict one item that is too large to be sent, within a transaction."""
        self._give_up([seq], "size")

    # Memory of the host

    def recalled(self, memory: Memory) -> str | None:
        """Give what was remembered, None when there is nothing."""
        return spool_file.recalled(self._db, memory)

    def remember(self, memory: Memory, text: str) -> None:
        """Remember a text from now on, within a transaction."""
        spool_file.remember(self._db, memory, text)

    def note_offset(self, boot: str, offset_ms: int) -> None:
        """Note what a right wall clock showed at the start of `boot`, within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO boots VALUES (?, ?)", (boot, offset_ms))
        self._offsets_ms[boot] = offset_ms

    def next_session(self) -> int:
        """Count one more session, durably while the disk allows it; safe on any thread."""
        try:
            self._session = spool_file.next_session(self.path, self._session)
        except sqlite3.Error as error:
            _log.warning("the session is counted in memory: %s: %s", self.path, error)
            self._session += 1
        return self._session

    # Within

    def _open_file(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._begun(self.path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            kept = spool_file.set_aside(self.path)
            _log.error("the spool is damaged (%s); set aside as %s, begun anew", error, kept)
            self.renewals.append(Renewal("damaged", None))
            return self._begun(self.path)

    def _open_memory(self, fault: Exception) -> None:
        _log.error("%s; going on in memory until the disk can be written; make room on it", fault)
        self._db = self._begun(_IN_MEMORY)
        self.in_memory = True

    def _begun(self, path: Path) -> sqlite3.Connection:
        db = spool_file.connect(path)
        try:
            renewal = spool_file.begin(db, boot=self._boot, identity=self._identity)
        except BaseException:
            db.close()
            raise
        if renewal is not None:
            _log.warning("this spool comes from another machine or system: new epoch")
            self.renewals.append(renewal)
        return db

    def _undo(self) -> None:
        """Roll back; a disk that fails may refuse even that, and then the file is left as it is."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._recall()
        except sqlite3.Error as error:
            _log.debug("%s cannot be rolled back: %s", self.path, error)

    def _recall(self) -> None:
        self.epoch = spool_file.recalled(self._db, "epoch") or ""
        self.last_seq = spool_file.newest_number(self._db)
        self._offsets_ms = dict(self._db.execute("SELECT boot, offset_ms FROM boots").fetchall())

    def _age_ms(self, taken: Taken, now: Taken) -> int | None:
        return taken.age_ms(now, self._offsets_ms.get(taken.boot))

    def _aged(self, now: Taken, limit_ms: int) -> list[int]:
        """Give the numbers up to the newest of the oldest that is over its age.

        What was taken before it is older still, also where no clock was right.
        """
        (first,) = [self._age_ms(taken, now) for _, taken in self._oldest(1)] or [0]
        if first is not None and first <= limit_ms:
            return []
        oldest = list(self._oldest(_EVICTED_AT_ONCE))
        ages_ms = [self._age_ms(taken, now) for _, taken in oldest]
        over = [at for at, age_ms in enumerate(ages_ms) if age_ms is not None and age_ms > limit_ms]
        return [seq for seq, _ in oldest[: over[-1] + 1]] if over else []

    def _evicted(self, limit: int = -1) -> list[Eviction]:
        rows = self._db.execute(
            "SELECT first, last, reason FROM evicted ORDER BY first LIMIT ?", (limit,)
        )
        return rows.fetchall()

    def _held_within(self, spans: Sequence[Span]) -> Iterator[Span]:
        for span in spans:
            rows = self._db.execute("SELECT seq FROM report WHERE seq BETWEEN ? AND ?", span)
            yield from ((seq, seq) for (seq,) in rows)

    def _oldest(self, limit: int) -> Iterator[tuple[int, Taken]]:
        rows = self._db.execute(
            "SELECT seq, boot, boottime_ms, wall_ms, synced FROM report ORDER BY seq LIMIT ?",
            (limit,),
        ).fetchall()
        return ((seq, _taken_of(taken)) for seq, *taken in rows)

    def _give_up(self, numbers: Sequence[int], reason: str) -> int:
        for first, last in merged((seq, seq) for seq in numbers):
            self._db.execute("DELETE FROM report WHERE seq BETWEEN ? AND ?", (first, last))
            spool_file.note_evicted(self._db, first, last, reason)
        return len(numbers)


def _row_of(taken: Taken) -> tuple[str, int, int, int]:
    return taken.boot, taken.boottime_ms, taken.wall_ms, int(taken.synced)


def _taken_of(row: Sequence[Any]) -> Taken:
    boot, boottime_ms, wall_ms, synced = row
    return Taken(boot, boottime_ms, wall_ms, bool(synced))
