"""What systemd hears: the datagram socket behind `NOTIFY_SOCKET`."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import wait_until


class SupervisorUnderTest:
    """Listens on a socket at `address` (a path, or `@` and an abstract name); a context manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        bound = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        self._socket.bind(bound)
        self._socket.setblocking(False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()

    def lines(self) -> list[str]:
        """Give every assignment that came so far, in order."""
        while True:
            try:
                self.heard += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def count(self, assignment: str) -> int:
        return self.lines().count(assignment)

    def wait_for(self, assignment: str, timeout_s: float = 20) -> None:
        wait_until(lambda: assignment in self.lines(), timeout_s, what=assignment)
