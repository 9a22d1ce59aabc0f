"""The agent as a process, on a real broker."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import BACKLOG, Receipt, encode
from rollcall.broker.session import Arrived, Ready
from rollcall.broker.topics import Kind, Topics
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS: Final = Topics()
NODE: Final = "pi-3"
STATUS: Final = TOPICS.topic(Kind.STATUS, NODE)
BACKLOG_TOPIC: Final = TOPICS.topic(Kind.BACKLOG, NODE)
EVENT: Final = TOPICS.topic(Kind.EVENT, NODE)
INFO: Final = TOPICS.topic(Kind.INFO, NODE)
CPU: Final = TOPICS.topic(Kind.METRICS, NODE, "cpu")
EVERY_SECOND: Final = ("cpu", "memory", "load", "network")
ALL: Final = (*EVERY_SECOND, "disk", "system", "agent")

Agents = Callable[..., subprocess.Popen[bytes]]


class Listener:
    """Everything of one node, as it arrives."""

    def __init__(self, client: BrokerClient) -> None:
        self._client = client
        self.arrived: list[Arrived] = []
        self.readies = 0

    def hear(self) -> None:
        while (item := self._client.receive(0)) is not None:
            if isinstance(item, Arrived):
                self.arrived.append(item)
            self.readies += isinstance(item, Ready)

    def is_ready(self) -> bool:
        self.hear()
        return self.readies > 0

    def all(self, topic: str, *, replayed: bool = False) -> list[dict[str, Any]]:
        """Give the JSON of all messages on a topic so far, live ones alone unless told."""
        self.hear()
        return [
            json.loads(item.payload)
            for item in self.arrived
            if item.topic == topic and item.payload and (replayed or not item.replayed)
        ]

    def resent(self) -> list[int]:
        """Give the numbers of all reports in all batches so far."""
        self.hear()
        batches = [BACKLOG.decode(i.payload) for i in self.arrived if i.topic == BACKLOG_TOPIC]
        return [int(str(report["seq"])) for batch in batches for report in batch.reports]

    def live(self) -> list[int]:
        """Give the numbers of all reports that came live, in order."""
        self.hear()
        reports = [TOPICS.topic(Kind.METRICS, NODE, name) for name in ALL]
        return [
            json.loads(item.payload)["seq"]
            for item in self.arrived
            if item.topic in reports and not item.replayed
        ]

    def receipt(self, epoch: str, through: int, *missing: tuple[int, int]) -> None:
        """Say, as the recorder does, what is safely stored."""
        told = Receipt(database="db-1", epoch=epoch, through=through, missing=list(missing))
        topic = TOPICS.topic(Kind.RECEIPT, NODE)
        wait_until(lambda: self._client.publish(topic, encode(told), retain=True))


@contextmanager
def listening(broker: BrokerUnderTest) -> Iterator[Listener]:
    name = f"{TOPICS.root}/node/{NODE}/#"
    with BrokerClient(broker.endpoint, client_id="listener", subscriptions=[(name, 1)]) as client:
        listener = Listener(client)
        wait_until(listener.is_ready)
        yield listener


@pytest.fixture
def listener(broker: BrokerUnderTest) -> Iterator[Listener]:
    with listening(broker) as opened:
        yield opened


@pytest.fixture
def start(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[Agents]:
    """Start agents on the broker; they are killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, interval_s: int = 1) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(tmp_path),
            "ROLLCALL_BROKER__PORT": str(broker.port),
            "ROLLCALL_AGENT__NODE": NODE,
            "ROLLCALL_AGENT__STATE_DIR": str(tmp_path / "agent"),
            "ROLLCALL_AGENT__INTERVAL": str(interval_s),
        }
        command = [sys.executable, "-m", "rollcall.node_agent", *arguments]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


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
    assert set(late) == {STATUS, INFO, *topics.values()}
    assert late[STATUS]["state"] == "online"
    assert (late[STATUS]["session"], late[STATUS]["interval"]) == (1, 1)
    assert late[INFO]["hostname"] == "sim-1"
    assert late[INFO]["collectors"]["disk"] == 60
    assert 0 < late[CPU]["fields"]["percent"] < 100
    assert {late[topic]["epoch"] for topic in topics.values()} == {late[STATUS]["epoch"]}
    assert sorted(set(listener.live())) == list(range(1, max(listener.live()) + 1))


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
