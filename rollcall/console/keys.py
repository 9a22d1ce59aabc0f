"""Keys from a terminal, one at a time and without an echo."""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self

_AT_ONCE: Final = 256
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
        self._pending = ""

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
        if not self._pending:
            ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
            if not ready:
                return None
            self._pending = os.read(self._descriptor, _AT_ONCE).decode("utf-8", "ignore")
        key, self._pending = split(self._pending)
        return key


def split(text: str) -> tuple[str | None, str]:
    """Take the first key off what a terminal sent; give it and the rest.

    An arrow is several characters that come at once; what follows a lone escape is a key too.
    """
    for length in (3, 1):
        if text[:length] in _NAMED:
            return _NAMED[text[:length]], text[length:]
    return (text[0] if text[:1].isprintable() and text else None), text[1:]
