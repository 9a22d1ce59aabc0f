"""The loop: hear of the cluster, and hand it to the web server."""

import threading
from typing import Final

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Item
from rollcall.broker.topics import Kind, Topics
from rollcall.dashboard.live import Live
from rollcall.dashboard.server import WebServer

_LISTEN_S: Final = 0.5
_AT_ONCE: Final = 1000


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """Give what the dashboard listens to: (topic filter, QoS). Its own status is among it."""
    return [
        (topics.topic_filter(Kind.STATUS, "+"), 1),
        (topics.topic_filter(Kind.INFO, "+"), 1),
        (topics.topic_filter(Kind.METRICS, "+", "+"), 0),
        (topics.topic_filter(Kind.APPLIED, "+"), 1),
        (topics.topic_filter(Kind.FLEET), 1),
        (topics.topic_filter(Kind.ALERT, "+", "+"), 1),
        (topics.topic_filter(Kind.SERVICE_STATUS, "+"), 1),
    ]


def health(live: Live) -> dict[str, JsonValue]:
    """Give what the service says of itself; safe on any thread."""
    return {"viewers": live.viewers, "rejected": live.rejected}


def run(client: BrokerClient, web: WebServer, stop: threading.Event) -> None:
    """Feed the server until `stop` is set. Raises BrokerError and ServerError."""
    while not stop.is_set():
        item = client.receive(_LISTEN_S)
        items: list[Item] = []
        while item is not None:
            items.append(item)
            item = client.receive(0) if len(items) < _AT_ONCE else None
        if items:
            web.hand_over(items)
        else:
            web.check()
