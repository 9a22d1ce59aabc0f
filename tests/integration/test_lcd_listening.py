"""A display with very many nodes, on a real broker: it listens, rests, and listens again."""

import io
import threading
import time
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import Report, encode
from rollcall.broker.session import Arrived, Item
from rollcall.broker.topics import Kind, Topics
from rollcall.lcd_display import assembly
from rollcall.lcd_display.display import Display, subscriptions
from rollcall.service.settings import Lcd
from tests.support.mqtt import BrokerUnderTest
from tests.support.nodes import EPOCH, birth
from tests.support.waiting import wait_until

TOPICS = Topics()
NODES = 600


class Heard(BrokerClient):
    """Notes the topics of what the display is given."""

    def __init__(self, broker: BrokerUnderTest) -> None:
        self.topics: set[str] = set()
        status = ServiceAnnouncement(TOPICS, "lcd", version="1", since=time.time(), health=dict)
        super().__init__(
            broker.endpoint,
            client_id="lcd",
            subscriptions=subscriptions(TOPICS),
            announcement=status,
        )

    def receive(self, timeout_s: float) -> Item | None:
        item = super().receive(timeout_s)
        if isinstance(item, Arrived):
            self.topics.add(item.topic)
        return item


def report(number: int) -> bytes:
    fields: dict[str, float | int | None] = {"percent": 40.0}
    return encode(Report(epoch=EPOCH, seq=number, time=time.time(), interval=1, fields=fields))


@pytest.fixture
def client(broker: BrokerUnderTest) -> Iterator[Heard]:
    lcd, _ = assembly.screen_thread(Lcd(), emulate=True, stream=io.StringIO())
    shown = assembly.presenter(Lcd(), version="1.0.0")
    display = Display(lcd, TOPICS, broker.endpoint, shown, own_node=None)
    stop = threading.Event()
    with Heard(broker) as client, lcd:
        loop = threading.Thread(target=display.run, args=(client, stop))
        loop.start()
        yield client
        stop.set()
        loop.join()


@pytest.fixture
def speaker(broker: BrokerUnderTest) -> Iterator[Client]:
    """One connection for all nodes: what it says comes in its order."""
    speaker = Client(CallbackAPIVersion.VERSION2)
    speaker.connect("127.0.0.1", broker.port)
    speaker.loop_start()
    yield speaker
    speaker.disconnect()
    speaker.loop_stop()


def test_between_two_rounds_of_reports_only_who_comes_and_goes_is_heard(
    client: Heard, speaker: Client
) -> None:
    wait_until(lambda: client.ready, 10)
    said = 0

    def everything_is_said_and_no_more_is_heard() -> bool:
        nonlocal said
        said += 1
        late = f"late{said}"
        for node in (*(f"n{number}" for number in range(NODES)), late):
            for collector in ("cpu", "memory", "temperature"):
                speaker.publish(TOPICS.topic(Kind.METRICS, node, collector), report(said))
        speaker.publish(TOPICS.topic(Kind.STATUS, late), birth())
        wait_until(lambda: TOPICS.topic(Kind.STATUS, late) in client.topics, 10)
        return TOPICS.topic(Kind.METRICS, late, "cpu") not in client.topics

    wait_until(everything_is_said_and_no_more_is_heard, 30)
    assert said > 1
