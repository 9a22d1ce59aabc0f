"""Ask the broker for everything it retains, and fold it into the state of the cluster."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.node_view import Now
from rollcall.broker.session import Arrived, BrokerError, Lost, Ready
from rollcall.broker.topics import Address, Kind, TopicError, Topics
from rollcall.console.identity import identity_of, may_read_answers
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.settings import Broker

_WITHIN_S: Final = 5.0
_ANY: Final = "+"
_NAMES: Final = {Kind.METRICS: 2, Kind.ALERT: 2, Kind.FLEET: 0}
OF_NODES: Final = (Kind.STATUS, Kind.INFO, Kind.APPLIED, Kind.FLEET)
EVERYTHING: Final = (*OF_NODES, Kind.METRICS, Kind.ALERT, Kind.SERVICE_STATUS)


def now() -> Now:
    """Read both clocks."""
    return Now(wall_s=time.time(), monotonic_s=time.monotonic())


class Link:
    """An open connection and the cluster as it is heard on it; made by `linked`."""

    def __init__(self, broker: Broker, client: BrokerClient) -> None:
        self.topics = Topics(broker.prefix)
        self.client = client
        hears_answers = may_read_answers(identity_of(broker))
        self.cluster = Cluster(hears_answers=hears_answers)
        self.unreadable = 0
        self._where = f"{broker.host}:{broker.port}"

    def hear(self, timeout_s: float) -> Arrived | Ready | None:
        """Wait for one message and fold it. Raises CommandError when the connection is lost."""
        item = self.client.receive(timeout_s)
        if isinstance(item, Lost):
            raise self.out_of_reach(item.reason)
        if isinstance(item, Arrived):
            try:
                address = self.topics.parse(item.topic)
                self.cluster.fold(address, item.payload, replayed=item.replayed, now=now())
            except (TopicError, DecodeError):
                self.unreadable += 1
        return item

    def address_of(self, arrived: Arrived) -> Address | None:
        """Say what a message is about; None for a topic that is not of the tree."""
        try:
            return self.topics.parse(arrived.topic)
        except TopicError:
            return None

    def out_of_reach(self, why: str) -> CommandError:
        """Say that the broker cannot be talked to."""
        return CommandError(
            f"the broker at {self._where} is out of reach: {why}",
            "rollcall up, or set [broker] host and port in rollcall.toml",
            EXIT_OUT_OF_REACH,
        )


def filters_of(topics: Topics, kinds: Sequence[Kind] = EVERYTHING) -> list[tuple[str, int]]:
    """Give the (topic filter, QoS) pairs of these kinds, for every node.

    QoS 0: the broker then sends all that it retains, in order, before it says we subscribed.
    """
    return [(topics.topic_filter(kind, *[_ANY] * _NAMES.get(kind, 1)), 0) for kind in kinds]


@contextmanager
def linked(broker: Broker, kinds: Sequence[Kind] = EVERYTHING) -> Iterator[Link]:
    """Give a connection on which all that the broker retains of these kinds has been heard.

    Raises CommandError with exit code 5 when the broker is silent for 5 s.
    """
    filters = filters_of(Topics(broker.prefix), kinds)
    client = BrokerClient(broker, client_id="", subscriptions=filters)
    try:
        with client:
            link = Link(broker, client)
            # A large cluster may take its time, as long as it does not fall silent.
            heard_s = time.monotonic()
            while not isinstance(item := link.hear(0.5), Ready):
                if item is not None:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > _WITHIN_S:
                    raise link.out_of_reach("no answer")
            yield link
    except BrokerError as error:
        raise CommandError(str(error), "rollcall config", EXIT_OUT_OF_REACH) from error


def gather(broker: Broker) -> tuple[Cluster, int]:
    """Give the cluster as the broker retains it, and how many messages were unreadable.

    Raises CommandError with exit code 5 when the broker is silent for 5 s.
    """
    with linked(broker) as link:
        return link.cluster, link.unreadable
