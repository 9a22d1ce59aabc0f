"""The loop: hear of the cluster, and post what the glass should show.

The glass is redrawn each second, because values expire unaided, and at once when a node comes or
goes. Numbers of a large cluster are taken anew less often, so that drawing never costs much. The
display's own thread does the writing; nothing here waits for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet import FleetError
from rollcall.broker.node_view import NodeState, Now
from rollcall.broker.session import Arrived, Endpoint, Item, Lost, Ready
from rollcall.broker.topics import Address, Kind, TopicError, Topics
from rollcall.lcd_display.groups import Membership
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.listening import Listening
from rollcall.lcd_display.night import Night
from rollcall.lcd_display.page import Link, LinkState, Moment, Page
from rollcall.lcd_display.pages import Presenter
from rollcall.lcd_display.snapshot import Snapshot, snapshot_of
from rollcall.lcd_display.state_pages import goodbye

_log = logging.getLogger(__name__)

_REDRAW_EVERY_S: Final = 1.0
_LISTEN_S: Final = 0.25
_SOON_S: Final = 0.1
_BEAT_AT_MOST_EVERY_S: Final = 1.0
_COMPLAINTS: Final = 1000
_TOPICS_REMEMBERED: Final = 50_000
GATHER_S: Final = 0.1
_AT_ONE_DRAUGHT: Final = 1000
_SETTLED_AFTER_S: Final = 3.0
HEARD: Final = ("cpu", "memory", "temperature")
_IN_DETAIL: Final = ("system", "load", "disk", "network")
_NODES_A_SECOND: Final = 200
_NODES_A_SECOND_AT_MOST: Final = 4000


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """Give what the display listens to: (topic filter, QoS). Its own status is among it.

    Of all that nodes measure it hears only what pages about many nodes need: hearing is what costs.
    What nodes say comes without acknowledgement: that would add nothing, as each connection begins
    with what is retained, and makes a message twice as dear.
    """
    return [
        (topics.topic_filter(Kind.STATUS, "+"), 0),
        (topics.topic_filter(Kind.INFO, "+"), 0),
        *_reports_of(topics, HEARD),
        (topics.topic_filter(Kind.ALERT, "+", "+"), 1),
        (topics.topic_filter(Kind.SERVICE_STATUS, "+"), 1),
        (topics.topic_filter(Kind.FLEET), 1),
    ]


def _reports_of(topics: Topics, collectors: Iterable[str]) -> list[tuple[str, int]]:
    return [(topics.topic_filter(Kind.METRICS, "+", name), 0) for name in collectors]


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
    """Follows the cluster through `client` and posts the pages that `presenter` gives to `lcd`.

    Shown are the nodes of `groups`, or all. `own_node` is the node of this very host: while it
    reports that its clock is not synchronized, no time of day is shown. In the `night` the light is
    off, unless something alerts.
    """

    def __init__(
        self,
        lcd: LcdThread,
        topics: Topics,
        endpoint: Endpoint,
        presenter: Presenter,
        *,
        groups: Sequence[str] = (),
        own_node: str | None,
        night: Night | None = None,
        clock: Callable[[], Now] = lambda: Now(time.time(), time.monotonic()),
    ) -> None:
        self._lcd = lcd
        self._topics = topics
        self._endpoint = endpoint
        self._presenter = presenter
        self._groups = groups
        self._own_node = own_node
        self._night = night
        self._clock = clock
        self._address_of = lru_cache(_TOPICS_REMEMBERED)(topics.parse)
        self._cluster = Cluster(HEARD)
        self._hears_details = False
        self._listening = Listening()
        self._listens = True
        self._membership = Membership()
        self._snapshot = Snapshot(clock())
        self._is_outdated = True
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
            self._lcd.finish(goodbye(self._presenter.glass, self._local(self._clock())))

    def _follow(self, client: BrokerClient, stop: threading.Event) -> None:
        due_s = 0.0
        while not stop.is_set():
            changed = [self._take_in(item) for item in self._arrived(client)]
            if any(changed):
                due_s = min(due_s, self._soon_s())
            if self._clock().monotonic_s >= due_s:
                due_s = self._clock().monotonic_s + _REDRAW_EVERY_S
                self._redraw(client)

    def _arrived(self, client: BrokerClient) -> Iterator[Item]:
        """Give what has come; to wait for each message by itself would cost more than it does."""
        item = client.receive(_LISTEN_S)
        if item is not None:
            time.sleep(GATHER_S)
        for _ in range(_AT_ONE_DRAUGHT):
            if item is None:
                return
            yield item
            item = client.receive(0)
        if item is not None:
            yield item

    def _soon_s(self) -> float:
        """Give when to redraw after a change: soon, but not for every one of very many."""
        nodes = len(self._snapshot.figures.nodes)
        soonest_s = self._snapshot.now.monotonic_s + nodes / _NODES_A_SECOND_AT_MOST
        return max(self._clock().monotonic_s + _SOON_S, soonest_s)

    def _take_in(self, item: Item) -> bool:
        """Take in one item; say whether the glass should change at once."""
        match item:
            case Ready():
                self._cluster.connected(self._clock())
                self._listening.begin(self._clock().monotonic_s)
                self._note_link(LinkState.CONNECTED)
                return True
            case Lost():
                # What is subscribed to by the time of the next connection is replayed there.
                self._listening.begin(self._clock().monotonic_s)
                if self._link_state is LinkState.CONNECTED:
                    self._note_link(LinkState.LOST)
                return True
            case Arrived():
                return self._fold(item)

    def _fold(self, arrived: Arrived) -> bool:
        now = Now(self._clock().wall_s, arrived.at_s)
        try:
            address = self._address_of(arrived.topic)
            before = self._standing_of(address, now)
            self._cluster.fold(address, arrived.payload, replayed=arrived.replayed, now=now)
            if address.kind is Kind.FLEET:
                self._membership.put_in_force(self._cluster.fleet)
        except (DecodeError, TopicError, FleetError) as error:
            self._reject(arrived.topic, error)
            return False
        self._note_heard(address, now, replayed=arrived.replayed)
        if not arrived.replayed and address.kind in {Kind.STATUS, Kind.METRICS}:
            self._heartbeat.received(arrived.at_s)
        changed = self._standing_of(address, now) != before
        self._is_outdated |= changed
        return changed

    def _note_heard(self, address: Address, now: Now, *, replayed: bool) -> None:
        if address.kind is Kind.METRICS:
            source = (address.name, address.leaf)
            report = self._cluster.newest_report(*source)
            if report is not None and report.fields is not None:
                self._listening.came(source, report.interval, replayed=replayed)
            else:
                self._listening.left(source)
        elif address.kind is Kind.INFO:
            node = self._cluster.node(address.name, now)
            intervals_s = node.info.collectors if node is not None and node.info else {}
            for collector, interval_s in intervals_s.items():
                self._listening.changed((address.name, collector), interval_s)

    def _standing_of(self, address: Address, now: Now) -> object:
        """Give what the glass should tell at once when it changes: who is there, what calls."""
        if address.kind is Kind.STATUS:
            node = self._cluster.node(address.name, now)
            return node and (node.state, node.reason)
        if address.kind is Kind.ALERT:
            alert = self._cluster.alerts.get((address.name, address.leaf))
            return alert and (alert.state, alert.severity, alert.flags)
        return None

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
        self._listen(client)
        self._hear_details(client)
        page = self._due_page(client)
        self._page = page.name
        self._lcd.post(page.lines, light=page.alerting or not self._is_night())
        account = self._lcd.account()
        standing = [account[key] for key in ("display", "error", "address", "readback")]
        if standing != self._standing:
            self._standing = standing
            client.announce()

    def _listen(self, client: BrokerClient) -> None:
        """Listen to what nodes measure when it is time to; see `listening`."""
        is_due = self._listening.is_due(self._clock().monotonic_s)
        if is_due == self._listens:
            return
        self._listens = is_due
        if is_due:
            client.subscribe(_reports_of(self._topics, HEARD), replay=False)
        else:
            client.unsubscribe(_reports_of(self._topics, HEARD))

    def _hear_details(self, client: BrokerClient) -> None:
        """Listen to what only pages about one node tell, once such a page may be due."""
        settled = self._clock().monotonic_s - self._link_since.monotonic_s > _SETTLED_AFTER_S
        alone = settled and len(self._snapshot.figures.nodes) == 1
        if not self._hears_details and (alone or "detail" in self._presenter.wanted):
            self._hears_details = True
            client.subscribe(_reports_of(self._topics, _IN_DETAIL))

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
        return self._presenter.page(self._newest(now), link, moment)

    def _newest(self, now: Now) -> Snapshot:
        """Give the numbers, taken anew when something came or went, and when they are old."""
        age_s = now.monotonic_s - self._snapshot.now.monotonic_s
        nodes = len(self._snapshot.figures.nodes)
        a_second = _NODES_A_SECOND_AT_MOST if self._is_outdated else _NODES_A_SECOND
        if age_s >= nodes / a_second:
            self._is_outdated = False
            self._snapshot = snapshot_of(self._cluster, now, self._membership, self._groups)
        return self._snapshot

    def _is_night(self) -> bool:
        """Say whether the light should be off; never where nobody can tell the time."""
        now = self._clock()
        night = self._night is not None and self._night.covers(self._local(now))
        return night and self._trusts_clock(now)

    def _trusts_clock(self, now: Now) -> bool:
        node = self._cluster.node(self._own_node, now) if self._own_node else None
        if node is None or node.state is not NodeState.ONLINE:
            return True
        return all(held.report.clock is None for held in node.reports.values())

    def _local(self, now: Now) -> datetime:
        return datetime.fromtimestamp(now.wall_s, UTC).astimezone()
