"""The loop: hear of the cluster, and post what the glass should show.

The glass is redrawn each second, because values expire unaided, and at once when a node comes or
goes. The display's own thread does the writing; nothing here waits for it.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster, NodeState, Now
from rollcall.broker.codec import DecodeError
from rollcall.broker.session import Arrived, Endpoint, Item, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.pages import Link, LinkState, Moment, Page, goodbye, page_of

_log = logging.getLogger(__name__)

_REDRAW_EVERY_S: Final = 1.0
_LISTEN_S: Final = 0.1
_BEAT_AT_MOST_EVERY_S: Final = 1.0
_COMPLAINTS: Final = 1000
_AT_ONCE: Final = frozenset({Kind.STATUS, Kind.ALERT})


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """Give what the display listens to: (topic filter, QoS). Its own status is among it."""
    return [
        (topics.topic_filter(Kind.STATUS, "+"), 1),
        (topics.topic_filter(Kind.INFO, "+"), 1),
        (topics.topic_filter(Kind.METRICS, "+", "+"), 0),
        (topics.topic_filter(Kind.ALERT, "+", "+"), 1),
        (topics.topic_filter(Kind.SERVICE_STATUS, "+"), 1),
    ]


class Heartbeat:
    """Changes its phase when something is received, at most once a second."""

    def __init__(self) -> None:
        self.beat = False
        self._changed_s = float("-inf")

    def received(self, at_s: float) -> None:
        """Note that something arrived, at monotonic seconds."""
        if at_s - self._changed_s >= _BEAT_AT_MOST_EVERY_S:
            self.beat = not self.beat
            self._changed_s = at_s


class Display:
    """Follows the cluster through `client` and posts pages to `lcd`.

    `own_node` is the node of this very host: while it reports that its clock is not synchronized,
    no time of day is shown.
    """

    def __init__(
        self,
        lcd: LcdThread,
        topics: Topics,
        endpoint: Endpoint,
        *,
        version: str,
        own_node: str | None,
        clock: Callable[[], Now] = lambda: Now(time.time(), time.monotonic()),
    ) -> None:
        self._lcd = lcd
        self._topics = topics
        self._endpoint = endpoint
        self._version = version
        self._own_node = own_node
        self._clock = clock
        self._cluster = Cluster()
        self._heartbeat = Heartbeat()
        self._link_state = LinkState.CONNECTING
        self._link_since = clock()
        self._page = "boot"
        self._rejected = 0
        self._complained_of: set[str] = set()
        self._standing: object = None

    def health(self) -> dict[str, JsonValue]:
        """Give what the service says of itself; safe on any thread."""
        account = self._lcd.account()
        return {**account, "page": self._page, "rejected": self._rejected}

    def run(self, client: BrokerClient, stop: threading.Event) -> None:
        """Follow the cluster until `stop` is set, then leave the goodbye on the glass.

        Raises whatever ended the display's thread.
        """
        try:
            self._follow(client, stop)
        finally:
            self._lcd.finish(goodbye(self._local(self._clock())))

    def _follow(self, client: BrokerClient, stop: threading.Event) -> None:
        due_s = 0.0
        while not stop.is_set():
            item = client.receive(_LISTEN_S)
            if item is not None and self._take_in(item):
                due_s = min(due_s, self._clock().monotonic_s + _LISTEN_S)
            if self._clock().monotonic_s >= due_s:
                due_s = self._clock().monotonic_s + _REDRAW_EVERY_S
                self._redraw(client)

    def _take_in(self, item: Item) -> bool:
        """Take in one item; say whether the glass should change at once."""
        match item:
            case Ready():
                self._cluster.connected(self._clock())
                self._note_link(LinkState.CONNECTED)
                return True
            case Lost():
                if self._link_state is LinkState.CONNECTED:
                    self._note_link(LinkState.LOST)
                return True
            case Arrived():
                return self._fold(item)

    def _fold(self, arrived: Arrived) -> bool:
        now = Now(self._clock().wall_s, arrived.at_s)
        try:
            address = self._topics.parse(arrived.topic)
            self._cluster.fold(address, arrived.payload, replayed=arrived.replayed, now=now)
        except (DecodeError, TopicError) as error:
            self._reject(arrived.topic, error)
            return False
        if not arrived.replayed and address.kind in {Kind.STATUS, Kind.METRICS}:
            self._heartbeat.received(arrived.at_s)
        return address.kind in _AT_ONCE

    def _reject(self, topic: str, error: Exception) -> None:
        """Count a message that is none; say so once for a topic."""
        self._rejected += 1
        if topic not in self._complained_of and len(self._complained_of) < _COMPLAINTS:
            self._complained_of.add(topic)
            _log.warning("passed over a message on %.200s: %s", topic, error)

    def _note_link(self, state: LinkState) -> None:
        self._link_state = state
        self._link_since = self._clock()

    def _redraw(self, client: BrokerClient) -> None:
        if self._lcd.fault is not None:
            raise self._lcd.fault
        page = self._due_page(client)
        self._page = page.name
        self._lcd.post(page.lines)
        account = self._lcd.account()
        standing = [account[key] for key in ("display", "error", "address", "readback")]
        if standing != self._standing:
            self._standing = standing
            client.announce()

    def _due_page(self, client: BrokerClient) -> Page:
        now = self._clock()
        link = Link(
            self._link_state,
            self._endpoint.host,
            self._endpoint.port,
            since=self._link_since.wall_s,
            lasted_s=now.monotonic_s - self._link_since.monotonic_s,
            attempts=client.attempts,
            next_s=client.next_attempt_s,
        )
        moment = Moment(now, self._local(now), self._heartbeat.beat, self._trusts_clock(now))
        return page_of(self._cluster, link, moment, version=self._version)

    def _trusts_clock(self, now: Now) -> bool:
        node = self._cluster.node(self._own_node, now) if self._own_node else None
        if node is None or node.state is not NodeState.ONLINE:
            return True
        return all(held.report.clock is None for held in node.reports.values())

    def _local(self, now: Now) -> datetime:
        return datetime.fromtimestamp(now.wall_s, UTC).astimezone()
