"""Is the database there, of our schema, whole, and with room to grow? Pure."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rollcall.console.doctor.findings import Finding
from rollcall.console.options import EXIT_OUT_OF_REACH
from rollcall.console.words import age
from rollcall.recorder.errors import DatabaseUnavailableError, NewerSchemaError
from rollcall.service.config import ConfigError
from rollcall.service.lifecycle import EXIT_CONFIGURATION

if TYPE_CHECKING:
    from rollcall.recorder.checkup import Checkup, Refusal  # needs SQLAlchemy, which nodes have not

_MIB: Final = 1024 * 1024
_SCARCE_BYTES: Final = 1024 * _MIB
_NEARLY_FULL_BYTES: Final = 100 * _MIB
_EXPLAIN: Final = "rollcall config explain recorder.database"
_RESTORE: Final = "rollcall restore --help"
_DAMAGED: Final = "a power cut, a failing disk, or another program wrote into it"


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """The database as it was looked at, at `wall_s` (Unix seconds): a check-up, or what failed.

    `where` names it without secrets. `is_named`: somebody chose it, so that it has to be there;
    `health` is what the recorder says, None without one that lives. `root` of the topics.
    `is_expected_here`: the broker is on this machine, so that the recorder may be, too.
    """

    where: str
    found: "Checkup | Exception"
    wall_s: float
    is_named: bool
    health: Mapping[str, Any] | None
    root: str
    is_missing_file: bool = False
    is_expected_here: bool = True


def database(seen: DatabaseSeen) -> Iterator[Finding]:
    """Judge it."""
    if isinstance(seen.found, Exception):
        yield _away(seen, seen.found)
        return
    found = seen.found
    if found.fault:
        yield Finding(
            "database",
            "critical",
            f"{seen.where} is damaged: {found.fault}",
            why=_DAMAGED,
            remedy=_RESTORE,
        )
    else:
        yield _standing(seen, found)
    if seen.health is None:
        # A recorder that lives says it itself.
        yield from _room(found)
    yield from _refusals(found.refused, seen)


def _away(seen: DatabaseSeen, error: Exception) -> Finding:
    if seen.is_missing_file:
        return _missing(seen)
    match error:
        case NewerSchemaError():
            text = error.faults[0].text.removeprefix("[recorder] database: ")
            remedy = "pip install --upgrade 'rollcall-mqtt[hub]'"
            return Finding("database", "critical", text, remedy=remedy, code=EXIT_CONFIGURATION)
        case ConfigError():
            text, code = error.faults[0].text, EXIT_CONFIGURATION
            return Finding("database", "critical", text, remedy=_EXPLAIN, code=code)
        case ModuleNotFoundError():
            text = f"cannot be looked at here: the package {error.name} is missing"
            return Finding("database", "unknown", text, remedy="pip install 'rollcall-mqtt[hub]'")
        case DatabaseUnavailableError() | OSError():
            # Its text is for a recorder that writes; what it was made of is what was said to us.
            said = getattr(error.__cause__, "orig", None) or error
            text, code = f"{seen.where} is out of reach: {said}", EXIT_OUT_OF_REACH
            return Finding("database", "critical", text, remedy=_look(seen.where), code=code)
    return Finding("database", "critical", str(error), why=_DAMAGED, remedy=_RESTORE)


def _missing(seen: DatabaseSeen) -> Finding:
    if seen.health is not None and not seen.is_named:
        state = seen.health.get("database", "unknown")
        return Finding("database", "ok", f"not on this machine; its recorder says: {state}")
    if not seen.is_named and not seen.is_expected_here:
        return Finding("database", "ok", "not on this machine, and no recorder tells of it")
    return Finding(
        "database",
        "critical",
        f"there is no {seen.where}",
        why="nothing has been recorded there yet, or [recorder] database means another",
        remedy=_EXPLAIN,
        code=EXIT_OUT_OF_REACH,
    )


def _look(where: str) -> str:
    if where.startswith("/"):
        return f"ls -l {shlex.quote(where)}"
    return _EXPLAIN


def _standing(seen: DatabaseSeen, found: "Checkup") -> Finding:
    standing = found.standing
    if standing.theirs is None:
        return Finding(
            "database", "warning", f"{seen.where} is empty", remedy="rollcall run recorder"
        )
    if standing.pending:
        return Finding(
            "database",
            "warning",
            f"{seen.where} has schema {standing.theirs}, this version's is {standing.ours}",
            why="a recorder upgrades a small database at its start, a large one is yours to time",
            remedy="rollcall db upgrade --dry-run",
        )
    told = [f"{seen.where}: schema {standing.theirs}"]
    told += [f"{found.size_bytes / _MIB:,.1f} MiB"] if found.size_bytes is not None else []
    told += [f"{found.free_bytes / _MIB:,.0f} MiB free"] if found.free_bytes is not None else []
    if found.newest_ts is not None:
        told.append(f"newest sample {age(max(seen.wall_s - found.newest_ts / 1000, 0))} old")
    return Finding("database", "ok", ", ".join(told))


def _room(found: "Checkup") -> Iterator[Finding]:
    free = found.free_bytes
    if free is None or free >= _SCARCE_BYTES:
        return
    yield Finding(
        "database",
        "critical" if free < _NEARLY_FULL_BYTES else "warning",
        f"{free / _MIB:,.0f} MiB are free where it lies",
        remedy="rollcall prune --dry-run",
    )


def _refusals(refused: "tuple[Refusal, ...]", seen: DatabaseSeen) -> Iterator[Finding]:
    if not refused:
        return
    newest = refused[0]
    times = sum(one.times for one in refused)
    node = node_of(newest.topic, seen.root)
    yield Finding(
        "rejected",
        "warning",
        f"{times} messages of the last day were refused, the newest on {newest.topic} "
        f"({newest.reason})",
        why=newest.error,
        remedy=f"rollcall doctor --node {node}" if node else "rollcall broker check",
    )


def node_of(topic: str, root: str) -> str | None:
    """Give the node whose topic it is; None for one that is not a node's."""
    levels = topic.removeprefix(f"{root}/").split("/")
    is_nodes = topic.startswith(f"{root}/node/") and len(levels) > 1
    return levels[1] if is_nodes else None
