"""What a node that was removed leaves at the broker: a session, and topics that are retained.

The order matters. A node that is connected heals what others empty, and the will of its session
would fill its status again: so first its credential goes, then its session, then its topics.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Arrived, BrokerError, Endpoint, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics

_ANSWERS_WITHIN_S: Final = 5.0
_ROUNDS: Final = 5
_ANY: Final = "+"


@dataclass(frozen=True, slots=True)
class Left:
    """A topic that is retained, and what it carries; `kind` is None outside the tree."""

    topic: str
    kind: Kind | None


def end_session(operator: Endpoint, node: str) -> None:
    """Take the client id of `node` over, so that the broker ends its session without a will.

    Raises BrokerError when the broker does not answer.
    """
    with BrokerClient(operator, client_id=node, subscriptions=[]) as client:
        _wait_until_ready(client)


def retained_topics(operator: Endpoint, topics: Topics, node: str) -> tuple[Left, ...]:
    """Give every topic of `node` that the broker retains. Raises BrokerError."""
    # QoS 0: the broker sends all that it retains before it says that we are subscribed.
    filters = [(name, 0) for name in _filters(topics, node)]
    with BrokerClient(operator, client_id="", subscriptions=filters) as client:
        arrived = _wait_until_ready(client)
    found = [one.topic for one in arrived if one.replayed and one.payload]
    return tuple(Left(topic, _kind(topics, topic)) for topic in sorted(found))


def clear(operator: Endpoint, topics: Topics, node: str) -> tuple[Left, ...]:
    """Empty every retained topic of `node`, and look again until there is none.

    Gives those that were emptied. Raises BrokerError when some come back again and again.
    """
    emptied: set[Left] = set()
    for _ in range(_ROUNDS):
        left = retained_topics(operator, topics, node)
        if not left:
            return tuple(sorted(emptied, key=lambda one: one.topic))
        _empty(operator, left)
        emptied.update(left)
    raise BrokerError(f"somebody goes on publishing for {node}; is it connected still?")


def _empty(operator: Endpoint, left: Sequence[Left]) -> None:
    with BrokerClient(operator, client_id="", subscriptions=[]) as client:
        _wait_until_ready(client)
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        waiting = list(left)
        while waiting or client.unacknowledged:
            if waiting and client.publish(waiting[-1].topic, b"", retain=True):
                waiting.pop()
                continue
            client.receive(0.01)
            if time.monotonic() > deadline_s:
                raise BrokerError("the broker does not acknowledge what is emptied")


def _wait_until_ready(client: BrokerClient) -> list[Arrived]:
    arrived = []
    why = "no answer"
    deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        match client.receive(left_s):
            case Arrived() as one:
                arrived.append(one)
            case Ready():
                return arrived
            case Lost(reason):
                why = reason
                break
    raise BrokerError(f"the broker is out of reach: {why}")


def _filters(topics: Topics, node: str) -> tuple[str, ...]:
    return (
        topics.node_filter(node),
        topics.topic_filter(Kind.RECEIPT, node),
        topics.topic_filter(Kind.ALERT, node, _ANY),
    )


def _kind(topics: Topics, topic: str) -> Kind | None:
    try:
        return topics.parse(topic).kind
    except TopicError:
        return None
