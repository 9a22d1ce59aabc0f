"""The client on a real Mosquitto: birth, will, takeover, healing, acknowledging, coming back."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Arrived, BrokerError, Item, Lost, Ready, Session
from rollcall.broker.topics import Kind, Topics
from rollcall.service.settings import Broker
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()
STATUS = TOPICS.topic(Kind.SERVICE_STATUS, "recorder")
ONLINE = '"state":"online"'
T = TypeVar("T", bound=Item)


def client_of(
    broker: BrokerUnderTest,
    *,
    name: str = "recorder",
    subscriptions: tuple[tuple[str, int], ...] = ((STATUS, 1),),
    session: Session | None = None,
) -> BrokerClient:
    announcement = ServiceAnnouncement(
        TOPICS, name, version="1.0.0", since=time.time(), health=dict
    )
    return BrokerClient(
        broker.endpoint,
        client_id=name,
        subscriptions=subscriptions,
        announcement=announcement,
        session=session,
    )


def next_of(client: BrokerClient, kind: type[T], timeout_s: float = 10) -> T:
    """Receive until an item of `kind` comes; others are passed over."""

    def found() -> T | None:
        item = client.receive(0.1)
        return item if isinstance(item, kind) else None

    return wait_until(found, timeout_s, what=f"a {kind.__name__}")


def pumped(client: BrokerClient, condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Keep receiving until `condition` holds."""

    def holds() -> bool:
        client.receive(0.05)
        return condition()

    wait_until(holds, timeout_s)


def status_on(broker: BrokerUnderTest) -> str:
    return next((payload for _, payload in broker.subscribe_for(STATUS)), "")


def test_a_birth_is_retained_and_a_goodbye_follows_it(broker: BrokerUnderTest) -> None:
    with client_of(broker) as client:
        next_of(client, Ready)
        assert ONLINE in status_on(broker)
    assert '"reason":"stopped"' in status_on(broker)


def test_nothing_can_be_published_before_the_birth_is_acknowledged(
    broker: BrokerUnderTest,
) -> None:
    client = client_of(broker)
    assert client.publish("rollcall/v1/receipt/pi-3", b"{}") is False
    with client:
        next_of(client, Ready)
        assert client.publish("rollcall/v1/receipt/pi-3", b"{}", retain=True) is True
        pumped(client, lambda: client.unacknowledged == 0)


def test_a_false_offline_is_healed_while_we_live(broker: BrokerUnderTest) -> None:
    with client_of(broker) as client:
        next_of(client, Ready)
        broker.publish(STATUS, b'{"state":"offline","reason":"lost"}', retain=True)
        wait_until(lambda: b"offline" in next_of(client, Arrived).payload, what="the falsehood")
        wait_until(lambda: b'"online"' in next_of(client, Arrived).payload, what="the truth")
        assert ONLINE in status_on(broker)


def test_an_emptied_status_is_healed_too(broker: BrokerUnderTest) -> None:
    with client_of(broker) as client:
        next_of(client, Ready)
        broker.publish(STATUS, b"", retain=True)
        wait_until(lambda: next_of(client, Arrived).payload == b"", what="the emptied topic")
        wait_until(lambda: b'"online"' in next_of(client, Arrived).payload, what="the truth")
        assert ONLINE in status_on(broker)


