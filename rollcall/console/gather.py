"""Ask the broker for everything it retains, once, and fold it into the state of the cluster."""

import time
from typing import Final

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster, Now
from rollcall.broker.codec import DecodeError
from rollcall.broker.session import Arrived, BrokerError, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.settings import Broker

_WITHIN_S: Final = 5.0
_ANY: Final = "+"


def now() -> Now:
    """Read both clocks."""
    return Now(wall_s=time.time(), monotonic_s=time.monotonic())


def gather(broker: Broker) -> tuple[Cluster, int]:
    """Give the cluster as the broker retains it, and how many messages were unreadable.

    Raises CommandError with exit code 5 when the broker does not answer within 5 s.
    """
    topics = Topics(broker.prefix)
    filters = [
        topics.topic_filter(Kind.STATUS, _ANY),
        topics.topic_filter(Kind.INFO, _ANY),
        topics.topic_filter(Kind.METRICS, _ANY, _ANY),
        topics.topic_filter(Kind.ALERT, _ANY, _ANY),
        topics.topic_filter(Kind.SERVICE_STATUS, _ANY),
        topics.topic_filter(Kind.FLEET),
    ]
    # QoS 0: the broker then sends all that it retains, in order, before it says we subscribed.
    client = BrokerClient(broker, client_id="", subscriptions=[(name, 0) for name in filters])
    cluster = Cluster()
    try:
        with client:
            return cluster, _read_all(client, topics, cluster, broker)
    except BrokerError as error:
        raise CommandError(str(error), "rollcall config", EXIT_OUT_OF_REACH) from error


def _read_all(client: BrokerClient, topics: Topics, cluster: Cluster, broker: Broker) -> int:
    unreadable = 0
    why = "no answer"
    deadline_s = time.monotonic() + _WITHIN_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        match client.receive(min(left_s, 0.5)):
            case Arrived() as arrived:
                try:
                    address = topics.parse(arrived.topic)
                    cluster.fold(address, arrived.payload, replayed=arrived.replayed, now=now())
                except (TopicError, DecodeError):
                    unreadable += 1
            case Ready():
                return unreadable
            case Lost(reason):
                why = reason
                break
    raise CommandError(
        f"the broker at {broker.host}:{broker.port} is out of reach: {why}",
        "rollcall up, or set [broker] host and port in rollcall.toml",
        EXIT_OUT_OF_REACH,
    )
