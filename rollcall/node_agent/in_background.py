"""A program of the system that is asked now and then, and never waited for."""

from collections.abc import Sequence

from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.host import Host


class InBackground:
    """Asks `command` on a thread of its own, every `every_s` at most; for one thread.

    `answer` is what it said last, `complaint` why it did not; neither before the first end.
    """

    def __init__(self, command: Sequence[str], *, every_s: float, timeout_s: float) -> None:
        self._command = list(command)
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._call: BlockingCall[str | OSError] = BlockingCall(command[0])
        self._due_s = 0.0
        self.answer: str | None = None
        self.complaint: str | None = None

    def look(self, host: Host) -> None:
        """Take an answer that has come, and ask again when it is time."""
        now_s = host.boottime_s()
        found = self._call.poll(now_s, 0.0)
        if isinstance(found, str):
            self.answer, self.complaint = found, None
        elif isinstance(found, TimedOut):
            self.answer, self.complaint = None, f"nothing came within {found.timeout_s:g} s"
        elif found is not None:
            self.answer, self.complaint = None, str(found)
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            try:
                self._call.start(lambda: self._ask(host), now_s, self._timeout_s + 5.0)
            except StillRunningError:
                self.answer, self.complaint = None, "it still runs"

    def _ask(self, host: Host) -> str | OSError:
        try:
            return host.ask(self._command, self._timeout_s)
        except OSError as error:
            return error
