"""Ask something of a service over the broker: publish a command, wait for its answer."""

import secrets
import time
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import REPLY, Command, Reply, encode
from rollcall.broker.session import Arrived, BrokerError, Lost, Ready
from rollcall.broker.topics import Kind, Topics, branch_of
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.settings import Broker

_CONNECTED_WITHIN_S: Final = 5.0
_ANSWERED_WITHIN_S: Final = 10.0


def ask(
    broker: Broker,
    service: str,
    command: str,
    keys: Mapping[str, JsonValue],
    *,
    within_s: float = _ANSWERED_WITHIN_S,
) -> JsonValue:
    """Give what `service` answers to `command` with its own `keys`.

    Raises CommandError: with exit code 5 when the broker is out of reach, 1 when nobody answers
    `within_s` seconds, or the answer is no.
    """
    topics = Topics(broker.prefix)
    request = Command.model_validate(
        {
            "id": secrets.token_hex(8),
            "command": command,
            "expires": time.time() + float(branch_of(Kind.COMMAND).expiry_s or 0),
            **keys,
        }
    )
    answers = topics.topic(Kind.SERVICE_REPLY, service, request.id)
    client = BrokerClient(broker, client_id="", subscriptions=[(answers, 1)])
    try:
        with client:
            reply = _asked(client, topics.topic(Kind.COMMAND, service), request, within_s)
    except BrokerError as error:
        raise CommandError(str(error), "rollcall broker check", EXIT_OUT_OF_REACH) from error
    if reply is None:
        raise CommandError(
            f"the service {service} does not answer", f"rollcall run {service}; rollcall status"
        )
    if not reply.ok:
        raise CommandError(reply.error or "the command failed", f"rollcall {service} --help")
    return reply.result


def _asked(client: BrokerClient, topic: str, request: Command, within_s: float) -> Reply | None:
    until_s = time.monotonic() + _CONNECTED_WITHIN_S
    asked = False
    while (left_s := until_s - time.monotonic()) > 0:
        match client.receive(min(left_s, 0.5)):
            case Ready():
                expiry_s = branch_of(Kind.COMMAND).expiry_s
                asked = client.publish(topic, encode(request), expiry_s=expiry_s)
                until_s = time.monotonic() + within_s
            case Arrived(payload=payload):
                try:
                    return REPLY.decode(payload)
                except DecodeError as error:
                    raise CommandError(f"an answer that is none: {error}", "again") from error
            case Lost(reason):
                raise CommandError(
                    f"the broker is out of reach: {reason}",
                    "rollcall up, or set [broker] host and port in rollcall.toml",
                    EXIT_OUT_OF_REACH,
                )
    if not asked:
        raise CommandError(
            "the broker does not answer",
            "rollcall up, or set [broker] host and port in rollcall.toml",
            EXIT_OUT_OF_REACH,
        )
    return None
