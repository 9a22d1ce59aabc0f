"""The names of the nodes for the completion of a shell: quickly, or not at all."""

import os
import time
from typing import Final

import click
from click.shell_completion import CompletionItem

from rollcall.console.options import Options
from rollcall.service import config

_WITHIN_S: Final = 0.8


def complete_nodes(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Give the nodes that the broker knows and that begin like this; none when it is not quick."""
    options = context.find_object(Options) or Options()
    try:
        names = _names(options)
    except Exception:  # noqa: BLE001 - whoever presses a key wants no report of what went wrong
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _names(options: Options) -> list[str]:
    # Only whoever completes a name needs the way to the broker.
    from rollcall.broker.client import BrokerClient  # noqa: PLC0415 - see above
    from rollcall.broker.session import Arrived, Lost, Ready  # noqa: PLC0415 - likewise
    from rollcall.broker.topics import Kind, Topics  # noqa: PLC0415 - likewise

    broker = config.load(options.config, os.environ).broker
    topics = Topics(broker.prefix)
    filters = [(topics.topic_filter(Kind.STATUS, "+"), 0)]
    names: set[str] = set()
    until_s = time.monotonic() + _WITHIN_S
    with BrokerClient(broker, client_id="", subscriptions=filters) as client:
        while (left_s := until_s - time.monotonic()) > 0:
            match client.receive(left_s):
                case Arrived(topic=topic, payload=payload) if payload:
                    names.add(topics.parse(topic).name)
                case Ready() | Lost():
                    break
    return sorted(names)
