"""The agent as a process, on a real broker."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from rollcall.broker.messages import BACKLOG
from rollcall.broker.topics import Kind
from tests.support.agents import (
    ALL,
    APPLIED,
    BACKLOG_TOPIC,
    CPU,
    EVENT,
    INFO,
    NODE,
    STATUS,
    TOPICS,
    Agents,
    Listener,
    listening,
    starting,
)
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until


@pytest.fixture
def listener(broker: BrokerUnderTest) -> Iterator[Listener]:
    with listening(broker) as opened:
        yield opened


@pytest.fixture
def start(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[Agents]:
    with starting(broker.port, tmp_path) as run:
        yield run


def retained(broker: BrokerUnderTest) -> dict[str, dict[str, Any]]:
    pairs = broker.subscribe_for("rollcall/v1/node/+/#")
    return {topic: json.loads(payload) for topic, payload in pairs}


def spooled(path: Path) -> int:
    """Count what waits in the spool of a running agent."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'report'").fetchone()
        return int(db.execute("SELECT count(*) FROM report").fetchone()[0]) if found[0] else 0


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(10)


def test_a_late_subscriber_finds_the_newest_of_everything(
    broker: BrokerUnderTest, listener: Listener, start: Agents
) -> None:
    start("--simulate", "1")
    topics = {name: TOPICS.topic(Kind.METRICS, NODE, name) for name in ALL}
    wait_until(lambda: all(listener.all(topic) for topic in topics.values()))
    late = retained(broker)
    assert set(late) == {STATUS, INFO, APPLIED, *topics.values()}
    assert late[STATUS]["state"] == "online"
    assert (late[STATUS]["session"], late[STATUS]["interval"]) == (1, 1)
    assert late[INFO]["hostname"] == "sim-1"
    assert late[INFO]["collectors"]["disk"] == 60
    assert 0 < late[CPU]["fields"]["percent"] < 100
    assert {late[topic]["epoch"] for topic in topics.values()} == {late[STATUS]["epoch"]}
    # What was taken before the connection comes later, in a batch.
    numbers = sorted(set(listener.live()))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_it_reads_this_very_host(
    broker: BrokerUnderTest, listener: Listener, start: Agents
) -> None:
    start()
    (report,) = wait_until(lambda: listener.all(TOPICS.topic(Kind.METRICS, NODE, "memory")))[:1]
    assert report["fields"]["total_bytes"] == psutil.virtual_memory().total
    assert retained(broker)[INFO]["kernel"] == os.uname().release


def test_reports_carry_their_slot_and_come_without_drift(listener: Listener, start: Agents) -> None:
    start("--simulate", "1")
    times = [each["time"] for each in wait_until(lambda: listener.all(CPU)[4:])]
    wait_until(lambda: len(listener.all(CPU)) >= 7)
    later = [each["time"] for each in listener.all(CPU)][1:]
    steps = [round(b - a, 3) for a, b in itertools.pairwise(later)]
    assert times[0] in later
    assert set(steps) == {1.0}


def test_a_killed_agent_is_lost_within_four_seconds(listener: Listener, start: Agents) -> None:
    process = start("--simulate", "1")
    birth = wait_until(lambda: listener.all(STATUS))[0]
    end(process, signal.SIGKILL)
    killed_s = time.monotonic()
    lost = wait_until(lambda: listener.all(STATUS)[1:], 4.0)[0]
    assert time.monotonic() - killed_s < 4.0
    expected = {"state": "offline", "reason": "lost"}
    assert lost == expected | {"session": birth["session"], "epoch": birth["epoch"]}


def test_a_stopped_agent_says_goodbye_and_ends_well(
    broker: BrokerUnderTest, listener: Listener, start: Agents
) -> None:
    process = start("--simulate", "1")
    wait_until(lambda: listener.all(CPU))
    assert end(process, signal.SIGTERM) == 0
    status = retained(broker)[STATUS]
    assert (status["state"], status["reason"]) == ("offline", "stopped")
    assert abs(status["since"] - time.time()) < 5


