"""`rollcall prune` against a recorder that goes on recording."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.rollups import DAY_MS
from rollcall.recorder.store import Store
from tests.support.database import ask, message, report
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()


@pytest.fixture
def old_samples(tmp_path: Path) -> Path:
    """A database with a sample a day, of the last twelve days."""
    path = tmp_path / "rollcall.db"
    now_ms = time.time_ns() // 1_000_000
    with Store(f"sqlite:///{path}") as store:
        for seq in range(1, 13):
            at_ms = now_ms - (12 - seq) * DAY_MS
            said = report(seq, at_ms, {"percent": 1.0})
            store.commit([message("node/pi-3/metrics/cpu", said, at_ms)])
    return path


@pytest.fixture
def recorder(broker: BrokerUnderTest, tmp_path: Path, old_samples: Path) -> Iterator[Path]:
    settings = {
        "ROLLCALL_BROKER__PORT": broker.port,
        "ROLLCALL_RECORDER__DATABASE": f"sqlite:///{old_samples}",
        "ROLLCALL_RECORDER__KEEP": '{raw = "5d"}',
    }
    with ProgramUnderTest("rollcall.recorder", tmp_path, settings=settings):
        topic = TOPICS.topic(Kind.SERVICE_STATUS, "recorder")
        wait_until(lambda: broker.subscribe_for(topic), what="the recorder's birth")
        due = "SELECT count(*) FROM rollup_due WHERE hour < (unixepoch() - 7200) * 1000"
        wait_until(lambda: ask(old_samples, due) == [(0,)], 60, what="all hours to be closed")
        yield old_samples


def prune(broker: BrokerUnderTest, folder: Path, *words: str) -> str:
    environment = {
        **os.environ,
        "ROLLCALL_BROKER__PORT": str(broker.port),
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
    }
    command = [sys.executable, "-m", "rollcall.console", "prune", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_prune_tells_first_and_then_does_it(
    recorder: Path, broker: BrokerUnderTest, tmp_path: Path
) -> None:
    told = json.loads(prune(broker, tmp_path, "--dry-run", "--json"))
    assert (told["schema"], told["pruning"]) == (1, False)
    rows = {level["level"]: level["rows"] for level in told["levels"]}
    assert rows["raw"] == 6
    assert ask(recorder, "SELECT count(*) FROM samples") == [(12,)]
    assert "6 rows go" in prune(broker, tmp_path)
    wait_until(lambda: ask(recorder, "SELECT count(*) FROM samples") == [(6,)], 40, what="pruning")
    assert ask(recorder, "SELECT count(*) FROM hourly") == [(12,)]
