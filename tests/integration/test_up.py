"""`rollcall up` as a new user runs it: it starts, tells, heals, stops, and goes on."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import wait_until

NODES = "SELECT count(*) FROM nodes WHERE state = 'online'"


class Up:
    """A running `rollcall up` with a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.household = folder / "rollcall/up"
        self.output = folder / "up.out"
        self.environment = {
            **os.environ,
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        self.process = self.command("up", "--demo", "2")

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        with self.output.open("a") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "rollcall.console", *arguments],
                env=self.environment, stdout=output, stderr=output, text=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", *arguments],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def ask(self, query: str) -> Any:
        database = self.household / "rollcall.db"
        if not database.exists():
            return None
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            try:
                return connection.execute(query).fetchone()[0]
            except sqlite3.OperationalError:
                return None

    def said(self, words: str) -> bool:
        return words in self.output.read_text("utf-8")

    def programs(self) -> list[psutil.Process]:
        """Everything that was started with something of our folder on its command line."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(str(self.household) in word for word in words):
                found.append(process)
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def running(folder: Path) -> Iterator[Up]:
    up = Up(folder)
    try:
        yield up
    finally:
        sys.stderr.write(up.output.read_text("utf-8"))
        for process in up.programs():
            process.kill()
        up.process.kill()
        up.process.wait()


@pytest.mark.timeout(180)
def test_up_brings_a_cluster_heals_it_and_stops_it_and_goes_on_with_its_data(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as up:
        wait_until(lambda: up.ask(NODES) == 3, 40, what="this host and two simulated ones")
        for words in ("mosquitto_sub -p", "sqlite3 -readonly", ".eml files", str(up.household)):
            assert up.said(words)

        kept = [path for path in up.household.rglob("*") if path.stat().st_mode & 0o077]
        assert kept == []

        status = up.run("status", "--json")
        nodes = [node["node"] for node in json.loads(status.stdout)["nodes"]]
        assert {"demo-1", "demo-2"} < set(nodes)
        assert len(nodes) == 3

        # Other pages have their turns between, and every tenth second one is told.
        wait_until(lambda: up.said("3/3 online"), 60, what="the glass")

        second = up.run("up")
        assert (second.returncode, "already running" in second.stderr) == (1, True)

        (recorder,) = [p for p in up.programs() if "rollcall.recorder" in p.cmdline()]
        recorder.kill()
        wait_until(lambda: up.said("recorder was killed (SIGKILL)"))
        wait_until(lambda: up.said("recorder is started again"))
        stored = up.ask("SELECT count(*) FROM samples")
        wait_until(lambda: up.ask("SELECT count(*) FROM samples") > stored, what="new samples")

        assert up.interrupt() == 0
        assert up.programs() == []
        assert up.ask("SELECT count(*) FROM nodes WHERE reason = 'stopped'") == 3
        stored = up.ask("SELECT count(*) FROM samples")

    with running(tmp_path) as up:
        wait_until(lambda: up.ask(NODES) == 3, 40, what="all three again")
        wait_until(lambda: up.ask("SELECT count(*) FROM samples") > stored)
        assert up.ask("SELECT count(*) FROM gaps") == 0
        assert up.interrupt() == 0


def test_without_mosquitto_up_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from rollcall.broker import mosquitto\n"
        "mosquitto._PLACES = ()\n"
        "from rollcall.console.__main__ import main\n"
        "sys.argv[1:] = ['up']\n"
        "sys.exit(main())\n"
    )
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "apt-get install mosquitto" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["--version"], 0, "rollcall, version", id="the version"),
        pytest.param(["--help"], 0, "status", id="help"),
        pytest.param(["statu"], 2, "No such command", id="an unknown command"),
        pytest.param(["run", "toaster"], 2, "is not one of", id="an unknown service"),
        pytest.param(["status", "--config", "/absent.toml"], 78, "No such file", id="no file"),
        pytest.param(["run", "agent", "--config", "/absent.toml"], 78, "No such file", id="run"),
        pytest.param(["status"], 5, "rollcall up", id="no broker"),
    ],
)
def test_exit_codes_and_words(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "ROLLCALL_BROKER__PORT": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "rollcall.console", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True)
    assert "Traceback" not in done.stderr
