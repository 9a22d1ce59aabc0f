"""Reports on disk, numbered, until the recorder has said that it holds them.

A small SQLite file in WAL mode. A number is taken in the transaction that stores its report, and
AUTOINCREMENT never gives one twice. `epoch` is made with the file: (epoch, seq) names a report for
ever. What is evicted, or asked for and no longer here, is told with its reason until a receipt has
passed it. One process, one thread; only `next_session` may be called from another.
"""

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rollcall.broker.messages import Eviction, Receipt
from rollcall.node_agent.account import SpoolSize
from rollcall.node_agent.spans import Span, merged, overlaps, without
from rollcall.node_agent.spool_file import SpoolError, check, connect, next_session, set_aside

_log = logging.getLogger(__name__)

_EVICTED_AT_ONCE: Final = 100
_TOLD_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for a receipt: bytes, a share of the free space, and seconds of age."""

    size_bytes: int = 256 * 1024 * 1024
    free_share: float = 0.1
    age_s: int = 14 * 86_400
    # Below this nothing is evicted for its size, however full the disk is.
    least_bytes: int = 512 * 1024

    def allowed_bytes(self, used_bytes: int, free_bytes: int) -> int:
        """Give how large the spool may be on a disk with `free_bytes` beside it."""
        share = int(self.free_share * (used_bytes + free_bytes))
        return max(self.least_bytes, min(self.size_bytes, share))


@dataclass(frozen=True, slots=True)
class Taken:
    """When something was taken: the boot, milliseconds since it, and Unix milliseconds."""

    boot: str
    boottime_ms: int
    wall_ms: int

    def age_ms(self, now: "Taken") -> int:
        """Give the age; the wall clock is asked only for what an earlier boot has left."""
        if self.boot == now.boot:
            return now.boottime_ms - self.boottime_ms
        return now.wall_ms - self.wall_ms


@dataclass(frozen=True, slots=True)
class Item:
    """A report of collector `name`, or an event of kind `name`; `body` is JSON without number."""

    name: str
    body: str
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An item with its number."""

    seq: int
    item: Item


