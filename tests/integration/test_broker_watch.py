"""`rollcall broker run` under a supervisor: ready when Mosquitto answers, silent when it hangs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.broker_folder import BrokerFolder
from rollcall.broker.mosquitto import free_port
from tests.support.own_broker import rollcall
from tests.support.supervisor import SupervisorUnderTest
from tests.support.waiting import wait_until

BEAT = "WATCHDOG=1"
WATCHDOG_S = 1.5


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that the account `mosquitto` may enter; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_broker_beats_while_it_answers_and_not_while_it_hangs(base: Path) -> None:
    port = free_port()
    folder = base / "broker"
    made = rollcall("broker", "init", "--folder", str(folder), "--port", str(port))
    assert made.returncode == 0, made.stderr
    command = [sys.executable, "-m", "rollcall.console", "broker", "run", "--folder", str(folder)]
    with SupervisorUnderTest(f"@rollcall-test-{port}") as supervisor:
        own = {
            "NOTIFY_SOCKET": supervisor.address,
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1_000_000)),
        }
        with (base / "log").open("wb") as log:
            process = subprocess.Popen(command, env={**os.environ, **own}, stderr=log)
        try:
            supervisor.wait_for("READY=1")
            assert supervisor.lines().count("READY=1") == 1
            wait_until(lambda: supervisor.count(BEAT) >= 2, what="two beats")
            assert f"STATUS=answers on port {port}" in supervisor.lines()
            pid = BrokerFolder.open(folder).running()
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            # What it said last holds for five seconds.
            wait_until(lambda: is_silent(supervisor, 2 * WATCHDOG_S), 30, what="silence")
            os.kill(pid, signal.SIGCONT)
            before = supervisor.count(BEAT)
            wait_until(lambda: supervisor.count(BEAT) > before, what="a beat")
        finally:
            process.terminate()
            code = process.wait(20)
    assert code == 0, (base / "log").read_text("utf-8")


def is_silent(supervisor: SupervisorUnderTest, for_s: float) -> bool:
    before = supervisor.count(BEAT)
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        if supervisor.count(BEAT) > before:
            return False
        time.sleep(0.05)
    return True
