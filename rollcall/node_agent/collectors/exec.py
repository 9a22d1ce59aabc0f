"""A program of one's own: run without a shell, what it prints is the report.

It prints JSON, `{"fields": {...}, "instances": {...}}`, or lines of `name value`. It gets no input,
a bare environment and a process group of its own. When its time is over, or it prints too much,
the group gets SIGTERM and, a second later, SIGKILL; when it has ended, whatever it has left running
in the group is killed. A grandchild may hold the pipes, so nobody waits for their end.
"""

import json
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from rollcall.node_agent.collectors.declaration import Declaration, Found, Number
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import BlockingOptions

_MAX_OUTPUT_BYTES: Final = 64 * 1024
_MAX_COMPLAINT_BYTES: Final = 4096
_GRACE_S: Final = 1.0
_PASSED_ON: Final = ("PATH", "HOME")
_LINE: Final = re.compile(r"\s*(\S+)\s+([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?)\s*")
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code (None: its time was over), and what it printed."""

    code: int | None
    output: bytes
    complaint: str
    printed_too_much: bool


def declaration(name: str) -> Declaration:
    """Declare the collector `name` that a program serves."""
    return Declaration(
        name,
        "What a program of this host prints",
        instance="instance",
        blocks=True,
        options=BlockingOptions,
    )


class Exec:
    """Runs `command` for each report."""

    def __init__(self, name: str, command: Sequence[str], options: BlockingOptions) -> None:
        self.declaration = declaration(name)
        self._command = list(command)
        self._timeout_s = options.timeout_s

    def collect(self, host: Host) -> Found:  # noqa: ARG002 - a program reads what it wants
        """Run it and read what it printed. Raises OSError, ValueError."""
        ended = run(self._command, self._timeout_s)
        if ended.code is None:
            return Found(error=f"timeout: the program did not end within {self._timeout_s:g} s")
        if ended.printed_too_much:
            return Found(error=f"failed: the program printed over {_MAX_OUTPUT_BYTES} bytes")
        if ended.code != 0:
            how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
            return Found(error=f"failed: {ended.complaint or how}")
        return parse(ended.output.decode(errors="replace"))


def parse(text: str) -> Found:
    """Read what a program printed; what cannot be used is dropped and counted."""
    if not text.strip():
        return Found(error="failed: the program printed nothing")
    found = _parse_json(text) if text.lstrip().startswith("{") else _parse_lines(text)
    if found.error is None and not found.fields and not found.instances:
        return Found(
            error="failed: the program printed nothing to be used",
            dropped_values=found.dropped_values,
        )
    return found


def run(command: Sequence[str], timeout_s: float, most_bytes: int = _MAX_OUTPUT_BYTES) -> Ended:
    """Run a program to its end, at most `timeout_s`, or until it has printed over `most_bytes`.

    Raises OSError when it cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - the command stands in this host's own file
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={key: os.environ[key] for key in _PASSED_ON if key in os.environ} | {"LANG": "C.UTF-8"},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as output, process.stderr as complaint, _exit_of(process) as exited:
        heard = _Heard(output.fileno(), complaint.fileno(), most_bytes)
        in_time = heard.listen(exited, time.monotonic() + timeout_s)
        _end_group(process, exited)
    last_line = bytes(heard.complaint).decode(errors="replace").strip().rpartition("\n")[2]
    code = process.returncode if in_time else None
    return Ended(code, bytes(heard.output), last_line, len(heard.output) > most_bytes)


class _Heard:
    """What has come through the two pipes, within bounds."""

    def __init__(self, output: int, complaint: int, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._output = output
        self._complaint = complaint
        self.output = bytearray()
        self.complaint = bytearray()
        for pipe in (output, complaint):
            os.set_blocking(pipe, False)

    def listen(self, exited: int, until_s: float) -> bool:
        """Listen until the program ends or has said too much; False when its time was over."""
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._output, self._complaint, exited):
                selector.register(descriptor, selectors.EVENT_READ)
            while len(self.output) <= self._most_bytes:
                ready = [key.fd for key, _ in selector.select(max(0, until_s - time.monotonic()))]
                if not ready:
                    return False
                for pipe in (self._output, self._complaint):
                    if pipe in ready and not self._hear(pipe):
                        selector.unregister(pipe)
                if exited in ready:
                    self._drain()
                    return True
                if time.monotonic() >= until_s:
                    return False
        return True

    def _drain(self) -> None:
        """Take what is in the pipes by now, as much as a pipe can hold."""
        for pipe in (self._output, self._complaint):
            for _ in range(2):
                if not self._hear(pipe):
                    break

    def _hear(self, pipe: int) -> bool:
        """Read once; False when the pipe is empty or has been closed."""
        try:
            piece = os.read(pipe, _MAX_OUTPUT_BYTES)
        except BlockingIOError:
            return False
        if pipe == self._output:
            self.output += piece
        else:
            self.complaint = (self.complaint + piece)[-_MAX_COMPLAINT_BYTES:]
        return bool(piece)


@contextmanager
def _exit_of(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Give a descriptor that is readable once the process has ended."""
    descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _end_group(process: subprocess.Popen[bytes], exited: int) -> None:
    """End what still runs. Its number stays taken until the process is waited for, at the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(exited, selectors.EVENT_READ)
        if not selector.select(0):
            _signal_group(process, signal.SIGTERM)
            selector.select(_GRACE_S)
    _signal_group(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        # What hangs in the kernel cannot be killed; it is waited for when the next one starts.
        process.wait(_GRACE_S)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # A program that has become another user cannot be signalled; then it is left alone.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _parse_json(text: str) -> Found:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Found(error=f"failed: the program printed no JSON: {error}")
    fields, dropped = _numbers(told.get("fields", {}))
    instances = {}
    named = told.get("instances", {})
    if not isinstance(named, dict):
        named, dropped = {}, dropped + 1
    for name, values in named.items():
        kept, lost = _numbers(values)
        dropped += lost
        if kept:
            instances[name] = kept
    return Found(fields or None, instances or None, dropped_values=dropped)


def _numbers(values: Any) -> tuple[dict[str, Number], int]:
    """Keep what is a number; give it and how much is not."""
    if not isinstance(values, dict):
        return {}, 1
    kept = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return kept, len(values) - len(kept)


def _parse_lines(text: str) -> Found:
    fields: dict[str, Number] = {}
    dropped = 0
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            fields[found[1]] = int(found[2]) if _INTEGER.fullmatch(found[2]) else float(found[2])
        elif line.strip():
            dropped += 1
    return Found(fields or None, dropped_values=dropped)
