"""Ask something of a service or a node over the broker: publish a command, wait for its answer."""

import secrets
import time
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import REPLY, Command, Reply, encode
from rollcall.broker.session import Arrived, BrokerError, Endpoint, Lost, Ready
from rollcall.broker.topics import Kind, Topics, branch_of

_CONNECTED_WITHIN_S = 5.0


class NoAnswerError(RuntimeError):
    """The service did not answer in time, or not with an answer."""


def ask(
    broker: Endpoint,
    topics: Topics,
    name: str,
    command: str,
    keys: Mapping[str, JsonValue],
    *,
    within_s: float,
    answering: Literal[Kind.SERVICE_REPLY, Kind.NODE_REPLY] = Kind.SERVICE_REPLY,
) -> Reply:
    """Give the answer of the service (or node) `name` to `command` with its own `keys`.

    Raises BrokerError when the broker is out of reach, and NoAnswerError.
    """
    expiry_s = branch_of(Kind.COMMAND).expiry_s
    request = Command.model_validate(
        {
            "id": secrets.token_hex(8),
            "command": command,
            "expires": time.time() + float(expiry_s or 0),
            **keys,
        }
    )
    answers = topics.topic(answering, name, request.id)
    until_s, asked = time.monotonic() + _CONNECTED_WITHIN_S, False
    with BrokerClient(broker, client_id="", subscriptions=[(answers, 1)]) as client:
        while (left_s := until_s - time.monotonic()) > 0:
            match client.receive(min(left_s, 0.5)):
                case Ready():
                    topic = topics.topic(Kind.COMMAND, name)
                    asked = client.publish(topic, encode(request), expiry_s=expiry_s)
                    until_s = time.monotonic() + within_s
                case Arrived(payload=payload):
                    return _decoded(payload)
                case Lost(reason):
                    raise BrokerError(f"the broker is out of reach: {reason}")
    if not asked:
        raise BrokerError("the broker does not answer")
    who = "service" if answering is Kind.SERVICE_REPLY else "node"
    raise NoAnswerError(f"the {who} {name} does not answer")


def _decoded(payload: bytes) -> Reply:
    try:
        return REPLY.decode(payload)
    except DecodeError as error:
        raise NoAnswerError(f"an answer that is none: {error}") from error
