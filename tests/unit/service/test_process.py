"""What makes a process well-behaved: its lock, its log lines, its waits, its exit codes."""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.service import lifecycle
from rollcall.service.backoff import Backoff
from rollcall.service.lock import AlreadyRunningError, ProcessLock
from rollcall.service.logs import LineFormatter
from rollcall.service.settings import Settings
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a service does to the logging of its process: this one has other tests to run."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def test_a_second_process_of_one_identity_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with (
        ProcessLock(file, "the recorder"),
        pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
        ProcessLock(file, "the recorder"),
    ):
        pass
    with ProcessLock(file, "the recorder"):
        assert file.read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    program = (
        "import sys, time, pathlib; from rollcall.service.lock import ProcessLock\n"
        "with ProcessLock(pathlib.Path(sys.argv[1]), 'x'): time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(file)])
    try:
        wait_until(lambda: file.exists() and file.read_text(), what="the other process's lock")
    finally:
        holder.kill()
        holder.wait()
    with ProcessLock(file, "x"):
        pass


def test_waits_double_up_to_the_limit_and_start_over_after_success() -> None:
    backoff = Backoff(1, 5, lambda: 1.0)
    assert [backoff.failed() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_jitter_spreads_the_waits_within_the_limit() -> None:
    factors = iter([0.5, 1.5, 1.5, 1.5])
    backoff = Backoff(2, 5, lambda: next(factors))
    assert [backoff.failed() for _ in range(4)] == [1, 5, 5, 5]


def test_a_hostile_text_cannot_forge_a_log_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "bad\r\nERROR forged \x1b[2J", (), None)
    text = LineFormatter("%(message)s").format(record)
    assert text == "bad\\r\n    ERROR forged \\x1b[2J"


def _run(body: lifecycle.Body, *arguments: str) -> int:
    return lifecycle.run(lifecycle.parser("test", "a test"), body, arguments)


def test_a_service_that_returns_has_stopped_well(tmp_path: Path) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_text("[cluster]\nname = 'lab'\n")
    seen: list[Settings] = []

    def body(settings: Settings, _parsed: argparse.Namespace, _stop: threading.Event) -> None:
        seen.append(settings)

    assert _run(body, "--config", str(file)) == 0
    assert seen[0].cluster.name == "lab"


def test_a_wrong_configuration_is_exit_78_and_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_text("[cluster]\nnam = 'lab'\n")
    assert _run(lambda *_: None, "--config", str(file)) == 78
    assert 'did you mean "name"?' in capsys.readouterr().err


def test_a_fault_of_its_own_is_exit_1(tmp_path: Path) -> None:
    file = tmp_path / "rollcall.toml"
    file.touch()

    def body(_settings: Settings, _parsed: argparse.Namespace, _stop: threading.Event) -> None:
        raise RuntimeError("boom")

    assert _run(body, "--config", str(file)) == 1


def test_an_error_that_is_expected_is_one_line_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rollcall.toml"
    file.touch()

    def body(_settings: Settings, _parsed: argparse.Namespace, _stop: threading.Event) -> None:
        raise KeyError("the disk is full")

    arguments = lifecycle.parser("test", "a test")
    assert lifecycle.run(arguments, body, ["--config", str(file)], expected=(KeyError,)) == 1
    assert capsys.readouterr().err == "error: 'the disk is full'\n"


def test_sigterm_sets_the_stop_event_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "rollcall.toml"
    file.touch()

    def body(_settings: Settings, _parsed: argparse.Namespace, stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        assert _run(body, "--config", str(file)) == 0
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
