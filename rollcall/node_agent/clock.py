"""Whether the clock of this host is disciplined.

The kernel keeps the largest error its clock may have; a time service brings it down, and without
one it grows and stays at 16 s. Source: adjtimex(2).
"""

import ctypes
import os
import struct
from typing import Final

UNDISCIPLINED_S: Final = 16.0
# A host without a battery-backed clock starts long before this program was written (2026-01-01).
_WRITTEN_S: Final = 1_767_225_600
_TIMEX_BYTES: Final = 512
_UP_TO_MAXERROR: Final = "@Illl"


def kernel_error_s() -> float:
    """Give the largest error of the kernel's clock, in seconds, as adjtimex tells it.

    Raises OSError where reading it is not allowed.
    """
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "adjtimex")
    microseconds: int = struct.unpack_from(_UP_TO_MAXERROR, timex)[3]
    return microseconds / 1e6


def is_synchronized(error_s: float | None, *, marked: bool, wall_s: float) -> bool:
    """Judge the clock. Pure.

    `error_s` is the kernel's largest error, None where it cannot be read: then `marked` decides,
    whether the time service has left its mark. A date before this program was written is wrong
    whatever they say.
    """
    if wall_s < _WRITTEN_S:
        return False
    return marked if error_s is None else error_s < UNDISCIPLINED_S
