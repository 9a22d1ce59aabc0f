"""Each program as systemd runs it: when it says READY, and when it stops beating."""

import itertools
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.mosquitto import free_port
from rollcall.broker.session import Ready
from rollcall.broker.topics import Topics
from rollcall.service.settings import Broker
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.supervisor import SupervisorUnderTest
from tests.support.waiting import wait_until

READY: Final = "READY=1"
BEAT: Final = "WATCHDOG=1"
NOWHERE: Final = 1  # a port at which nothing listens
WATCHDOG_S: Final = 3.0
PROGRAMS: Final = {
    "agent": "rollcall.node_agent",
    "recorder": "rollcall.recorder",
    "alerts": "rollcall.alerts",
    "dashboard": "rollcall.dashboard",
    "lcd": "rollcall.lcd_display",
}
# Runs a program whose work loop stands still, between two turns, while a file exists.
GATED: Final = """
import pathlib, runpy, sys, time
from rollcall.broker.client import BrokerClient
gate, module = pathlib.Path(sys.argv[1]), sys.argv[2]
receive = BrokerClient.receive
def gated(self, timeout_s):
    while gate.exists():
        time.sleep(0.05)
    return receive(self, timeout_s)
BrokerClient.receive = gated
sys.argv = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[SupervisorUnderTest]:
    with SupervisorUnderTest(str(tmp_path / "notify")) as made:
        yield made


class Gated(ProgramUnderTest):
    """A program under a supervisor's watch, whose work loop stops while `gate` exists."""

    def __init__(
        self, name: str, folder: Path, supervisor: SupervisorUnderTest, port: int, **more: str
    ) -> None:
        self.gate = folder / "gate"
        settings = {
            "NOTIFY_SOCKET": supervisor.address,
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1_000_000)),
            "ROLLCALL_BROKER__PORT": str(port),
            "ROLLCALL_DASHBOARD__LISTEN": f"127.0.0.1:{free_port()}",
            "ROLLCALL_AGENT__NODE": "pi-1",
            **more,
        }
        arguments = ["--emulate"] if name == "lcd" else []
        super().__init__(PROGRAMS[name], folder, arguments=arguments, settings=settings)
        self._command = [sys.executable, "-c", GATED, str(self.gate), PROGRAMS[name], *arguments]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_ready_without_a_broker_and_beats_while_it_waits_for_one(
    name: str, tmp_path: Path, supervisor: SupervisorUnderTest
) -> None:
    with Gated(name, tmp_path, supervisor, NOWHERE) as program:
        supervisor.wait_for(READY)
        wait_until(lambda: supervisor.count(BEAT) >= 2, 20, what="two beats")
        assert any(line.startswith("STATUS=") for line in supervisor.heard)
        assert "waits for the broker" in "\n".join(supervisor.heard)
        assert program.stop() == 0


@pytest.mark.parametrize("name", ["agent", "recorder"])
def test_a_work_loop_that_stands_still_stops_beating_and_one_that_goes_on_beats_again(
    name: str, tmp_path: Path, supervisor: SupervisorUnderTest, broker: BrokerUnderTest
) -> None:
    with Gated(name, tmp_path, supervisor, broker.port) as program:
        supervisor.wait_for(READY)
        supervisor.wait_for(BEAT)
        program.gate.touch()
        time.sleep(1.5)  # the turn under way, of at most a second, may end
        before = supervisor.count(BEAT)
        time.sleep(WATCHDOG_S)
        assert supervisor.count(BEAT) == before, "a beat came from somewhere else"
        program.gate.unlink()
        wait_until(lambda: supervisor.count(BEAT) > before, what="a beat")


def test_a_recorder_whose_database_is_away_is_not_ready_and_is_given_more_time(
    tmp_path: Path, supervisor: SupervisorUnderTest
) -> None:
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    with Gated(
        "recorder", tmp_path, supervisor, NOWHERE, ROLLCALL_RECORDER__DATABASE=away
    ) as program:
        supervisor.wait_for("EXTEND_TIMEOUT_USEC=90000000")
        wait_until(
            lambda: any("waits for the database" in line for line in supervisor.lines()),
            what="what it waits for",
        )
        assert READY not in supervisor.heard
        assert program.stop() == 0


def test_a_recorder_is_not_ready_before_a_first_attempt_to_connect_has_ended(
    tmp_path: Path, supervisor: SupervisorUnderTest
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Gated("recorder", tmp_path, supervisor, deaf.getsockname()[1]) as program,
    ):
        supervisor.wait_for("EXTEND_TIMEOUT_USEC=90000000")
        assert READY not in supervisor.lines()
        program.kill()


def test_a_configuration_that_is_wrong_is_told_to_the_supervisor(
    tmp_path: Path, supervisor: SupervisorUnderTest
) -> None:
    with Gated("agent", tmp_path, supervisor, NOWHERE, ROLLCALL_AGENT__INTERVAL="0") as program:
        assert program.ended() == 78
    assert READY not in supervisor.lines()
    assert "ROLLCALL_AGENT__INTERVAL" in "\n".join(supervisor.heard)


class Hanging(ServiceAnnouncement):
    """An announcement that lets the network thread hang at the next connection."""

    def __init__(self) -> None:
        super().__init__(Topics(), "recorder", version="1", since=time.time(), health=dict)
        self.release = threading.Event()
        self.hangs = threading.Event()
        self.armed = False

    def will(self) -> bytes:
        if self.armed:
            self.hangs.set()
            self.release.wait(30)
        return super().will()


def test_a_network_thread_that_hangs_ends_the_calls_of_the_watchdog(
    broker: BrokerUnderTest,
) -> None:
    announcement, beats = Hanging(), []
    client = BrokerClient(
        broker.endpoint,
        client_id="recorder",
        subscriptions=[],
        announcement=announcement,
        watchdog=lambda: beats.append(threading.current_thread()),
    )

    def receives() -> bool:
        client.receive(0.02)
        return announcement.hangs.is_set()

    with client:
        wait_until(lambda: isinstance(client.receive(0.1), Ready), what="Ready")
        began = len(beats)
        for _ in range(60):  # a connection on which nothing happens: the thread turns each second
            client.receive(0.05)
        assert len(beats) >= began + 2
        announcement.armed = True
        client.reconnect()
        wait_until(receives, what="the network thread in its hang")
        client.receive(0)  # what it did before
        hung = len(beats)
        for _ in range(40):
            client.receive(0.05)
        assert len(beats) == hung
        announcement.release.set()
        wait_until(lambda: client.receive(0.05) is None and len(beats) > hung, what="a beat")
    assert set(beats) == {threading.current_thread()}


def test_waiting_to_connect_is_moving() -> None:
    beats: list[float] = []
    with BrokerClient(
        Broker(port=NOWHERE),
        client_id="recorder",
        subscriptions=[],
        watchdog=lambda: beats.append(time.monotonic()),
    ) as client:
        began_s = time.monotonic()
        while time.monotonic() - began_s < 4:
            client.receive(0.1)
        assert client.has_tried
    gaps = [later - earlier for earlier, later in itertools.pairwise(beats)]
    assert max(gaps) < 2
