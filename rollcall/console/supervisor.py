"""Keep child processes running: start, start again after a moment, stop in order."""

import ctypes
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from rollcall.service.backoff import Backoff

_STOP_WITHIN_S: Final = 8.0
_STEADY_AFTER_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `talks`: its standard output is read by us instead of going to `log`."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    talks: bool = False


class _Child:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0
        self.due_s = 0.0
        self._partial = b""
        self._backoff = Backoff(1.0, 30.0, lambda: random.uniform(0.8, 1.2))  # noqa: S311 - spreads load

    def start(self) -> None:
        program = self.program
        with program.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the programs are our own
                program.command,
                env={**_environment(), **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if program.talks else log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, no thread runs here
            )
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)
        self.started_s = time.monotonic()
        self.due_s = 0.0

    def ended(self) -> int | None:
        """Give the exit code, once, when the process has ended since the last look."""
        code = None if self.process is None else self.process.poll()
        if code is not None:
            self.close()
        return code

    def plan_restart(self) -> float:
        """Give the seconds until the next start: short after a long steady run."""
        if time.monotonic() - self.started_s > _STEADY_AFTER_S:
            self._backoff.succeeded()
        wait_s = self._backoff.failed()
        self.due_s = time.monotonic() + wait_s
        return wait_s

    def lines(self) -> list[str]:
        """Give the whole lines that it has printed since the last call."""
        output = self.process.stdout if self.process else None
        *whole, self._partial = (self._partial + _available(output)).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def close(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


class Supervisor:
    """Runs programs until `stop`; `say` tells people what happened to them.

    They start in the order given and stop in the reverse order, group by group, each with SIGTERM
    and, when it does not heed that for 8 s, SIGKILL. They die with this process, however it ends.
    """

    def __init__(self, groups: Sequence[Sequence[Program]], say: Callable[[str], None]) -> None:
        self._groups = [[_Child(program) for program in group] for group in groups]
        self._say = say

    def start_group(self, number: int) -> None:
        """Start the programs of one group. Raises OSError when one cannot be started."""
        for child in self._groups[number]:
            child.start()

    def look_after(self) -> None:
        """Say who has died, and start again whose time has come."""
        for child in (child for group in self._groups for child in group):
            code = child.ended()
            if code is not None:
                wait_s = child.plan_restart()
                self._say(
                    f"{child.program.name} {_manner(code)}; starting it again in {wait_s:.0f} s "
                    f"(its log: {child.program.log})"
                )
            elif child.due_s and time.monotonic() >= child.due_s:
                child.start()
                self._say(f"{child.program.name} is started again")

    def lines(self) -> list[str]:
        """Give what the talking programs have printed since the last call."""
        return [line for group in self._groups for child in group for line in child.lines()]

    def stop(self) -> None:
        """Stop everything; when it returns, nothing is left running."""
        for group in reversed(self._groups):
            running = [child for child in group if child.process is not None]
            for child in running:
                assert child.process is not None
                child.process.terminate()
            deadline_s = time.monotonic() + _STOP_WITHIN_S
            for child in running:
                self._wait(child, deadline_s)

    def _wait(self, child: _Child, deadline_s: float) -> None:
        assert child.process is not None
        try:
            child.process.wait(max(0.1, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(f"{child.program.name} does not stop; killing it")
            child.process.kill()
            child.process.wait()
        child.close()


def _environment() -> dict[str, str]:
    """Our environment without our settings: the children read the file that we wrote."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}


def end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies; for the child, before it runs."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _available(output: IO[bytes] | None) -> bytes:
    return b"" if output is None else output.read() or b""


def _manner(code: int) -> str:
    return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
