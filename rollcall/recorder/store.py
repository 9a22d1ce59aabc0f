"""The only writer of the database.

A batch is one transaction: ledger, samples, presence, events, refusals. It is durable when
`commit` returns. A row that no column holds costs only its own message: the batch is halved until
the offender stands alone, and that one is stored as a refusal.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from sqlalchemy.engine import Connection, Engine

from rollcall.broker.messages import Receipt
from rollcall.recorder import schema
from rollcall.recorder.catalogue import Catalogue
from rollcall.recorder.engine import Cause, Membership
from rollcall.recorder.engines import database_of
from rollcall.recorder.errors import (
    DatabaseBrokenError,
    DatabaseUnavailableError,
    RecorderError,
)
from rollcall.recorder.findings import (
    EventFound,
    Finding,
    Intake,
    Refused,
    ReportFound,
    node_of,
)
from rollcall.recorder.transaction import Stored, Transaction
from rollcall.recorder.upgrade import SMALL_BYTES, Upgrade, claim, translated
from rollcall.service.config import ConfigError, Fault

_log = logging.getLogger(__name__)

_MAX_OFFENDERS: Final = 3

_Entry = tuple[Intake, Finding]
_T = TypeVar("_T")


class _PoisonError(Exception):
    """A row of the batch cannot be stored; the text says why."""


class Store:
    """The database behind `url`, open for writing; a context manager.

    Entering takes the lock and opens the database. One that is away just now is opened by the
    next call that needs it. Raises ConfigError for a URL or a schema that this program cannot
    use, AlreadyRunningError when another recorder has the database, and RecorderError with its
    kinds. `membership` is ours among several recorders on one PostgreSQL database.
    """

    def __init__(self, url: str, membership: Membership | None = None) -> None:
        self._database = database_of(url, membership)
        self._shared = membership is not None and membership.shared
        self._held = ExitStack()
        self._engine: Engine | None = None
        self._catalogue: Catalogue | None = None
        self.is_open = False
        self.uuid = ""
        self.replaced: frozenset[str] = frozenset()
        self.group = ""

    def __enter__(self) -> Self:
        try:
            self._held.enter_context(self._database.identity_lock())
        except OSError as error:
            raise RecorderError(
                f"{self._database.where} cannot be opened: {error.strerror}; name another file "
                "in [recorder] database, or let this user write its folder"
            ) from error
        try:
            self._engine = self._database.open()
            self._open_unless_away(self._engine)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def commit(self, batch: Sequence[Intake]) -> Stored:
        """Store the findings of some messages durably, each report and event once.

        Raises DatabaseUnavailableError (the same batch may go later; what is stored by then is
        not stored again) and DatabaseBrokenError.
        """
        stored = Stored()
        entries = [(intake, finding) for intake in batch for finding in intake.findings]
        offenders = self._commit_halving(entries, stored, 0)
        if offenders:
            _log.error("%d rows were refused by the database itself", offenders)
        return stored

    def apply(self, step: Callable[[Connection], _T]) -> _T:
        """Do one short step of upkeep in a transaction of its own; give what it gave.

        Raises DatabaseUnavailableError (nothing of the step has happened) and DatabaseBrokenError.
        """
        try:
            with self.open().begin() as connection:
                return step(connection)
        except self._database.faults as error:
            raise self._translated(error) from error

    def leads(self) -> bool:
        """Say whether we do what only one of several recorders may do; take the lead if we can.

        A single recorder leads. Raises DatabaseUnavailableError and DatabaseBrokenError.
        """
        return not self._shared or self.apply(self._database.lead)

    def refresh(self, nodes: Collection[str]) -> None:
        """Hear what other recorders have stored of `nodes`.

        Raises DatabaseUnavailableError and DatabaseBrokenError.
        """
        if not self._shared:
            return
        catalogue, self._catalogue = self._catalogue, None
        if catalogue is None:
            catalogue = self.apply(Catalogue.load)
        else:
            known = catalogue
            self.apply(lambda connection: known.refresh(connection, nodes))
        self._catalogue = catalogue

    def receipt(self, node: str) -> Receipt | None:
        """Give what may be said to `node`: None when nothing of it is known."""
        current = None if self._catalogue is None else self._catalogue.current_epoch(node)
        if current is None:
            return None
        epoch, ledger = current
        through, missing = ledger.receipt()
        return Receipt(database=self.uuid, epoch=epoch, through=through, missing=missing)

    def nodes(self) -> list[str]:
        """Give the names of all nodes that are known."""
        return [] if self._catalogue is None else list(self._catalogue.nodes)

    def size_bytes(self) -> int:
        """Give how much the database takes on disk.

        Raises OSError, DatabaseUnavailableError and DatabaseBrokenError.
        """
        return self.apply(self._database.size_bytes)

    def free_bytes(self) -> int | None:
        """Give how much is free where the database lies; None: not known. Raises OSError."""
        return self._database.free_bytes()

    def open(self) -> Engine:
        """Open the database unless it is open: make or upgrade the schema, load what is known.

        Raises what entering raises, and DatabaseUnavailableError.
        """
        if self._engine is None:
            raise RecorderError("the store was not entered")
        if self.is_open:
            return self._engine
        try:
            self._upgrade(Upgrade(self._database, self._engine))
            with self._engine.begin() as connection:
                self.uuid, *replaced = schema.identities(connection)
                self.replaced = frozenset(replaced)
                self.group = schema.group(connection)
                self._catalogue = Catalogue.load(connection)
            with self._engine.connect() as connection:
                self._database.patience(connection)
        except self._database.faults as error:
            raise self._translated(error) from error
        self.is_open = True
        return self._engine

    def _open_unless_away(self, engine: Engine) -> None:
        try:
            # To go on without would take the place at the broker of whoever holds the database.
            claim(engine)
        except self._database.faults as error:
            if self._database.judge(error).cause is not Cause.WAIT:
                raise self._translated(error) from error
        try:
            self.open()
        except DatabaseUnavailableError as error:
            _log.warning("%s", error)

    def _upgrade(self, upgrade: Upgrade) -> None:
        """Make or upgrade the schema; a large database is left to whoever looks after it."""
        found = upgrade.estimate()
        if found.theirs is not None and found.steps:
            if found.size_bytes > SMALL_BYTES:
                raise ConfigError(
                    "the configuration",
                    [
                        Fault(
                            "",
                            f"[recorder] database: {found.where} has schema {found.theirs} and is "
                            "large; run: rollcall db upgrade",
                        )
                    ],
                )
            copy = self._database.copy_before(found.ours)
            if copy is not None:
                upgrade.back_up(copy)
                _log.info("%s: copied to %s before the upgrade", found.where, copy)
        upgrade.apply()

    def _close(self) -> None:
        if self._engine is not None:
            self._database.close(self._engine)
        self._held.close()

    def _commit_halving(self, entries: list[_Entry], stored: Stored, offenders: int) -> int:
        """Commit; on a poisoned row, each half by itself. Give the number of offenders so far."""
        try:
            stored.add(self._commit_once([finding for _, finding in entries]))
        except _PoisonError as poison:
            if len(entries) > 1:
                middle = len(entries) // 2
                offenders = self._commit_halving(entries[:middle], stored, offenders)
                return self._commit_halving(entries[middle:], stored, offenders)
            offenders += 1
            if offenders > _MAX_OFFENDERS:
                raise DatabaseBrokenError(
                    f"the database refuses row after row: {poison}; please report this"
                ) from poison
            stored.add(self._commit_once([_refusal(*entries[0], str(poison))]))
        return offenders

    def _commit_once(self, findings: Sequence[Finding]) -> Stored:
        engine = self.open()
        catalogue, self._catalogue = self._catalogue, None
        try:
            with engine.begin() as connection:
                nodes = _nodes_of(findings) if self._shared else set()
                self._database.lock_nodes(connection, nodes)
                known = catalogue or Catalogue.load(connection)
                if nodes and catalogue:
                    known.refresh(connection, nodes)
                transaction = Transaction(connection, known, self._database)
                for finding in findings:
                    transaction.take(finding)
                stored = transaction.finish()
        except self._database.faults as error:
            raise self._translated(error) from error
        self._catalogue = known
        return stored

    def _translated(self, error: Exception) -> Exception:
        if self._database.judge(error).cause is Cause.POISON:
            return _PoisonError(str(getattr(error, "orig", error)).strip())
        return translated(self._database, error)


def _nodes_of(findings: Sequence[Finding]) -> set[str]:
    return {node for found in findings if (node := node_of(found)) is not None}


def _refusal(intake: Intake, finding: Finding, error: str) -> Refused:
    """Make a refusal of a finding; it settles the number of one that carries a number."""
    number = finding.number if isinstance(finding, ReportFound | EventFound) else None
    return Refused(intake.topic, "unstorable", error, intake.payload, intake.received_ms, number)
