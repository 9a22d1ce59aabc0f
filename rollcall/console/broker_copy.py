"""The files of a broker's folder, for a backup of them and back: authority, rules, identities.

What the broker itself keeps in `state/` is not among them: agents and services bring it back.
"""

import datetime as dt
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rollcall.broker import folder_setup
from rollcall.broker.broker_folder import BrokerFolder
from rollcall.broker.private_files import make_private_folder, write_private

_NAME: Final = "[A-Za-z0-9_-][A-Za-z0-9._-]*"
_OURS: Final = re.compile(
    rf"broker\.json|mosquitto\.conf|acl|passwd|pki/{_NAME}|identities/{_NAME}/{_NAME}"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the files there now compare with those in a backup; all are paths in the folder."""

    same: tuple[str, ...]
    other: tuple[str, ...]
    only_in_backup: tuple[str, ...]
    only_there: tuple[str, ...]

    @classmethod
    def between(cls, backup: Mapping[str, str], there: Mapping[str, str]) -> Self:
        """Compare digests by path."""
        both = sorted(backup.keys() & there.keys())
        return cls(
            tuple(path for path in both if backup[path] == there[path]),
            tuple(path for path in both if backup[path] != there[path]),
            tuple(sorted(backup.keys() - there.keys())),
            tuple(sorted(there.keys() - backup.keys())),
        )

    @property
    def is_none(self) -> bool:
        """Whether both are the same."""
        return not (self.other or self.only_in_backup or self.only_there)


def files_of(folder: Path) -> dict[str, str]:
    """Give the text of each file by its path in the folder; nothing where there is no broker.

    Each was read between two changes of the folder, not during one. Raises OSError.
    """
    found = dict(_read(folder))
    while (again := dict(_read(folder))) != found:
        found = again
    return found if "broker.json" in found else {}


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """Give the SHA-256 of each file's text, by path."""
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}


def is_path(text: str) -> bool:
    """Say whether a path is that of a file which `rollcall broker init` and `node add` make."""
    return _OURS.fullmatch(text) is not None


def kept_beside(folder: Path, now: dt.datetime) -> Path:
    """Copy what is there, for its owner alone, and give the copy. Raises OSError."""
    copy = folder.with_name(f"{folder.name}.before-{now:%Y%m%dT%H%M%SZ}")
    make_private_folder(copy)
    for path, text in _read(folder):
        make_private_folder((copy / path).parent)
        write_private(copy / path, text)
    return copy


def put_back(folder: Path, files: Mapping[str, str], now: dt.datetime) -> None:
    """Make the folder hold these of our files and no others, and give the broker's account its own.

    One that is cut short goes on when it is run again. What has worn out meanwhile is made anew.
    Raises BrokerFolderError, CredentialError, OSError.
    """
    for path in dict(_read(folder)).keys() - files.keys():
        (folder / path).unlink()
    for path, text in files.items():
        make_private_folder((folder / path).parent)
        write_private(folder / path, text)
    for place in folder.glob("identities/*"):
        if place.is_dir() and not any(place.iterdir()):
            shutil.rmtree(place)
    for change in folder_setup.changes(BrokerFolder.open(folder), now):
        change.do()


def _read(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if is_path(name) and path.is_file():
            yield name, path.read_text("utf-8")
