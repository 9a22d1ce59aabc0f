"""A real Mosquitto of the test's own, and the real command line clients."""

import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rollcall.broker.mosquitto import PrivateMosquitto, free_port
from rollcall.service.settings import Broker
from tests.support.waiting import wait_until


class BrokerUnderTest(PrivateMosquitto):
    """A private broker that is listening when `start` returns."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port())

    def start(self) -> None:
        super().start()
        wait_until(self._listens, what="mosquitto listening")

    @property
    def endpoint(self) -> Broker:
        return Broker(port=self.port)

    def subscribe_for(
        self, topic_filter: str, seconds: float = 1, *, first: int | None = None
    ) -> list[tuple[str, str]]:
        """Run the real `mosquitto_sub` (MQTT 3.1.1); give (topic, payload) pairs.

        It ends after `seconds`, or with the `first` messages.
        """
        command = ["mosquitto_sub", "-p", str(self.port), "-V", "311", "-q", "1", "-v"]
        command += ["-t", topic_filter, "-W", str(seconds)]
        command += [] if first is None else ["-C", str(first)]
        pairs = (line.partition(" ") for line in _output_of(command, seconds + 10).splitlines())
        return [(topic, payload) for topic, _, payload in pairs]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Run the real `mosquitto_pub`, QoS 1."""
        command = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic]
        command += ["-s"] if payload else ["-n"]
        command += ["-r"] if retain else []
        subprocess.run(command, input=payload, check=True)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.endpoint.host, self.port)) == 0


def _output_of(command: Sequence[str], within_s: float) -> str:
    """Run `mosquitto_sub`; again when its time ran out as it connected: then it waits for ever."""
    for _ in range(3):
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=within_s
            )
            return done.stdout
    raise AssertionError(f"{command} does not end")
