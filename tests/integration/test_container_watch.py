"""`rollcall-watched`, which is to a service in a container what systemd is elsewhere."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.waiting import wait_until

WATCHED: Final = Path(__file__).parents[2] / "deploy/docker/watched.py"
TELLING: Final = """
import sys, time
from rollcall.service.notify import Notifier
told = Notifier()
told.beat(lambda: "waits for the database")
if "slow" in sys.argv:
    time.sleep(60)
told.ready()
while True:
    if "hung" not in sys.argv:
        told.beat(lambda: "lag 0.3 s")
    time.sleep(0.05)
"""


def environment(folder: Path) -> dict[str, str]:
    own = {"ROLLCALL_WATCHED_FOLDER": str(folder), "ROLLCALL_WATCHDOG_SECONDS": "2"}
    return {**os.environ, **own}


@contextmanager
def watched(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(WATCHED), sys.executable, "-c", TELLING, *words]
    with subprocess.Popen(
        command, env=environment(folder), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def check(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, WATCHED, "--check"],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_a_service_is_healthy_once_it_works_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    assert check(tmp_path) == (1, "nothing runs")
    with watched(tmp_path, "well") as process:
        wait_until(lambda: check(tmp_path) == (0, "ready: lag 0.3 s"), 20, what="health")
        process.terminate()
        assert process.wait(15) == 128 + signal.SIGTERM
    assert check(tmp_path) == (1, "nothing runs")


def test_a_service_that_waits_is_not_healthy_and_says_for_what(tmp_path: Path) -> None:
    with watched(tmp_path, "slow"):
        wait_until(
            lambda: check(tmp_path) == (1, "not ready: waits for the database"),
            20,
            what="what it waits for",
        )


def test_a_service_that_no_longer_moves_is_ended(tmp_path: Path) -> None:
    with watched(tmp_path, "hung") as process:
        assert process.wait(20) == 128 + signal.SIGKILL
        assert process.stderr is not None
        assert "the service is silent" in process.stderr.read()
