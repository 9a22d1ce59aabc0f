"""A call that may hang: on a daemon thread of its own, one at a time, given up after its time.

The pool executors of the standard library wait for their threads at exit; a read that hangs with
its device would hold the agent with it.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class StillRunningError(RuntimeError):
    """The call before has not returned yet."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The call did not return in `timeout_s`; what it may still give is thrown away."""

    timeout_s: float


class BlockingCall(Generic[T]):
    """Runs one call at a time. `start` and `poll` are for one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._answers: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._running = False
        self._wanted = False
        self._timeout_s = 0.0
        self._until_s = 0.0

    def start(self, call: Callable[[], T], now_s: float, timeout_s: float) -> None:
        """Begin a call, which must not raise. Raises StillRunningError while another hangs."""
        if self._running and self._wanted:
            raise StillRunningError(self._name)
        self._drain()
        if self._running:
            raise StillRunningError(self._name)
        self._running = self._wanted = True
        self._timeout_s, self._until_s = timeout_s, now_s + timeout_s
        thread = threading.Thread(
            target=lambda: self._answers.put(call()), name=self._name, daemon=True
        )
        thread.start()

    def poll(self, now_s: float, patience_s: float) -> T | TimedOut | None:
        """Give the answer, waiting for it at most `patience_s`; None while there is none."""
        if not self._wanted:
            return None
        try:
            answer = self._answers.get(timeout=max(patience_s, 0.0))
        except queue.Empty:
            if now_s < self._until_s:
                return None
            self._wanted = False
            return TimedOut(self._timeout_s)
        self._running = self._wanted = False
        return answer

    def abandon(self) -> None:
        """Throw away whatever the call on its way may still give."""
        self._wanted = False

    def _drain(self) -> None:
        try:
            self._answers.get_nowait()
        except queue.Empty:
            return
        self._running = False
