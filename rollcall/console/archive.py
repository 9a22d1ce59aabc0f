"""The file of a backup: a tar archive that begins with a manifest.

It holds the copy of the database, the configuration, and the files of a broker's folder.
It is made beside its place, readable by its owner alone, and gets its name when it is complete.
"""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from rollcall.console.options import CommandError

MANIFEST: Final = "manifest.json"
DATABASE: Final = "database"
CONFIGURATION: Final = "rollcall.toml"
BROKER: Final = "broker"
_MOST_BYTES: Final = 1 << 20


class Manifest(BaseModel):
    """What is in a backup, and when it was made; `broker` are the digests of its files, by path."""

    format: int = 1
    made: str
    version: str
    cluster: str
    engine: str
    schema_version: str
    uuid: str
    counts: dict[str, int]
    newest_ts: int | None
    size_bytes: int
    sha256: str
    configuration_sha256: str | None
    broker: dict[str, str] = {}


def pack(
    file: Path,
    manifest: Manifest,
    database: Path,
    configuration: Path | None,
    broker: Mapping[str, str],
) -> None:
    """Write the archive. Raises OSError; nothing is left at `file` then."""
    part = file.with_name(f"{file.name}.part")
    head = file.with_name(f"{file.name}.manifest")
    try:
        head.write_text(manifest.model_dump_json(indent=2), "utf-8")
        descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as opened, tarfile.open(fileobj=opened, mode="w") as tar:
            os.fchmod(opened.fileno(), 0o600)
            tar.add(head, MANIFEST)
            tar.add(database, DATABASE)
            if configuration is not None:
                tar.add(configuration, CONFIGURATION)
            for path, text in broker.items():
                _add_text(tar, f"{BROKER}/{path}", text)
        with part.open("rb") as complete:
            os.fsync(complete.fileno())
        part.rename(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        head.unlink(missing_ok=True)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    about = tarfile.TarInfo(name)
    about.mode, about.size = 0o600, len(text.encode())
    tar.addfile(about, io.BytesIO(text.encode()))


def manifest_of(file: Path) -> Manifest:
    """Read what is in an archive. Raises CommandError."""
    try:
        with tarfile.open(file, "r:") as tar:
            found = tar.extractfile(MANIFEST)
            told = found.read(_MOST_BYTES) if found else b""
        return Manifest.model_validate_json(told)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", "another FILE") from error
    except (tarfile.TarError, KeyError, ValidationError) as error:
        raise CommandError(f"{file} is no backup of Rollcall", "another FILE") from error


def part(file: Path, name: str) -> bytes:
    """Read one small part of an archive. Raises OSError, CommandError."""
    with tarfile.open(file, "r:") as tar:
        try:
            found = tar.extractfile(name)
        except KeyError:
            found = None
        if found is None:
            raise CommandError(f"{file} has no part {name}", "another FILE")
        return found.read(_MOST_BYTES)


def unpack(file: Path, name: str, target: Path) -> None:
    """Write one part of an archive to the file `target`, 0600. Raises OSError, CommandError."""
    descriptor = os.open(target, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as opened, tarfile.open(file, "r:") as tar:
        found = tar.extractfile(name)
        if found is None:
            raise CommandError(f"{file} has no part {name}", "another FILE")
        while chunk := found.read(_MOST_BYTES):
            opened.write(chunk)
