"""Keys from a terminal, one at a time and without an echo."""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self

_NAMED: Final = {
    "\r": "enter",
    "\n": "enter",
    "\x1b": "escape",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
}


class Keys:
    """Standard input as keys; a context manager that gives the terminal back as it was."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def read(self, timeout_s: float) -> str | None:
        """Wait for a key: its character, or `enter`, `escape`, `backspace`, `up`, `down`.

        None when no key came in time, or one that has no name here.
        """
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return None
        # An arrow comes as several bytes at once.
        text = os.read(self._descriptor, 16).decode("utf-8", "ignore")
        if text in _NAMED:
            return _NAMED[text]
        return text[:1] if text[:1].isprintable() and text else None
