"""`status`, `show` and `top` while recorder or broker are away: what is old is said to be."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cluster import ClusterUnderTest, cluster_under_test
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

CPU = "SELECT 1 FROM latest WHERE metric = 'cpu.percent' AND node = 'pi-1'"


def test_the_recorder_and_then_the_broker_go_away_and_nothing_old_poses_as_fresh(
    tmp_path: Path, broker: BrokerUnderTest
) -> None:
    with cluster_under_test(tmp_path, broker, {}) as cluster:
        cluster.start("recorder", "agent")
        cluster.wait_for(CPU)
        all_well = json.loads(cluster.command("status", "--json").stdout)
        assert (all_well["source"], all_well["recorded"]) == ("broker", True)

        cluster.kill("recorder")
        wait_until(lambda: cluster.status("service/recorder/status")["state"] == "offline")
        check_that_nothing_is_recorded(cluster)

        cluster.stop("agent")
        broker.stop()
        check_that_the_database_stands_in(cluster)

        cluster.database.rename(tmp_path / "elsewhere.db")
        neither = cluster.command("status")
        assert (neither.returncode, neither.stdout) == (5, "")
        assert "nothing stands in for it" in neither.stderr


def check_that_nothing_is_recorded(cluster: ClusterUnderTest) -> None:
    for command in (["status"], ["show", "pi-1"]):
        done = cluster.command(*command)
        assert done.returncode == 0, done.stderr
        assert "Not recorded since " in done.stdout
        assert "(recorder lost). Values come from the broker." in done.stdout
    told = json.loads(cluster.command("status", "--json").stdout)
    assert (told["source"], told["recorded"]) == ("broker", False)
    assert told["not_recorded_since"] is not None


def check_that_the_database_stands_in(cluster: ClusterUnderTest) -> None:
    status = cluster.command("status")
    assert status.returncode == 5
    assert "is out of reach" in status.stderr
    assert status.stdout.startswith("The broker is out of reach. Values come from the database")
    show = cluster.command("show", "pi-1")
    assert (show.returncode, "\ncpu, " in show.stdout) == (5, True)
    told = json.loads(cluster.command("status", "--json").stdout)
    assert (told["source"], told["recorded"]) == ("database", None)
    (node,) = told["nodes"]
    assert node["last"]["cpu.percent"]["value"] >= 0
    assert json.loads(cluster.command("show", "pi-1", "--json").stdout)["source"] == "database"
    for unknown in (["status", "pi-9"], ["show", "pi-9"]):
        done = cluster.command(*unknown)
        assert (done.returncode, "knows nothing of pi-9" in done.stderr) == (5, True)
    check_that_top_goes_back_in_time(cluster)


def check_that_top_goes_back_in_time(cluster: ClusterUnderTest) -> None:
    ours, theirs = pty.openpty()
    top = subprocess.Popen(
        [sys.executable, "-m", "rollcall.console", "--config", str(cluster.file), "top"],
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "24", "PYTHONUTF8": "1"},
    )  # fmt: skip
    os.close(theirs)
    try:
        screen = Screen(ours)
        screen.wait_for("values from the database")
        # Shapes, not the words for them: the terminal speaks UTF-8.
        assert "OFF" not in screen.wait_for("pi-1")
        os.write(ours, b"[")
        screen.wait_for("NOT LIVE: as it was recorded at ")
        os.write(ours, b"]")
        screen.wait_for("values from the database")
        os.write(ours, b"q")
        assert top.wait(10) == 0
    finally:
        top.kill()
        top.communicate()
        os.close(ours)


class Screen:
    """What a program has written to our end of a terminal since the last look."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def wait_for(self, words: str) -> str:
        """Give all that came up to these words."""
        seen, until_s = "", time.monotonic() + 20
        while words not in seen:
            ready, _, _ = select.select([self._descriptor], [], [], 1)
            if ready:
                seen += os.read(self._descriptor, 65_536).decode("utf-8", "replace")
            if time.monotonic() > until_s:
                pytest.fail(f"{words!r} never came: {seen[-2000:]!r}")
        return seen