def test_an_agent_whose_host_reboots_says_so(
    broker: BrokerUnderTest,
    listener: Listener,
    start: Agents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\necho '12 reboot.target start waiting'\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    process = start("--simulate", "1")
    wait_until(lambda: listener.all(CPU))
    assert end(process, signal.SIGTERM) == 0
    assert retained(broker)[STATUS]["reason"] == "reboot"


def test_a_restart_goes_on_with_epoch_numbers_and_a_higher_session(
    listener: Listener, start: Agents
) -> None:
    process = start("--simulate", "1")
    wait_until(lambda: listener.all(CPU)[1:])
    end(process, signal.SIGKILL)
    first = listener.all(STATUS)[0]
    newest = max(listener.live())
    start("--simulate", "1")
    second = wait_until(lambda: [s for s in listener.all(STATUS) if s.get("session", 0) > 1])[0]
    assert second["state"] == "online"
    assert second["epoch"] == first["epoch"]
    assert second["seq"] >= newest
    wait_until(lambda: max(listener.live()) > second["seq"])
    live = listener.live()
    assert len(live) == len(set(live))


def test_a_false_offline_is_healed(
    broker: BrokerUnderTest, listener: Listener, start: Agents
) -> None:
    start("--simulate", "1")
    birth = wait_until(lambda: listener.all(STATUS))[0]
    false = {"state": "offline", "reason": "lost", "session": 0, "epoch": birth["epoch"]}
    broker.publish(STATUS, json.dumps(false).encode(), retain=True)
    wait_until(lambda: false in listener.all(STATUS))
    healed = wait_until(lambda: listener.all(STATUS)[2:])[0]
    assert {**healed, "seq": birth["seq"]} == birth
    assert retained(broker)[STATUS]["state"] == "online"


def test_receipts_empty_the_spool_and_what_they_miss_comes_again(
    listener: Listener, start: Agents
) -> None:
    start("--simulate", "1")
    epoch = wait_until(lambda: listener.all(STATUS))[0]["epoch"]
    wait_until(lambda: len(listener.live()) >= 12)
    listener.receipt(epoch, 10, (3, 4), (8, 8))
    wait_until(listener.resent)
    assert listener.resent()[:3] == [3, 4, 8]
    listener.receipt(epoch, 10)
    assert not {1, 2, 5, 6, 7, 9, 10} & set(listener.resent())


def test_numbers_nobody_holds_any_more_are_told_forgotten(
    listener: Listener, start: Agents
) -> None:
    start("--simulate", "1")
    epoch = wait_until(lambda: listener.all(STATUS))[0]["epoch"]
    wait_until(lambda: len(listener.live()) >= 7)
    listener.receipt(epoch, 7)
    wait_until(lambda: len(listener.live()) >= 18)
    listener.receipt(epoch, 7, (2, 5))

    def told() -> list[Any]:
        listener.hear()
        batches = [BACKLOG.decode(i.payload) for i in listener.arrived if i.topic == BACKLOG_TOPIC]
        return [eviction for batch in batches for eviction in batch.evicted]

    assert wait_until(told)[0] == (2, 5, "forgotten")


def test_a_broker_that_comes_back_empty_gets_everything_back(
    broker: BrokerUnderTest, start: Agents
) -> None:
    start("--simulate", "1")
    with listening(broker) as before:
        wait_until(lambda: len(before.live()) >= 12)
        broker.kill()
        heard = set(before.live())
    broker.start()
    with listening(broker) as after:
        wait_until(lambda: after.all(STATUS, replayed=True), 20)
        wait_until(after.resent, 20)
        wait_until(lambda: set(after.resent()) >= heard, 20)
        reports = {TOPICS.topic(Kind.METRICS, NODE, name) for name in ALL}
        assert reports | {STATUS, INFO} <= {item.topic for item in after.arrived}
        everything = set(after.resent()) | set(after.live()) | heard
        assert everything >= set(range(1, max(after.resent()) + 1))


def test_without_a_broker_at_the_start_nothing_is_lost(
    broker: BrokerUnderTest, start: Agents, tmp_path: Path
) -> None:
    broker.kill()
    start("--simulate", "1")
    wait_until(lambda: spooled(tmp_path / "agent" / "spool.db") >= 12)
    broker.start()
    with listening(broker) as listener:
        wait_until(lambda: set(listener.resent()) >= set(range(1, 13)), 40)
        known = set(listener.resent()) | set(listener.live())
        assert known >= set(range(1, max(listener.resent()) + 1))


def test_a_reboot_is_an_event_with_a_number_of_its_own(listener: Listener, start: Agents) -> None:
    end_of_first = start("--simulate", "1")
    wait_until(lambda: listener.all(CPU))
    end(end_of_first, signal.SIGTERM)
    start("--simulate", "2")

    (event,) = wait_until(lambda: listener.all(EVENT))
    assert event["kind"] == "reboot"
    assert set(event["detail"]) == {"boot", "previous_boot", "boot_time"}
    wait_until(lambda: event["seq"] in listener.resent())
    assert event["seq"] not in listener.live()


def test_a_second_agent_of_one_state_folder_refuses_to_start(
    listener: Listener, start: Agents
) -> None:
    start("--simulate", "1")
    wait_until(lambda: listener.all(STATUS))
    second = start("--simulate", "1")
    assert second.wait(10) == 1
    assert second.stderr is not None
    assert b"already running" in second.stderr.read()


def test_a_node_name_that_is_not_allowed_is_a_fault_of_the_configuration(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rollcall.node_agent"],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "ROLLCALL_AGENT__NODE": "recorder"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    assert "[agent] node" in done.stderr