def test_a_killed_client_leaves_its_will_within_four_seconds(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    program = tmp_path / "killed.py"
    program.write_text(
        "import sys\n"
        "from rollcall.broker.announcement import ServiceAnnouncement\n"
        "from rollcall.broker.client import BrokerClient\n"
        "from rollcall.broker.topics import Topics\n"
        "from rollcall.service.settings import Broker\n"
        "mine = ServiceAnnouncement(Topics(), 'recorder', version='1', since=1.0, health=dict)\n"
        "endpoint = Broker(port=int(sys.argv[1]))\n"
        "with BrokerClient(endpoint, client_id='r', subscriptions=[], announcement=mine) as c:\n"
        "    while True: c.receive(0.1)\n"
    )
    process = subprocess.Popen([sys.executable, str(program), str(broker.port)])
    try:
        wait_until(lambda: ONLINE in status_on(broker), what="the birth")
    finally:
        process.kill()
        process.wait()
    killed_s = time.monotonic()
    wait_until(lambda: '"reason":"lost"' in status_on(broker), 6, what="the will")
    assert time.monotonic() - killed_s < 4 + 1  # the watching itself takes a second a look


def test_the_session_comes_back_when_the_broker_was_killed(broker: BrokerUnderTest) -> None:
    with client_of(broker) as client:
        first = next_of(client, Ready)
        broker.kill()
        next_of(client, Lost)
        assert client.ready is False
        broker.start()
        again = next_of(client, Ready)
        assert again.generation > first.generation
        assert ONLINE in status_on(broker)
        assert client.connections == 2


def test_an_acknowledgement_for_a_connection_that_is_gone_is_not_sent(
    broker: BrokerUnderTest,
) -> None:
    session = Session(expiry_s=60, receive_maximum=100, manual_acknowledgement=True)
    topic = TOPICS.topic(Kind.BACKLOG, "pi-3")
    with client_of(broker, subscriptions=((topic, 1),), session=session) as client:
        next_of(client, Ready)
        broker.publish(topic, b"first")
        stale = next_of(client, Arrived)
        client.reconnect()
        again = next_of(client, Arrived)
        assert client.acknowledge(stale) is False
        assert (again.payload, client.acknowledge(again)) == (b"first", True)


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(
    broker: BrokerUnderTest,
) -> None:
    session = Session(expiry_s=60, receive_maximum=100, manual_acknowledgement=True)
    topic = TOPICS.topic(Kind.BACKLOG, "pi-3")
    with client_of(broker, subscriptions=((topic, 1),), session=session) as client:
        next_of(client, Ready)
        for number in range(3):
            broker.publish(topic, f"{number}".encode())
        arrived = [next_of(client, Arrived) for _ in range(3)]
        assert client.acknowledge(arrived[0]) is True
    with client_of(broker, subscriptions=((topic, 1),), session=session) as client:
        assert [next_of(client, Arrived).payload for _ in range(2)] == [b"1", b"2"]


def test_an_inbox_that_is_full_drops_and_counts(broker: BrokerUnderTest) -> None:
    topic = TOPICS.topic(Kind.EVENT, "pi-3")
    with client_of(broker, subscriptions=((topic, 0),), session=Session(inbox_limit=5)) as client:
        next_of(client, Ready)
        for _ in range(8):
            broker.publish(topic, b"{}")
        wait_until(lambda: client.dropped == 3, what="three dropped")


def test_a_payload_above_the_contract_s_limit_is_refused_before_it_ends_the_connection(
    broker: BrokerUnderTest,
) -> None:
    with client_of(broker) as client:
        next_of(client, Ready)
        with pytest.raises(ValueError, match="at most 262144"):
            client.publish("rollcall/v1/receipt/pi-3", b"x" * (256 * 1024 + 1))


def test_what_expires_leaves_the_broker_and_what_does_not_stays(broker: BrokerUnderTest) -> None:
    expiries_s = {"a": None, "b": 1, "c": 600}
    topics = {TOPICS.topic(Kind.METRICS, "pi-3", leaf): s for leaf, s in expiries_s.items()}

    def retained() -> set[str]:
        return {topic for topic, _ in broker.subscribe_for(f"{TOPICS.root}/node/#")}

    with client_of(broker) as client:
        next_of(client, Ready)
        for topic, expiry_s in topics.items():
            assert client.publish(topic, b"x", retain=True, expiry_s=expiry_s)
        pumped(client, lambda: client.unacknowledged == 0)
        left = {topic for topic, expiry_s in topics.items() if expiry_s != 1}
        wait_until(lambda: retained() == left)


def test_no_broker_is_said_once_and_no_error() -> None:
    with BrokerClient(Broker(port=1), client_id="x", subscriptions=[]) as client:
        assert "cannot be reached" in next_of(client, Lost).reason


def test_credentials_that_cannot_be_read_are_said_at_once(tmp_path: Path) -> None:
    endpoint = Broker(ca_file=tmp_path / "absent.crt")
    client = BrokerClient(endpoint, client_id="x", subscriptions=[])
    with pytest.raises(BrokerError, match="check the \\*_file keys"):
        client.__enter__()


def test_a_dead_network_thread_is_noticed(broker: BrokerUnderTest) -> None:
    with client_of(broker) as client:
        next_of(client, Ready)
        client._paho.loop_stop = lambda: None  # type: ignore[method-assign, assignment, return-value]
        client._paho._thread_terminate = True
        client._paho.disconnect()
        with pytest.raises(BrokerError, match="has died"):
            pumped(client, lambda: False, 5)


def test_who_only_asks_is_ready_when_all_that_is_retained_has_come(
    broker: BrokerUnderTest,
) -> None:
    wanted = {TOPICS.topic(Kind.STATUS, f"n{number}") for number in range(300)}
    with client_of(broker) as teller:
        next_of(teller, Ready)
        for topic in wanted:
            teller.publish(topic, b"{}", retain=True)
        pumped(teller, lambda: teller.unacknowledged == 0)
    everything = ((TOPICS.topic_filter(Kind.STATUS, "+"), 0),)
    with BrokerClient(broker.endpoint, client_id="", subscriptions=everything) as asker:
        seen = set()
        while not isinstance(item := asker.receive(5), Ready):
            assert isinstance(item, Arrived)
            seen.add(item.topic)
    assert seen == wanted


def test_what_is_retained_comes_with_a_later_subscription_only_when_it_is_asked_for(
    broker: BrokerUnderTest,
) -> None:
    topics = [TOPICS.topic(Kind.METRICS, name, "cpu") for name in ("pi-1", "pi-2")]
    for topic in topics:
        broker.publish(topic, b"old", retain=True)
    with client_of(broker) as client:
        next_of(client, Ready)
        client.subscribe([(topics[0], 0)], replay=False)
        client.subscribe([(topics[1], 0)])
        arrived = wait_until(lambda: _metrics(client), what="what is retained")
        broker.publish(topics[0], b"new")
        arrived += wait_until(lambda: _metrics(client), what="what is live")
    assert arrived == [(topics[1], b"old"), (topics[0], b"new")]


def _metrics(client: BrokerClient) -> list[tuple[str, bytes]]:
    item = client.receive(0.1)
    is_metrics = isinstance(item, Arrived) and item.topic != STATUS
    return [(item.topic, item.payload)] if is_metrics and isinstance(item, Arrived) else []
