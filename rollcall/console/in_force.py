"""Ask the broker which fleet document is in force, and which labels the nodes announce."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rollcall.broker import fleet, messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.broker.session import Arrived, BrokerError, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.service.settings import Broker

_WITHIN_S: Final = 3.0


@dataclass
class InForce:
    """The document in force and the labels of nodes; `remark` says what could not be found out."""

    fleet: Fleet = field(default_factory=fleet.built_in)
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    source: str = "built-in rules"
    remark: str = ""


def in_force(broker: Broker) -> InForce:
    """Ask once; a broker that does not answer leaves the built-in rules and no labels."""
    topics = Topics(broker.prefix)
    filters = [(topics.topic(Kind.FLEET), 0), (topics.topic_filter(Kind.INFO, "+"), 0)]
    found = InForce()
    try:
        with BrokerClient(broker, client_id="", subscriptions=filters) as client:
            _read_all(client, topics, found)
    except BrokerError as error:
        found.remark = _unknown(str(error))
    return found


def _read_all(client: BrokerClient, topics: Topics, found: InForce) -> None:
    deadline_s = time.monotonic() + _WITHIN_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        match client.receive(min(left_s, 0.5)):
            case Arrived() as arrived:
                _take(arrived, topics, found)
            case Ready():
                return
            case Lost(reason):
                found.remark = _unknown(reason)
                return
    found.remark = _unknown("no answer")


def _take(arrived: Arrived, topics: Topics, found: InForce) -> None:
    try:
        address = topics.parse(arrived.topic)
        if address.kind is Kind.INFO:
            found.labels[address.name] = messages.INFO.decode(arrived.payload).labels
        elif arrived.payload:
            message = messages.FLEET.decode(arrived.payload)
            found.fleet = fleet.read(message.document)
            found.source = f"fleet revision {message.revision}"
    except (TopicError, DecodeError, FleetError) as error:
        found.remark = f"{arrived.topic} is unreadable: {error}"


def _unknown(why: str) -> str:
    return f"the broker does not answer ({why}): built-in rules stand for today's, without labels"