class Spool:
    """The spool in one folder; a context manager that opens, checks and closes it.

    Entering raises SpoolError when the file can neither be used nor replaced. A damaged file is
    set aside (one is kept) and a new one begun, with a new epoch.
    """

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self.path = folder / "spool.db"
        self._bounds = bounds or Bounds()
        self._db: sqlite3.Connection
        self.epoch = ""
        self.last_seq = 0

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open()
        except sqlite3.OperationalError as error:
            raise SpoolError(f"{self.path} cannot be opened: {error}; is the disk full?") from error
        except sqlite3.DatabaseError as error:
            kept = set_aside(self.path)
            _log.error("the spool is damaged (%s); set aside as %s, begun anew", error, kept)
            self._db = self._open()
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
                self._remember("closed", "1")
        except sqlite3.OperationalError as fault:
            _log.warning("%s is not closed in good order: %s", self.path, fault)
        finally:
            self._db.close()

    # Taking and giving

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything within one commit. Raises SpoolError, and then nothing has happened."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._recall()
            if isinstance(error, sqlite3.OperationalError | OSError):
                raise SpoolError(f"{self.path} cannot be written: {error}") from error
            raise

    def take(self, items: Iterable[Item], now: Taken) -> list[Stored]:
        """Store items, each under the next number, within a transaction."""
        stored = []
        for item in items:
            row = (item.is_event, item.name, now.boot, now.boottime_ms, now.wall_ms, item.body)
            cursor = self._db.execute(
                "INSERT INTO report (is_event, name, boot, boottime_ms, wall_ms, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            self.last_seq = cursor.lastrowid or 0
            stored.append(Stored(self.last_seq, item))
        return stored

    def waiting(self, through: int, besides: Sequence[Span], limit: int) -> list[Stored]:
        """Give what waits with a number up to `through`, not within `besides`, oldest first."""
        apart = " AND NOT seq BETWEEN ? AND ?" * len(besides)
        rows = self._db.execute(
            f"SELECT seq, name, body, is_event FROM report WHERE seq <= ?{apart}"  # noqa: S608 - only placeholders are added
            " ORDER BY seq LIMIT ?",
            (through, *(number for span in besides for number in span), limit),
        )
        return [Stored(seq, Item(name, body, bool(event))) for seq, name, body, event in rows]

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
        oldest_s = max(0, oldest[1].age_ms(now)) / 1000 if oldest else None
        return SpoolSize(count, self._used_bytes(), oldest_s)

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
            self._begin_new_epoch()
            return True
        if self._recalled("database") != receipt.database:
            self._remember("database", receipt.database)
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
            self._note_evicted(first, last, "forgotten")
        return True

    # Bounds

    def evicted(self) -> list[Eviction]:
        """Give what will never come, and why, as far as it fits one message; oldest first."""
        return self._evicted(_TOLD_AT_ONCE)

    def evict(self, now: Taken, free_bytes: int) -> int:
        """Give up the oldest beyond the bounds, within a transaction; say how many."""
        limit_ms = self._bounds.age_s * 1000
        count = 0
        while aged := [
            seq
            for seq, _ in takewhile(
                lambda row: row[1].age_ms(now) > limit_ms, self._oldest(_EVICTED_AT_ONCE)
            )
        ]:
            count += self._give_up(aged, "age")
        used_bytes = self._used_bytes()
        allowed_bytes = self._bounds.allowed_bytes(used_bytes, free_bytes)
        while self._used_bytes() > allowed_bytes:
            oldest = [seq for seq, _ in self._oldest(_EVICTED_AT_ONCE)]
            if not oldest:
                break
            count += self._give_up(oldest, "size")
        return count

    def free_bytes(self) -> int:
        """Give the bytes that are free on the disk of the spool. Raises OSError."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    def give_up(self, seq: int) -> None:
        """Evict one item that is too large to be sent, within a transaction."""
        self._give_up([seq], "size")

    # Memory of the host

    def last_boot(self) -> str | None:
        """Give the boot in which this spool was last used, None when it is new."""
        return self._recalled("boot")

    def note_boot(self, boot: str) -> None:
        """Note the present boot, within a transaction."""
        self._remember("boot", boot)

    def next_session(self) -> int:
        """Count one more session, durably; safe on any thread. Raises SpoolError."""
        try:
            return next_session(self.path)
        except sqlite3.Error as error:
            raise SpoolError(f"the session cannot be counted in {self.path}: {error}") from error

    # Within

    def _open(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            check(db, epoch=secrets.token_hex(8))
        except BaseException:
            db.close()
            raise
        return db

    def _recall(self) -> None:
        self.epoch = self._recalled("epoch") or ""
        found = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'report'").fetchone()
        self.last_seq = found[0] if found else 0

    def _recalled(self, key: str) -> str | None:
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def _remember(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def _begin_new_epoch(self) -> None:
        self._db.execute("CREATE TEMP TABLE kept AS SELECT * FROM report ORDER BY seq")
        self._db.execute("DELETE FROM report")
        self._db.execute("DELETE FROM evicted")
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'report'")
        self._db.execute(
            "INSERT INTO report (is_event, name, boot, boottime_ms, wall_ms, body)"
            " SELECT is_event, name, boot, boottime_ms, wall_ms, body FROM kept ORDER BY seq"
        )
        self._db.execute("DROP TABLE kept")
        self._remember("epoch", secrets.token_hex(8))
        self._recall()

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
            "SELECT seq, boot, boottime_ms, wall_ms FROM report ORDER BY seq LIMIT ?", (limit,)
        ).fetchall()
        return ((seq, Taken(boot, boottime, wall)) for seq, boot, boottime, wall in rows)

    def _give_up(self, numbers: Sequence[int], reason: str) -> int:
        for first, last in merged((seq, seq) for seq in numbers):
            self._db.execute("DELETE FROM report WHERE seq BETWEEN ? AND ?", (first, last))
            self._note_evicted(first, last, reason)
        return len(numbers)

    def _note_evicted(self, first: int, last: int, reason: str) -> None:
        before = self._db.execute(
            "SELECT first FROM evicted WHERE last = ? AND reason = ?", (first - 1, reason)
        ).fetchone()
        self._db.execute(
            "INSERT OR REPLACE INTO evicted (first, last, reason) VALUES (?, ?, ?)",
            (before[0] if before else first, last, reason),
        )

    def _used_bytes(self) -> int:
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        (page_bytes,) = self._db.execute("PRAGMA page_size").fetchone()
        return int(pages - free) * int(page_bytes)
