"""The alert service as a process, a node it can watch, and an ear on the alert topics."""

import json
import subprocess
import time
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rollcall.broker import messages
from rollcall.broker.topics import Kind, Topics
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()
EPOCH = "9f3c21d07a5be4c8"
STATUS = TOPICS.topic(Kind.SERVICE_STATUS, "alerts")


class AlertService(ProgramUnderTest):
    """`python -m rollcall.alerts`, configured by the environment; a context manager.

    Without settings of its own mails go into a folder.
    """

    def __init__(self, folder: Path, broker: BrokerUnderTest, **mail: object) -> None:
        self.state_dir = folder / "state"
        self.folder = folder / "mail"
        self._broker = broker
        settings: dict[str, object] = {"folder": f"'{self.folder}'", **mail}
        super().__init__(
            "rollcall.alerts",
            folder,
            settings={
                "ROLLCALL_BROKER__PORT": broker.port,
                "ROLLCALL_ALERTS__STATE_DIR": self.state_dir,
                **{f"ROLLCALL_MAIL__{key.upper()}": value for key, value in settings.items()},
            },
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it; it is online when this returns."""
        earlier = self.status().get("since") if self._process else None
        self.launch()

        def is_new() -> bool:
            status = self.status()
            return status.get("state") == "online" and status.get("since") != earlier

        wait_until(is_new, what="the alert service online")

    def status(self) -> dict[str, Any]:
        """What it says of itself, to a late subscriber."""
        return retained(self._broker, STATUS)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status().get("health", {})
        return found

    def mails(self) -> list[EmailMessage]:
        """The mails in the folder, oldest first."""
        found = sorted((self.folder / "new").glob("*.eml"), key=lambda path: path.stat().st_mtime)
        return [message_from_bytes(path.read_bytes(), policy=default) for path in found]


def retained(broker: BrokerUnderTest, topic: str) -> dict[str, Any]:
    """Ask for one retained message; empty when there is none."""
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", topic, "-C", "1", "-W", "1"]
    done = subprocess.run([*command, "--retained-only"], capture_output=True, check=False)
    return json.loads(done.stdout) if done.stdout.strip() else {}


class WatchedNode:
    """A node whose last will is a real one: a client process that can be killed."""

    def __init__(self, broker: BrokerUnderTest, name: str) -> None:
        self.name = name
        self._broker = broker
        self._client: subprocess.Popen[bytes] | None = None
        self._session = 0
        self._seq = 0

    def start(self) -> None:
        """Connect with a will, then publish the birth."""
        self._session += 1
        topic = TOPICS.topic(Kind.STATUS, self.name)
        will = messages.Offline(reason="lost", session=self._session, epoch=EPOCH)
        command = ["mosquitto_sub", "-p", str(self._broker.port), "-i", self.name, "-t", topic]
        command += ["--will-topic", topic, "--will-payload", messages.encode(will).decode()]
        command += ["--will-retain", "--will-qos", "1"]
        self._client = subprocess.Popen(command, stdout=subprocess.PIPE)
        birth = messages.Online(
            since=time.time(), session=self._session, epoch=EPOCH, interval=1, seq=self._seq
        )
        self._broker.publish(topic, messages.encode(birth), retain=True)
        assert self._client.stdout is not None
        # It hears the birth: the connection, and with it the will, is in place.
        assert self._client.stdout.readline()

    def kill(self) -> None:
        """SIGKILL: the broker publishes the will."""
        if self._client is not None:
            self._client.kill()
            self._client.communicate()
            self._client = None

    def report(self, percent: float) -> None:
        """Publish one report of the collector `cpu`."""
        self._seq += 1
        report = messages.Report(
            time=time.time(),
            interval=1,
            fields={"percent": percent},
            epoch=EPOCH,
            seq=self._seq,
        )
        topic = TOPICS.topic(Kind.METRICS, self.name, "cpu")
        self._broker.publish(topic, messages.encode(report), retain=True)

    def reporting(self, percent: float, condition: Callable[[], object]) -> Callable[[], object]:
        """Wrap a condition: each time it is asked, a report is published before."""

        def asked() -> object:
            self.report(percent)
            return condition()

        return asked


class Ear:
    """Writes down everything on a topic filter from now on; a context manager."""

    def __init__(self, broker: BrokerUnderTest, topic_filter: str, path: Path) -> None:
        self._path = path
        self._command = ["mosquitto_sub", "-p", str(broker.port), "-v", "-t", topic_filter]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._path.open("wb") as file:
            self._process = subprocess.Popen(self._command, stdout=file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def heard(self) -> list[str]:
        """The payloads, in order; an empty one is an empty string."""
        lines = self._path.read_text("utf-8").splitlines()
        return [line.partition(" ")[2].replace("(null)", "") for line in lines]
