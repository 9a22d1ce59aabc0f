"""Bringing an older database to the schema of this program, with a copy of it made before.

All steps are one transaction: killed at any moment, the database is as it was before, and the
next try begins anew. A copy that was not finished is removed by that next try.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

from sqlalchemy.engine import Engine

from rollcall.recorder import schema
from rollcall.recorder.engine import CLAIMED, Cause, Database
from rollcall.recorder.engines import database_of
from rollcall.recorder.errors import DatabaseBrokenError, DatabaseUnavailableError, RecorderError

# Up to here the recorder upgrades at its start, by itself; it takes seconds.
SMALL_BYTES: Final = 256 * 1024 * 1024
# What a memory card can be trusted to write; for estimates.
_SLOW_BYTES_PER_S: Final = 20 * 1024 * 1024
_CLAIM_EVERY_S: Final = 0.25
_CLAIM_WITHIN_S: Final = 5.0
_UNFINISHED: Final = ".unfinished"


class Estimate(NamedTuple):
    """What an upgrade is about: the database, its schema and ours, the steps, how much, how long.

    `seconds` is what a memory card would take to copy it and to go through it once.
    """

    where: str
    theirs: str | None
    ours: str
    steps: tuple[str, ...]
    size_bytes: int
    seconds: float


class Upgrade:
    """The database behind an open `engine` of `database`."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator[Self]:
        """Open the database of `url` alone: no recorder may run on it.

        Raises ConfigError, AlreadyRunningError and RecorderError with its kinds, also for what
        happens within.
        """
        database = database_of(url)
        try:
            with database.identity_lock():
                engine = database.open()
                try:
                    claim(engine, _CLAIM_WITHIN_S)
                    yield cls(database, engine)
                finally:
                    database.close(engine)
        except database.faults as error:
            raise translated(database, error) from error

    def estimate(self) -> Estimate:
        """Say what there is to do. Raises ConfigError for a newer or foreign schema."""
        with self._engine.begin() as connection:
            found = schema.standing(connection, self._database.where)
            size_bytes = self._database.size_bytes(connection)
        seconds = 2 * size_bytes / _SLOW_BYTES_PER_S if found.is_old else 0.0
        return Estimate(
            self._database.where, found.theirs, found.ours, found.pending, size_bytes, seconds
        )

    def back_up(self, target: Path) -> None:
        """Copy the database to `target`; where such a copy is complete already, it stays."""
        if target.exists():
            return
        unfinished = unfinished_of(target)
        unfinished.unlink(missing_ok=True)
        self._database.back_up(self._engine, unfinished)
        unfinished.rename(target)

    def apply(self, done: Callable[[str], None] = lambda _step: None) -> None:
        """Take all steps; `done` hears of each.

        Raises RecorderError when other recorders, of the older version, are at work.
        """
        with self._engine.begin() as connection:
            self._database.lock_schema(connection)
            where = self._database.where
            found = schema.standing(connection, where)
            if found.is_old and not self._database.is_alone(connection):
                raise RecorderError(
                    f"{where} has schema {found.theirs}, and other recorders work on it; stop all "
                    "of them, and start them again in this version"
                )
            schema.bring_up_to_date(connection, self._database.macros, where, done)


def claim(engine: Engine, within_s: float = math.inf) -> None:
    """Connect, when a killed program's connection still holds our place a moment later.

    Raises AlreadyRunningError when it is held on and on, DatabaseUnavailableError when it is held
    after `within_s`, and what connecting raises.
    """
    until_s = time.monotonic() + within_s
    while True:
        try:
            engine.connect().close()
        except DatabaseUnavailableError as error:
            if error.state != CLAIMED or time.monotonic() > until_s:
                raise
            time.sleep(_CLAIM_EVERY_S)
        else:
            return


def unfinished_of(target: Path) -> Path:
    """Give the file that becomes the copy `target` when it is complete."""
    return target.with_name(target.name + _UNFINISHED)


def translated(database: Database, error: Exception) -> RecorderError:
    """Give our own error for what `database` raised outside of a batch."""
    cause, state = database.judge(error)
    said = str(getattr(error, "orig", error)).strip()
    if cause is Cause.WAIT:
        return DatabaseUnavailableError(state, f"the database cannot be written: {said}")
    return DatabaseBrokenError(
        f"the database {database.where} is unusable: {said}; {database.remedy}"
    )
