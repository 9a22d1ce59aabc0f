"""Kills the alert service at random moments, and counts what people got.

Real broker, real database, real mail server, real SIGKILL. Each node becomes hot until the mail
that says so is accepted, then cool until the one that says that it is over is: so for each node the
mails must alternate, a FIRING and a RESOLVED of one incident. A mail that was accepted in the very
moment of a kill may come again, with the same Message-ID and the same bytes.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Final

from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Ready
from rollcall.broker.topics import Kind, Topics
from tests.support.mqtt import BrokerUnderTest
from tests.support.smtp import SmtpUnderTest

_TOPICS: Final = Topics()
_EPOCH: Final = "9f3c21d07a5be4c8"
_REPORT_EVERY_S: Final = 0.05
_LOST_AFTER_S: Final = 180.0
_LIVES_S: Final = 1.0
_RULE: Final = {
    "kind": "threshold",
    "metric": "cpu.percent",
    "threshold": 90,
    "for": "0s",
    "group_by": ["node"],
    "group_wait": "0s",
    "group_wait_max": "0s",
    "group_interval": "0s",
    "repeat_interval": "0s",
    "flap": {"window": "1s", "start": 100, "stop": 2},
}


@dataclass
class _Node:
    name: str
    hot: bool = True
    incident: str = ""
    history: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Findings:
    """What was counted. `lost` and `doubled` are to be 0."""

    kills: int = 0
    incidents: int = 0
    mails: int = 0
    repeated: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)


class Monkey:
    """A cluster of `nodes` under one alert service that is killed; a folder for what it keeps."""

    def __init__(self, folder: Path, *, seed: int, nodes: int = 8) -> None:
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311 - a run that can be repeated, no secret
        self._nodes = {f"n-{number}": _Node(f"n-{number}") for number in range(nodes)}
        self._seq = 0
        self._read = 0
        self._seen: dict[str, bytes] = {}
        self.findings = Findings()

    def run(self, kills: int) -> Findings:
        """Kill that many times, let everything settle, and give what was found."""
        with (
            BrokerUnderTest(self._folder / "broker") as broker,
            SmtpUnderTest() as smtp,
            self._service(broker, smtp) as service,
            BrokerClient(broker.endpoint, client_id="nodes", subscriptions=[]) as client,
        ):
            _wait_for_link(client)
            self._announce(client)
            for _ in range(kills):
                _tell(service, "start")
                self._go_on(client, smtp, self._random.uniform(0.0, _LIVES_S))
                _tell(service, "kill")
                self.findings.kills += 1
            _tell(service, "start")
            self._let_end(client, smtp)
            _tell(service, "kill")
        self._judge()
        return self.findings

    @contextmanager
    def _service(
        self, broker: BrokerUnderTest, smtp: SmtpUnderTest
    ) -> Iterator[subprocess.Popen[str]]:
        settings = {
            "BROKER__PORT": broker.port,
            "ALERTS__STATE_DIR": self._folder / "state",
            "MAIL__HOST": "'127.0.0.1'",
            "MAIL__PORT": smtp.port,
            "MAIL__SECURITY": "none",
            "MAIL__FROM": "rollcall@example.org",
            "MAIL__TO": '["admin@example.org"]',
            "MAIL__MAX_RATE": "100000/s",
            "MAIL__BURST": 1000,
        }
        environment = {f"ROLLCALL_{key}": str(value) for key, value in settings.items()}
        homes = {"XDG_CONFIG_HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)}
        with (self._folder / "alerts.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.alert_zygote"],
                env={**os.environ, **homes, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            with process:
                yield process
                assert process.stdin is not None
                process.stdin.close()

    def _announce(self, client: BrokerClient) -> None:
        document = {
            "groups": {"all": ["*"]},
            "templates": {"base": {"groups": ["all"], "rules": ["hot"]}},
            "rules": {"hot": _RULE},
        }
        fleet = {"revision": 1, "digest": "sha256:0", "document": document}
        client.publish(_TOPICS.topic(Kind.FLEET), json.dumps(fleet).encode(), retain=True)
        for node in self._nodes.values():
            birth = messages.Online(since=time.time(), session=1, epoch=_EPOCH, interval=1, seq=0)
            topic = _TOPICS.topic(Kind.STATUS, node.name)
            client.publish(topic, messages.encode(birth), retain=True)

    def _go_on(self, client: BrokerClient, smtp: SmtpUnderTest, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._report(client)
            client.receive(min(left_s, _REPORT_EVERY_S))
            self._take_mails(smtp)

    def _let_end(self, client: BrokerClient, smtp: SmtpUnderTest) -> None:
        """Undisturbed, let every node have an incident and come to its end, and begin no other."""
        nodes = self._nodes.values()
        told = {node.name: len(node.history) for node in nodes}
        until_s = time.monotonic() + _LOST_AFTER_S
        while time.monotonic() < until_s:
            waiting = [n for n in nodes if n.incident or len(n.history) == told[n.name]]
            if not waiting:
                return
            self._report(client, resting=[n for n in nodes if n not in waiting])
            client.receive(_REPORT_EVERY_S)
            self._take_mails(smtp)
        self.findings.lost += len(waiting)
        for node in waiting:
            self._fault(f"{node.name}: no mail for {_LOST_AFTER_S:.0f} s, hot is {node.hot}")

    def _report(self, client: BrokerClient, resting: Sequence[_Node] = ()) -> None:
        for node in self._nodes.values():
            self._seq += 1
            is_hot = node.hot and node not in resting
            report = messages.Report(
                epoch=_EPOCH,
                seq=self._seq,
                time=time.time(),
                interval=1,
                fields={"percent": 97 if is_hot else 20},
            )
            topic = _TOPICS.topic(Kind.METRICS, node.name, "cpu")
            client.publish(topic, messages.encode(report), retain=True)

    def _take_mails(self, smtp: SmtpUnderTest) -> None:
        while self._read < len(smtp.received):
            _, content = smtp.received[self._read]
            self._read += 1
            self.findings.mails += 1
            self._take(message_from_bytes(content), content)

    def _take(self, mail: Message, content: bytes) -> None:
        identity, subject = str(mail["Message-ID"]), str(mail["Subject"])
        if identity in self._seen:
            self.findings.repeated += 1
            if self._seen[identity] != content:
                self._fault(f"{identity} came with other bytes: {subject}")
            return
        self._seen[identity] = content
        state = subject.partition("]")[0].strip("[")
        node = self._nodes[subject.partition(" on ")[2].partition(" ")[0]]
        incident = identity.strip("<").partition(".")[0]
        node.history.append((state, incident))
        if state == "FIRING":
            node.hot, node.incident = False, incident
            self.findings.incidents += 1
        else:
            node.hot, node.incident = True, ""

    def _judge(self) -> None:
        for node in self._nodes.values():
            for place, (state, incident) in enumerate(node.history):
                expected = ("FIRING", "RESOLVED")[place % 2]
                before = node.history[place - 1][1] if place % 2 else incident
                if state != expected or incident != before:
                    self.findings.doubled += 1
                    around = node.history[max(place - 2, 0) : place + 2]
                    self._fault(f"{node.name}: {state} {incident} out of turn: {around}")

    def _fault(self, text: str) -> None:
        self.findings.faults.append(text)


def _tell(service: subprocess.Popen[str], word: str) -> None:
    assert service.stdin is not None
    assert service.stdout is not None
    service.stdin.write(f"{word}\n")
    service.stdin.flush()
    service.stdout.readline()


def _wait_for_link(client: BrokerClient) -> None:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        if isinstance(client.receive(0.5), Ready):
            return
    raise AssertionError("no link to the broker")
