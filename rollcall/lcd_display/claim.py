"""One process for one display: a record lock on the bus' device file, at the display's address.

The lock is of the kernel's (fcntl): it dies with its holder, holds between all users and sandboxes
that see the device, and names the process. It ends when the process closes the device.
"""

import fcntl
import struct
from typing import Final

from rollcall.service.lock import AlreadyRunningError

_RECORD: Final = "hhqqi4x"  # struct flock: type, whence, start, length, process


def claim(descriptor: int, address: int, where: str) -> None:
    """Claim the display at `address` of the open bus. Raises AlreadyRunningError with its holder.

    `where` names the bus in words.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, address)
    except (BlockingIOError, PermissionError):
        holder = claimed_by(descriptor, address)
        raise AlreadyRunningError(
            f"the display at 0x{address:02x} of {where} is in use by"
            f" {f'process {holder}' if holder else 'another process'}: stop that first"
        ) from None


def claimed_by(descriptor: int, address: int) -> int | None:
    """Give the process that has claimed the display at `address`; None when nobody has."""
    asked = struct.pack(_RECORD, fcntl.F_WRLCK, 0, address, 1, 0)
    kind, _, _, _, process = struct.unpack(_RECORD, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return int(process) if kind != fcntl.F_UNLCK else None
