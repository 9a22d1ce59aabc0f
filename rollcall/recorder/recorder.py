"""The loop: receive, decode, collect a batch, commit, say receipts, acknowledge.

Nothing is acknowledged before it is durable. While the database cannot be written, the batch
waits and is tried again for ever; the broker stops sending when its window is full, and the
agents keep what has no receipt.

Before the first subscription to nodes the receipts of others are looked at (they are retained, so
they come before `Ready`), and our own are published: an agent must not begin to send again what
is stored already.
"""

import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from rollcall import __version__
from rollcall.broker import messages
from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import HOLD_DOWN_S
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import Receipt, encode
from rollcall.broker.session import Arrived, Endpoint, Item, Lost, Ready, Session
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.recorder import intake
from rollcall.recorder.commands import Commands
from rollcall.recorder.engine import Membership
from rollcall.recorder.errors import DatabaseUnavailableError, ForeignDatabaseError
from rollcall.recorder.findings import (
    Arrival,
    Finding,
    Freshness,
    Intake,
    Refused,
    Seen,
    StatusFound,
)
from rollcall.recorder.health import Health, Space
from rollcall.recorder.presence import HoldDown
from rollcall.recorder.receipts import ReceiptSchedule, YoungHoles
from rollcall.recorder.store import Store
from rollcall.recorder.subscriptions import Subscriptions
from rollcall.recorder.upkeep import Upkeep
from rollcall.service.backoff import Backoff
from rollcall.service.notify import Notifier
from rollcall.service.settings import Keep

