"""What a node that was removed leaves at the broker: a session, and topics that are retained.

The order matters. A node that is connected heals what others empty, and the will of its session
would fill its status again: so first its credential goes, then its session, then its topics.
"""

import time
from dataclasses import dataclass
from typing import Final

from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Arrived, BrokerError, Endpoint, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics

_ANSWERS_WITHIN_S: Final = 5.0
_CLEAR_WITHIN_S: Final = 30.0
# Longer than the recorder takes from a report to its receipt.
_QUIET_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.1
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
    """Empty every retained topic of `node`, and what others still say of it within 3 s.

    The recorder and the alert service may be about to publish for a node that has just gone.
    Gives what was emptied. Raises BrokerError when that does not end.
    """
    filters = [(name, 0) for name in _filters(topics, node)]
    with BrokerClient(operator, client_id="", subscriptions=filters) as client:
        emptied = _empty_until_quiet(client)
    return tuple(Left(topic, _kind(topics, topic)) for topic in sorted(emptied))


def _empty_until_quiet(client: BrokerClient) -> set[str]:
    emptied: set[str] = set()
    full: set[str] = set()
    began_s = quiet_since_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < _CLEAR_WITHIN_S:
        match client.receive(_LOOK_EVERY_S):
            case Arrived() as one if one.payload:
                full.add(one.topic)
                quiet_since_s = now_s
            case Lost(reason):
                raise BrokerError(f"the broker is out of reach: {reason}")
        while full and client.publish(next(iter(full)), b"", retain=True):
            emptied.add(full.pop())
        quiet = client.ready and not full and not client.unacknowledged
        if client.publish_failures:
            raise BrokerError("the operator may not empty the topics; try: rollcall broker init")
        if quiet and now_s - quiet_since_s >= _QUIET_S:
            return emptied
    raise BrokerError("somebody goes on publishing for this node; try: rollcall node remove again")


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
