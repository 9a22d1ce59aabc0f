"""A crawler that ran between two reports is in the second: a real agent, a real process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from rollcall.broker.topics import Kind, Topics
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

REPORT = Topics().topic(Kind.METRICS, "pi-1", "process")
INFO = Topics().topic(Kind.INFO, "pi-1")
CRAWLER = "import time\nbegan = time.monotonic()\nwhile time.monotonic() < began + 1.2: pass\n"


@pytest.fixture
def agent(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[BrokerUnderTest]:
    """An agent that looks for crawlers twice a second and reports every four."""
    options = {
        "interval": 4,
        "sample": "500ms",
        "groups": {"crawlers": f"cmdline:*{tmp_path}/crawler.py"},
    }
    settings = {
        "broker": {"port": broker.port},
        "agent": {
            "node": "pi-1",
            "state_dir": str(tmp_path / "agent"),
            "collectors": {"process": options},
        },
    }
    file = tmp_path / "rollcall.toml"
    file.write_text(tomli_w.dumps(settings), "utf-8")
    command = [sys.executable, "-m", "rollcall.node_agent", "--config", str(file)]
    process = subprocess.Popen(command, env={**os.environ, "XDG_DATA_HOME": str(tmp_path)})
    yield broker
    process.terminate()
    process.wait(10)


def newest(broker: BrokerUnderTest, topic: str) -> dict[str, Any]:
    found = broker.subscribe_for(topic, 1)
    told: dict[str, Any] = json.loads(found[-1][1]) if found else {}
    return told


def test_a_crawler_that_ended_before_the_report_is_in_its_peaks(
    agent: BrokerUnderTest, tmp_path: Path
) -> None:
    first = wait_until(lambda: newest(agent, REPORT))
    assert first["instances"]["crawlers"]["max_processes"] == 0
    crawler = tmp_path / "crawler.py"
    crawler.write_text(CRAWLER, "utf-8")
    subprocess.run([sys.executable, str(crawler)], check=True)

    def with_peak() -> dict[str, Any]:
        told: dict[str, Any] = newest(agent, REPORT)["instances"]["crawlers"]
        return told if told["max_processes"] else {}

    fields = wait_until(with_peak, 15)
    assert fields["max_processes"] == 1
    assert fields["min_processes"] == 0
    assert fields["max_cpu_percent"] > 0
    assert fields["max_resident_bytes"] > 0
    declared = newest(agent, INFO)["fields"]
    assert declared["process.max_processes"] == {"unit": "count", "kind": "gauge"}
