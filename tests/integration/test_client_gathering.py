"""A client that lets messages come together: fewer turns of its thread, and none lost or late."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Arrived, Ready, Session
from rollcall.service.settings import Broker
from tests.support.certificates import write_authority
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

MESSAGES = 300
GATHER_S = 0.1


class BrokerWithTls(BrokerUnderTest):
    """A broker with a certificate of its own authority."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ca_file, self._server_file = write_authority(folder, "ours")

    def configure(self) -> None:
        super().configure()
        file = self._folder / "mosquitto.conf"
        first, _, rest = file.read_text("utf-8").partition("\n")
        lines = (first, f"certfile {self._server_file}", f"keyfile {self._server_file}", rest)
        file.write_text("\n".join(lines), "utf-8")

    @property
    def endpoint(self) -> Broker:
        return Broker(port=self.port, ca_file=self._ca_file)


@pytest.mark.parametrize("made", [BrokerUnderTest, BrokerWithTls])
def test_many_messages_come_in_few_turns(
    tmp_path: Path, made: Callable[[Path], BrokerUnderTest]
) -> None:
    arrived: list[str] = []
    with (
        made(tmp_path / "broker") as broker,
        BrokerClient(
            broker.endpoint,
            client_id="hearer",
            subscriptions=[("said/+", 0)],
            session=Session(gather_s=GATHER_S),
        ) as hearer,
        BrokerClient(broker.endpoint, client_id="speaker", subscriptions=[]) as speaker,
    ):
        for client in (hearer, speaker):
            wait_until(lambda one=client: isinstance(one.receive(0.1), Ready))  # type: ignore[misc]
        said = [f"said/{number}" for number in range(MESSAGES)]

        def all_came() -> bool:
            if said_now := said[len(spoken) : len(spoken) + 10]:
                spoken.extend(topic for topic in said_now if speaker.publish(topic, b"x"))
            speaker.receive(0)
            while (item := hearer.receive(0.01)) is not None:
                arrived.extend([item.topic] if isinstance(item, Arrived) else [])
            return len(arrived) == MESSAGES

        spoken: list[str] = []
        wait_until(all_came, MESSAGES * GATHER_S / 2)
    assert arrived == said
