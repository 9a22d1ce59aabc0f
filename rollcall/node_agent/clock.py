"""Whether the clock of this host is disciplined.

The kernel keeps the largest error its clock may have; a time service brings it down, and without
one it grows and stays at 16 s. Source: adjtimex(2).
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from functools import cache
from typing import Final

from rollcall.node_agent.schedule import Moment

UNDISCIPLINED_S: Final = 16.0
# A host without a battery-backed clock starts long before this program was written (2026-01-01).
_WRITTEN_S: Final = 1_767_225_600
_TIMEX_BYTES: Final = 512
_STEP_MS: Final = 500
_UP_TO_MAXERROR: Final = "@Illl"


def kernel_error_s() -> float:
    """Give the largest error of the kernel's clock, in seconds, as adjtimex tells it.

    Raises OSError where reading it is not allowed.
    """
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if _c_library().adjtimex(timex) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "adjtimex")
    microseconds: int = struct.unpack_from(_UP_TO_MAXERROR, timex)[3]
    return microseconds / 1e6


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def is_synchronized(error_s: float | None, *, marked: bool, wall_s: float) -> bool:
    """Judge the clock. Pure.

    `error_s` is the kernel's largest error, None where it cannot be read: then `marked` decides,
    whether the time service has left its mark. A date before this program was written is wrong
    whatever they say.
    """
    if wall_s < _WRITTEN_S:
        return False
    return marked if error_s is None else error_s < UNDISCIPLINED_S


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the clock showed.

    `step_s`: by how many seconds it was stepped; None when it was not. `offset_ms`: what the clock,
    now right, showed at the start of this boot, where that is news.
    """

    step_s: float | None
    offset_ms: int | None


class ClockWatch:
    """Compares the wall clock with the time since boot, from look to look. Pure.

    A clock that is slewed moves too little between two looks to be called stepped.
    """

    def __init__(self) -> None:
        self._offset_ms: int | None = None
        self.synchronized = False

    def look(self, now: Moment, *, synchronized: bool) -> Seen:
        """Look again, at least every few seconds."""
        before_ms, self._offset_ms = self._offset_ms, now.wall_ms - now.boottime_ms
        moved_ms = 0 if before_ms is None else self._offset_ms - before_ms
        stepped = abs(moved_ms) > _STEP_MS
        is_news = synchronized and (stepped or not self.synchronized)
        self.synchronized = synchronized
        return Seen(moved_ms / 1000 if stepped else None, self._offset_ms if is_news else None)