SERVICE: Final = "recorder"
# While a batch is committed the next ones are on their way.
RECEIVE_MAXIMUM: Final = 8000
_SESSION_EXPIRY_S: Final = 3600
_BATCH_AGE_S: Final = 1.0
_BATCH_MESSAGES: Final = RECEIVE_MAXIMUM // 2
# Redelivery on a new connection repeats what waits here; only a database that stays away over
# several connections fills it, and then what goes first can no longer be acknowledged anyway.
_MAX_WAITING: Final = 2 * RECEIVE_MAXIMUM
_IDLE_S: Final = 0.25
_BREATH_S: Final = 0.02
_LOOK_EVERY_S: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that is not committed yet; what we add ourselves has no `arrived`."""

    intake: Intake
    at_s: float
    arrived: Arrived | None


class Recorder:
    """Moves messages from a broker into an open `store`, exactly once."""

    def __init__(
        self,
        store: Store,
        topics: Topics,
        keep: Keep,
        membership: Membership | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._store = store
        self._notifier = notifier or Notifier({})
        self._membership = membership or Membership()
        self._subscriptions = Subscriptions(topics, self._membership)
        self._upkeep = Upkeep(store, keep)
        self._commands = Commands(self._upkeep)
        self._topics = topics
        self._health = Health()
        self._waiting: deque[_Waiting] = deque()
        self._receipts = ReceiptSchedule()
        self._young_holes = YoungHoles()
        self._hold_down = HoldDown()
        self._backoff = Backoff(0.2, 10.0, lambda: random.uniform(0.5, 1.5))  # noqa: S311 - spreads load
        self._retry_at_s = 0.0
        self._live_from_s = float("inf")
        self._subscribed = False
        self._leads = False
        self._look_at_s = 0.0
        self._overflowed = 0
        self._fetched = 0

    def client(self, endpoint: Endpoint) -> BrokerClient:
        """Make the recorder's session: kept by the broker for an hour, acknowledged by hand.

        That of one of several ends with the connection: nothing may go on being put aside for it.
        What it held was not receipted, and is sent again.
        """
        announcement = ServiceAnnouncement(
            self._topics,
            self._membership.name,
            version=__version__,
            since=time.time(),
            health=self._health.snapshot,
        )
        shared = self._membership.shared
        client = BrokerClient(
            endpoint,
            client_id=self._membership.name,
            subscriptions=self._subscriptions.first,
            announcement=announcement,
            session=Session(
                expiry_s=0 if shared else _SESSION_EXPIRY_S,
                ends_at_once=shared,
                receive_maximum=RECEIVE_MAXIMUM,
                manual_acknowledgement=True,
            ),
            watchdog=lambda: self._notifier.beat(lambda: self._status(client)),
        )
        return client

    def run(self, client: BrokerClient, stop: threading.Event) -> None:
        """Record until told to stop, then commit what is there.

        Raises ForeignDatabaseError, DatabaseBrokenError, BrokerError, ConfigError.
        """
        self._wait_for_database(client, stop)
        while not stop.is_set():
            if client.has_tried:
                self._notifier.ready()
            self._take(client, client.receive(self._patience_s()))
            while len(self._waiting) < _BATCH_MESSAGES and (item := client.receive(0)):
                self._take(client, item)
            self._release_held()
            self._follow_lead(client)
            if self._is_due():
                self._commit(client)
            self._say_receipts(client)
            self._fetch_dropped(client)
            if self._leads:
                self._upkeep.step(time.monotonic())
            if self._subscribed:
                self._health.look(time.monotonic(), self._space)
        if self._waiting:
            self._commit(client)
            self._say_receipts(client)

    def _status(self, client: BrokerClient) -> str:
        """Say in words how it goes, for the supervisor."""
        if self._health.database != "ok":
            return f"waits for the database, which is {self._health.database}"
        link = "" if client.ready else "waits for the broker, "
        return f"{link}lag {self._health.lag_seconds:.1f} s, {len(self._store.nodes())} nodes"

    def _fetch_dropped(self, client: BrokerClient) -> None:
        """Connect anew when the inbox had no room, so that the broker sends again what is missing.

        Mosquitto may have more under way than our Receive Maximum while it works off a queue;
        without this, what was dropped would count against it for ever.
        """
        if client.dropped > self._fetched and not self._waiting:
            _log.warning("%d messages had no room; asking for them again", client.dropped)
            self._fetched = client.dropped
            client.reconnect()

    def _wait_for_database(self, client: BrokerClient, stop: threading.Event) -> None:
        """Open the database, however long it is away; what comes until then is looked at later."""
        came: list[Item] = []
        while not stop.is_set():
            try:
                self._store.open()
                break
            except DatabaseUnavailableError as error:
                self._postpone(client, error)
            while (left_s := self._retry_at_s - time.monotonic()) > 0 and not stop.is_set():
                item = client.receive(min(left_s, _IDLE_S))
                if isinstance(item, Lost):
                    came.clear()  # the next connection brings all of it again
                elif item is not None:
                    came.append(item)
        self._be_well(client)
        for item in came:
            self._take(client, item)

    def _follow_lead(self, client: BrokerClient) -> None:
        """Hear what only the leader hears, as long as we lead."""
        now_s = time.monotonic()
        if not self._subscribed or now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        try:
            leads = self._store.leads()
        except DatabaseUnavailableError:
            return
        if leads != self._leads:
            self._leads = self._health.leads = leads
            client.announce()
            if leads:
                self._hold_down.connected(now_s)
                client.subscribe(self._subscriptions.of_leader)
            else:
                client.unsubscribe(self._subscriptions.of_leader)

    def _patience_s(self) -> float:
        now_s = time.monotonic()
        waits = [_IDLE_S, self._receipts.wait_s(now_s)]
        if self._waiting:
            waits.append(max(self._waiting[0].at_s + _BATCH_AGE_S, self._retry_at_s) - now_s)
        # What is due may have to wait for the broker; that must not turn into a busy loop.
        return max(min(wait for wait in waits if wait is not None), _BREATH_S)

    def _take(self, client: BrokerClient, item: Item | None) -> None:
        match item:
            case Ready():
                self._begin(client, item)
            case Lost():
                self._live_from_s = float("inf")
            case Arrived():
                self._sort(client, item)
            case None:
                pass

    def _begin(self, client: BrokerClient, ready: Ready) -> None:
        now_s = time.monotonic()
        # A resumed session brings what waited at the broker, and nothing marks it as old.
        self._live_from_s = now_s + HOLD_DOWN_S if ready.resumed else now_s
        self._hold_down.connected(now_s)
        self._receipts.want(self._store.nodes())
        self._say_receipts(client)
        if not self._subscribed:
            self._subscribed = True
            client.subscribe(self._subscriptions.of_member(self._store.group))
            self._follow_lead(client)

    def _sort(self, client: BrokerClient, arrived: Arrived) -> None:
        if arrived.topic == self._subscriptions.own_status:
            client.acknowledge(arrived)
        elif arrived.topic == self._subscriptions.own_commands:
            self._obey(client, arrived)
        elif self._is_receipt(arrived.topic):
            self._compare(arrived)
        else:
            self._collect(arrived)

    def _obey(self, client: BrokerClient, arrived: Arrived) -> None:
        payload, replayed = arrived.payload, arrived.replayed
        reply = self._commands.answer(payload, replayed=replayed, now_s=time.time())
        if reply is not None:
            topic = self._topics.topic(Kind.SERVICE_REPLY, self._membership.name, reply.id)
            client.publish(topic, encode(reply))
        client.acknowledge(arrived)

    def _is_receipt(self, topic: str) -> bool:
        try:
            return self._topics.parse(topic).kind is Kind.RECEIPT
        except TopicError:
            return False

    def _compare(self, arrived: Arrived) -> None:
        try:
            receipt = messages.RECEIPT.decode(arrived.payload)
        except DecodeError as error:
            if arrived.payload:
                _log.warning("%s: no receipt: %s", arrived.topic, error)
            return
        if receipt.database not in {self._store.uuid, *self._store.replaced}:
            raise ForeignDatabaseError(
                f"{arrived.topic} holds a receipt of database {receipt.database}, and ours is "
                f"{self._store.uuid}; one prefix has one database: stop the other recorder, or, if "
                f"its database is gone, empty its receipts: mosquitto_pub -r -n -t {arrived.topic}"
            )

    def _collect(self, arrived: Arrived) -> None:
        wall_s, now_s = time.time(), time.monotonic()
        received_ms = round((wall_s - max(now_s - arrived.at_s, 0.0)) * 1000)
        listening_since_ms = round((wall_s - max(now_s - self._live_from_s, 0.0)) * 1000)
        arrival = Arrival(received_ms, self._freshness(arrived), listening_since_ms)
        findings = self._read(arrived, arrival)
        kept = tuple(found for found in findings if not self._is_held(found, arrived.at_s))
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._overflowed += 1
        message = Intake(arrived.topic, arrived.payload, received_ms, kept)
        self._waiting.append(_Waiting(message, arrived.at_s, arrived))

    def _freshness(self, arrived: Arrived) -> Freshness:
        if arrived.replayed:
            return Freshness.REPLAYED
        return Freshness.LIVE if arrived.at_s >= self._live_from_s else Freshness.QUEUED

    def _read(self, arrived: Arrived, arrival: Arrival) -> list[Finding]:
        try:
            return intake.read(self._topics, arrived.topic, arrived.payload, arrival)
        except Exception as error:  # noqa: BLE001 - whatever a message does, it costs only itself
            _log.exception("%s: a message tripped us up; please report this", arrived.topic)
            self._health.faults += 1
            said = f"{type(error).__name__} while reading it"
            return [Refused(arrived.topic, "fault", said, arrived.payload, arrival.received_ms)]

    def _is_held(self, found: Finding, at_s: float) -> bool:
        if isinstance(found, Seen):
            if at_s >= self._live_from_s or found.ts >= round(time.time() * 1000) - 1000:
                self._hold_down.heard(found.node)
            return False
        return isinstance(found, StatusFound) and self._hold_down.holds(found, at_s)

    def _release_held(self) -> None:
        now_s = time.monotonic()
        for found in self._hold_down.released(now_s):
            topic = self._topics.topic(Kind.STATUS, found.node)
            message = Intake(topic, b"", found.received_ms, (found,))
            self._waiting.append(_Waiting(message, now_s, None))

    def _is_due(self) -> bool:
        if not self._waiting or not self._subscribed:
            return False
        now_s = time.monotonic()
        old = now_s - self._waiting[0].at_s >= _BATCH_AGE_S
        return now_s >= self._retry_at_s and (old or len(self._waiting) >= _BATCH_MESSAGES)

    def _commit(self, client: BrokerClient) -> None:
        batch = [self._waiting[i] for i in range(min(len(self._waiting), _BATCH_MESSAGES))]
        self._health.queue = len(self._waiting)
        self._health.dropped = self._overflowed + client.dropped
        self._health.lag_seconds = time.monotonic() - batch[0].at_s
        try:
            stored = self._store.commit([waiting.intake for waiting in batch])
        except DatabaseUnavailableError as error:
            self._postpone(client, error)
            return
        self._be_well(client)
        self._health.stored(stored, at_s=time.time())
        self._health.queue = len(self._waiting) - len(batch)
        self._receipts.want(stored.nodes)
        self._say_receipts(client)
        for _ in batch:
            self._waiting.popleft()
        client.acknowledge(*(each.arrived for each in batch if each.arrived is not None))

    def _be_well(self, client: BrokerClient) -> None:
        if self._health.database != "ok":
            _log.info("the database can be written again")
            self._health.database = "ok"
            self._receipts.want(self._store.nodes())
            client.announce()
        self._backoff.succeeded()

    def _postpone(self, client: BrokerClient, error: DatabaseUnavailableError) -> None:
        wait_s = self._backoff.failed()
        self._retry_at_s = time.monotonic() + wait_s
        if self._health.database != error.state:
            self._health.database = error.state
            client.announce()
        _log.warning("%s; %d messages wait, next try in %.1f s", error, len(self._waiting), wait_s)

    def _space(self) -> Space:
        try:
            return Space(self._store.size_bytes(), self._store.free_bytes())
        except (OSError, DatabaseUnavailableError) as error:
            _log.warning("the size of the database cannot be read: %s", error)
            return Space()

    def _say_receipts(self, client: BrokerClient) -> None:
        now_s = time.monotonic()
        due = self._receipts.due(now_s) if client.ready else []
        if not due:
            return
        try:
            self._store.refresh(due)
        except DatabaseUnavailableError:
            return
        for node in due:
            receipt = self._store.receipt(node)
            topic = self._topics.topic(Kind.RECEIPT, node)
            said = receipt and self._sayable(node, receipt, now_s)
            if said is not None and not client.publish(topic, encode(said), retain=True):
                return  # nor can the others go now
            self._receipts.said(node, now_s)
            if said != receipt:
                self._receipts.want([node])

    def _sayable(self, node: str, receipt: Receipt, now_s: float) -> Receipt:
        shared = self._membership.shared
        return self._young_holes.without(node, receipt, now_s) if shared else receipt
