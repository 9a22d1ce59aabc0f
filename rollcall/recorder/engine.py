"""What the recorder asks of a database engine.

What differs between the engines lives behind `Database`: opening and closing, the judgement of
errors, locks between processes, the dialect of the views, and how samples are put in.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

# The state of a database that another recorder holds, or held until a moment ago.
CLAIMED: Final = "claimed"
# Time, value, series.
SampleRow = tuple[int, float, int]
SampleRows = Sequence[SampleRow]


class Cause(StrEnum):
    """What a failed statement calls for.

    `WAIT`: the same again later. `POISON`: a row no column holds. `BROKEN`: nothing helps.
    """

    WAIT = "wait"
    POISON = "poison"
    BROKEN = "broken"


class Verdict(NamedTuple):
    """The judgement of an error; `state` is one word for what is waited for."""

    cause: Cause
    state: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who we are among the recorders of one database.

    A recorder that is not `shared` is the only one; those that are divide the work.
    """

    name: str = "recorder"
    shared: bool = False


class Database(Protocol):
    """One database of one engine.

    `where` names it in errors, without secrets. `remedy` is what to try when it is damaged.
    `faults` is what its statements raise.
    """

    where: str
    remedy: str
    macros: Mapping[str, str]
    faults: tuple[type[Exception], ...]

    def identity_lock(self) -> AbstractContextManager[object]:
        """Give the lock that has to be held before anything is opened.

        Entering raises AlreadyRunningError when another recorder has it, and OSError.
        """

    def open(self) -> Engine:
        """Make the engine, with a pool of one connection; connects to nothing yet."""

    def close(self, engine: Engine) -> None:
        """Close the connection, and leave the database as others need it."""

    def patience(self, connection: Connection) -> None:
        """Wait only briefly for locks from now on: the caller has other things to look after."""

    def size_bytes(self, connection: Connection) -> int:
        """Give how much it takes on disk. Raises OSError, and what the database raises."""

    def back_up(self, engine: Engine, target: Path) -> None:
        """Write a copy of the whole database to the new file `target`.

        Raises RecorderError, and what the database raises; what was begun is removed then.
        """

    def copy_before(self, schema: str) -> Path | None:
        """Give the file for the copy made before an upgrade to `schema`; None: nowhere beside."""

    def free_bytes(self) -> int | None:
        """Give how much is free where it lies; None: not ours to know. Raises OSError."""

    def judge(self, error: Exception) -> Verdict:
        """Judge what a failed transaction raised."""

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from changing the schema until the transaction ends."""

    def is_alone(self, connection: Connection) -> bool:
        """Say whether no other recorder has the database open; nobody else gets in meanwhile."""

    def lock_nodes(self, connection: Connection, nodes: Collection[str]) -> None:
        """Keep other recorders from writing what belongs to `nodes` until the transaction ends."""

    def lead(self, connection: Connection) -> bool:
        """Say whether this recorder is the one of its group that does what only one may do."""

    def make_days(self, connection: Connection, days: Collection[int]) -> None:
        """Make room for samples of these days (numbered since 1970), where that is needed."""

    def insert_samples(self, connection: Connection, rows: SampleRows) -> int:
        """Insert rows, which come in no order; the first of two at one time stays.

        Give how many were new.
        """

    def upsert_newest(self, connection: Connection, rows: SampleRows) -> None:
        """Make each row the newest of its series, if it is newer."""


def is_poison(error: Exception) -> bool:
    """Say whether a row is at fault, by the error's class alone."""
    return isinstance(error, OverflowError | UnicodeEncodeError | IntegrityError | DataError)
