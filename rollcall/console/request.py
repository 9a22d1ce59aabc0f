"""Ask something of a service over the broker, and say what is wrong when it does not answer."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker import asking
from rollcall.broker.asking import NoAnswerError
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError
from rollcall.service.settings import Broker

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
    try:
        reply = asking.ask(broker, topics, service, command, keys, within_s=within_s)
    except BrokerError as error:
        remedy = "rollcall broker check; rollcall up, or set [broker] host and port"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    except NoAnswerError as error:
        raise CommandError(str(error), f"rollcall run {service}; rollcall status") from error
    if not reply.ok:
        raise CommandError(reply.error or "the command failed", f"rollcall {service} --help")
    return reply.result
