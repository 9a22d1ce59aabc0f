"""Is the configuration right, and are its secrets closed to others? Pure."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcall.console.doctor.findings import Finding
from rollcall.service.config import Fault
from rollcall.service.lifecycle import EXIT_CONFIGURATION

_READ_BY_OTHERS: Final = 0o004
_WRITTEN_BY_OTHERS: Final = 0o022
_LABEL: Final = re.compile(r"\[(?P<section>[^\]]+)\] (?P<key>\w+):")
_NEAREST: Final = re.compile(r'did you mean "(\w+)"')


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file that the configuration names under `key`, or the configuration itself (no key).

    `mode` are its permission bits, None where they cannot be seen; `error` says why it cannot be
    read. `holds_secret`: whoever reads it can pose as us.
    """

    key: str
    path: Path
    holds_secret: bool
    mode: int | None = None
    error: str = ""


def mistakes(faults: Sequence[Fault]) -> Iterator[Finding]:
    """Say every mistake of a configuration that cannot be used."""
    for fault in faults:
        yield Finding(
            "configuration",
            "critical",
            str(fault),
            why="nothing that reads it starts, and nothing else can be looked at",
            remedy=_explaining(fault.text),
            code=EXIT_CONFIGURATION,
        )


def configuration(file: Path | None, files: Sequence[FileSeen]) -> Iterator[Finding]:
    """Judge a configuration without mistakes, and the files it names."""
    yield Finding("configuration", "ok", f"{file or 'no file, only defaults'}: no mistakes")
    found = [finding for seen in files for finding in _of_file(seen)]
    yield from found
    secrets = sum(seen.holds_secret for seen in files)
    if not found and secrets:
        told = "1 file with a secret is" if secrets == 1 else f"{secrets} files with secrets are"
        yield Finding("permissions", "ok", f"{told} closed to others")


def _of_file(seen: FileSeen) -> Iterator[Finding]:
    named = f"{seen.key}: {seen.path}" if seen.key else str(seen.path)
    path = shlex.quote(str(seen.path))
    if seen.error:
        yield Finding(
            "permissions" if seen.mode is not None else "configuration",
            "critical",
            f"{named} cannot be read: {seen.error}",
            remedy=f"ls -l {path}" if seen.mode is not None else "rollcall config check",
        )
    if seen.mode is None:
        return
    if seen.holds_secret and seen.mode & _READ_BY_OTHERS:
        yield Finding(
            "permissions",
            "critical",
            f"{named} can be read by everybody on this machine (mode {seen.mode:04o})",
            why="whoever reads it can pose as us",
            remedy=f"chmod o-rwx {path}",
        )
    elif seen.mode & _WRITTEN_BY_OTHERS:
        yield Finding(
            "permissions",
            "warning",
            f"{named} can be changed by others (mode {seen.mode:04o})",
            why="who changes it decides what our programs do",
            remedy=f"chmod go-w {path}",
        )


def _explaining(fault: str) -> str:
    """Give the command that says what the key of a fault may be."""
    found = _LABEL.match(fault)
    if found is None:
        return "rollcall config check"
    nearest = _NEAREST.search(fault)
    if nearest is None and "unknown key" in fault:
        return f"rollcall config explain {found['section']}"
    return f"rollcall config explain {found['section']}.{nearest[1] if nearest else found['key']}"
