"""Files that only their owner reads, replaced whole or not at all."""

import os
import tempfile
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it, that only its owner enters. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file durably and at once, mode 0600, keeping its owner. Raises OSError.

    Whoever reads it meanwhile finds the old text or the new one, never a part. A file that
    belongs to the broker's account goes on belonging to it.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            _keep_owner(file.fileno(), path)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _keep_owner(descriptor: int, path: Path) -> None:
    if path.exists() and os.geteuid() == 0:
        was = path.stat()
        os.fchown(descriptor, was.st_uid, was.st_gid)
