"""Agents as processes, and a listener that hears everything of one node."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import BACKLOG, Receipt, encode
from rollcall.broker.session import Arrived, Ready
from rollcall.broker.topics import Kind, Topics
from rollcall.node_agent.collectors import DECLARATIONS
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS: Final = Topics()
NODE: Final = "pi-3"
STATUS: Final = TOPICS.topic(Kind.STATUS, NODE)
BACKLOG_TOPIC: Final = TOPICS.topic(Kind.BACKLOG, NODE)
EVENT: Final = TOPICS.topic(Kind.EVENT, NODE)
APPLIED: Final = TOPICS.topic(Kind.APPLIED, NODE)
INFO: Final = TOPICS.topic(Kind.INFO, NODE)
CPU: Final = TOPICS.topic(Kind.METRICS, NODE, "cpu")
ALL: Final = tuple(each.name for each in DECLARATIONS)

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
        return [
            json.loads(item.payload)["seq"]
            for item in self.arrived
            if "/metrics/" in item.topic and item.payload and not item.replayed
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


@contextmanager
def starting(port: int, folder: Path) -> Iterator[Agents]:
    """Give a way to start agents on a broker; they are killed in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, interval_s: int = 1, **settings: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder),
            "ROLLCALL_BROKER__PORT": str(port),
            "ROLLCALL_AGENT__NODE": NODE,
            "ROLLCALL_AGENT__STATE_DIR": str(folder / "agent"),
            "ROLLCALL_AGENT__INTERVAL": str(interval_s),
            **{f"ROLLCALL_{name}": value for name, value in settings.items()},
        }
        command = [sys.executable, "-m", "rollcall.node_agent", *arguments]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        started.append(process)
        return process

    try:
        yield run
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
