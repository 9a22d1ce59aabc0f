"""What systemd is told: that we are ready, how it goes, and that we still move.

After sd_notify(3) and sd_watchdog_enabled(3), without a package: one datagram to the socket that
`NOTIFY_SOCKET` names. Without that variable nothing is sent.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

_log = logging.getLogger(__name__)

_BEAT_UNWATCHED_S: Final = 20.0
_START_EXTENDED_S: Final = 90.0
_MICROSECONDS: Final = 1_000_000


class Notifier:
    """Tells the supervisor that `environ` names; without one it does nothing.

    What cannot be sent is logged and forgotten: a service never fails for its supervisor.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._every_s = _beat_every_s(environ)
        self._due_s = 0.0
        self._is_ready = False

    @property
    def is_heard(self) -> bool:
        """Whether there is a supervisor to tell."""
        return self._address is not None

    def ready(self) -> None:
        """Say that the service works; only the first call says it."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """Say how it goes, for `systemctl status`."""
        self._send(_status(text))

    def extend_start(self, seconds: float) -> None:
        """Ask for `seconds` from now to become ready."""
        self._send(_extended_by(seconds))

    def beat(self, status: Callable[[], str]) -> None:
        """Tell that the service moves, if a third of the watchdog's time has passed.

        Call it often, from the thread that works, and only while all that has to move does.
        Before `ready` it lengthens the time for the start, as a service that waits for what it
        needs is to be let wait. `status` gives what `systemctl status` shows.
        """
        if self._address is None or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + self._every_s
        told = "WATCHDOG=1" if self._is_ready else _extended_by(_START_EXTENDED_S)
        self._send(told, _status(status()))

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
                # A supervisor that does not read must not hold us up.
                way.setblocking(False)
                way.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            _log.warning("the supervisor was not told %s: %s", assignments[0], error)


def _address(named: str) -> str | None:
    """Give the address of `NOTIFY_SOCKET`: a path, or after `@` a name in the abstract space."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _beat_every_s(environ: Mapping[str, str]) -> float:
    """Give a third of the watchdog's time, where the watchdog is for this process."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or int(microseconds) == 0 or meant != str(os.getpid()):
        return _BEAT_UNWATCHED_S
    return int(microseconds) / _MICROSECONDS / 3


def _extended_by(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}"


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
