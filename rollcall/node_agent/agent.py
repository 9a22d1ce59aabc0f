"""The agent's loop: what is due is read, stored and published; receipts are heard.

Everything runs on the main thread, but for what may hang (see `blocking`) and the network.
"""

import json
import logging
import random
import threading
from collections.abc import Sequence
from typing import Final, Protocol

from pydantic import JsonValue

from rollcall.broker import session
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import EVENT, RECEIPT, REPORT, Info, encode
from rollcall.broker.topics import Kind, Topics, branch_of
from rollcall.node_agent import facts, readings
from rollcall.node_agent.account import Account
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.backlog import BacklogSender, Publisher
from rollcall.node_agent.collection import RETRY_UNSUPPORTED_S, Collected, Collection
from rollcall.node_agent.collectors import DECLARATIONS, sources
from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.system import parse_uptime, steady
from rollcall.node_agent.host import Host, clock_is_synchronized, moment
from rollcall.node_agent.options import Options, read
from rollcall.node_agent.schedule import Schedule, phase_ms
from rollcall.node_agent.spool import Item, Spool, Stored, Taken
from rollcall.node_agent.spool_file import SpoolError
from rollcall.service.settings import Agent as AgentSettings

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 1.0
_INFO_EVERY_MS: Final = 60_000
# A report leaves room for its topic, number and properties within the 256 KiB of a message.
_MAX_BODY_BYTES: Final = 240_000


def default_options(settings: AgentSettings) -> dict[str, Options]:
    """Give the options of each collector; its interval is the configured one, or its longer own."""
    kinds = {each.name: each.options for each in DECLARATIONS}
    intervals = {each.name: max(settings.interval, each.at_least_s) for each in DECLARATIONS}
    return read(kinds, {}, intervals=intervals)[0]


class Client(Publisher, Protocol):
    """What the agent needs of the broker client."""

    connections: int
    publish_failures: int

    def receive(self, timeout_s: float) -> session.Item | None:
        """Give the next item, or None after `timeout_s`."""

    def announce(self) -> None:
        """Publish the birth again now."""


class Agent:
    """Reads `host`, keeps what it read in `spool` until it is receipted, talks through `client`."""

    def __init__(
        self,
        *,
        topics: Topics,
        node: str,
        settings: AgentSettings,
        host: Host,
        spool: Spool,
        client: Client,
        announcement: NodeAnnouncement,
    ) -> None:
        self._topics = topics
        self._node = node
        self._settings = settings
        self._host = host
        self._spool = spool
        self._client = client
        self._announcement = announcement
        self._boot = ""
        self._account = Account(spool_size=lambda: spool.size(self._now()))
        self._options = default_options(settings)
        self._collection = Collection(host, sources(self._account), self._account)
        self._schedule: Schedule
        self._backlog = BacklogSender(
            topic=topics.topic(Kind.BACKLOG, node),
            spool=spool,
            client=client,
            jitter=lambda: random.uniform(1.0, 1.5),  # noqa: S311 - spreads load, no secret
        )
        self._receipt_topic = topics.topic(Kind.RECEIPT, node)
        self._newest: dict[str, bytes] = {}
        self._unheard_events: list[Stored] = []
        self._info: Info | None = None
        self._info_due_ms = 0
        self._boot_time_s: float | None = None
        self._spool_fault = ""

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. Raises BrokerError when the network thread has died."""
        self._boot = facts.boot_id(self._host)
        self._note_boot()
        self._collection.apply(self._options)
        intervals = {name: each.interval for name, each in self._options.items() if each.enabled}
        self._schedule = Schedule(intervals, phase_ms(self._node), moment(self._host))
        for name, interval_s in intervals.items():
            self._schedule.change(name, interval_s, self._options[name].sample_s)
        while not stop.is_set():
            self._collect()
            self._look_at_facts()
            self._send_backlog()
            wait_s = min(_LONGEST_WAIT_S, self._schedule.wait_s(moment(self._host)))
            item = self._client.receive(wait_s)
            if item is not None:
                self._hear(item)

    # Collecting

    def _collect(self) -> None:
        now = moment(self._host)
        self._collection.sample(self._schedule.samples(now))
        due = self._schedule.due(now)
        self._account.reconnects = max(0, self._client.connections - 1)
        self._account.publish_failures = self._client.publish_failures
        collected = self._collection.run(due) if due else self._collection.finished()
        if collected:
            for stored in self._store([self._item(each) for each in collected]):
                self._publish(stored)
            for each in collected:
                sample_s = None if each.unsupported else self._options[each.due.collector].sample_s
                self._schedule.change(each.due.collector, self._next_interval_s(each), sample_s)
            self._announcement.interval_s = min(self._schedule.intervals.values())

    def _next_interval_s(self, collected: Collected) -> int:
        if collected.unsupported:
            return max(RETRY_UNSUPPORTED_S, self._options[collected.due.collector].interval)
        return self._options[collected.due.collector].interval

    def _item(self, collected: Collected) -> Item:
        due = collected.due
        tally = self._account.tallies[due.collector]
        found = collected.found
        while True:
            reading, dropped = readings.fit(
                found,
                time_s=due.time_ms / 1000,
                interval_s=self._next_interval_s(collected),
                synchronized=clock_is_synchronized(self._host),
            )
            body = encode(reading)
            tally.dropped_values += dropped
            if len(body) <= _MAX_BODY_BYTES:
                return Item(due.collector, body.decode())
            found = Found(error=f"failed: the report would take {len(body)} bytes")

    def _store(self, items: Sequence[Item]) -> list[Stored]:
        """Take items into the spool; when the disk refuses, they go without a number."""
        now = self._now()
        try:
            with self._spool.transaction():
                self._backlog.settle(now)
                stored = self._spool.take(items, now)
                evicted = self._spool.evict(now, self._spool.free_bytes())
        except SpoolError as error:
            self._note_spool_fault(str(error))
            for item in items:
                self._account.tallies[item.name].dropped_values += 1
            return []
        self._note_spool_fault("")
        self._account.evicted_reports += evicted
        self._follow_spool()
        return stored

    def _note_spool_fault(self, fault: str) -> None:
        if fault != self._spool_fault:
            self._spool_fault = fault
            _log.error("%s; reports are dropped", fault) if fault else _log.info("the spool works")

    def _follow_spool(self) -> None:
        """Announce what the spool has: its newest number, and its epoch when that is a new one."""
        self._announcement.seq = self._spool.last_seq
        if self._announcement.epoch != self._spool.epoch:
            self._announcement.epoch = self._spool.epoch
            self._newest.clear()
            self._unheard_events.clear()
            self._client.announce()

    def _note_boot(self) -> None:
        before = self._spool.last_boot()
        if not self._boot or before == self._boot:
            return
        now = self._now()
        detail = {"boot": self._boot, "previous_boot": before, "boot_time": self._boot_time()}
        body = json.dumps({"time": now.wall_ms / 1000, "detail": detail})
        with self._spool.transaction():
            self._spool.note_boot(self._boot)
            if before is not None:
                event = Item("reboot", body, is_event=True)
                self._unheard_events += self._spool.take([event], now)
        self._follow_spool()

    # Publishing

    def _publish(self, stored: Stored) -> None:
        name = stored.item.name
        self._newest[name] = encode(REPORT.decode_value(self._numbered(stored)))
        self._publish_newest(name)

    def _publish_event(self, stored: Stored) -> bool:
        event = EVENT.decode_value({"kind": stored.item.name, **self._numbered(stored)})
        return self._client.publish(self._topics.topic(Kind.EVENT, self._node), encode(event))

    def _numbered(self, stored: Stored) -> dict[str, JsonValue]:
        return {"epoch": self._spool.epoch, "seq": stored.seq, **json.loads(stored.item.body)}

    def _publish_newest(self, collector: str) -> None:
        self._client.publish(
            self._topics.topic(Kind.METRICS, self._node, collector),
            self._newest[collector],
            retain=True,
            expiry_s=branch_of(Kind.METRICS).expiry_s,
        )

    def _look_at_facts(self) -> None:
        """Publish `info` again when something in it has changed."""
        now_ms = moment(self._host).boottime_ms
        shown = self._info.collectors if self._info else None
        if now_ms < self._info_due_ms and shown == self._schedule.intervals:
            return
        self._info_due_ms = now_ms + _INFO_EVERY_MS
        info = facts.read_info(
            self._host,
            self._settings,
            boot_time_s=self._boot_time(),
            intervals=self._schedule.intervals,
            declarations=self._collection.declared,
        )
        if info != self._info:
            self._info = info
            self._publish_info()

    def _publish_info(self) -> None:
        if self._info is not None:
            topic = self._topics.topic(Kind.INFO, self._node)
            self._client.publish(topic, encode(self._info), retain=True)

    def _boot_time(self) -> float:
        uptime_s = parse_uptime(self._host.read("/proc/uptime"))
        self._boot_time_s = steady(self._boot_time_s, self._host.wall_s() - uptime_s)
        return self._boot_time_s

    # Hearing

    def _hear(self, item: session.Item) -> None:
        if isinstance(item, session.Ready):
            _log.info("connected")
            self._publish_info()
            for collector in self._newest:
                self._publish_newest(collector)
            unheard = self._unheard_events
            self._unheard_events = [each for each in unheard if not self._publish_event(each)]
            self._backlog.connected(self._now())
        elif isinstance(item, session.Lost):
            self._backlog.disconnected()
        elif item.topic == self._receipt_topic and item.payload:
            self._hear_receipt(item.payload)

    def _hear_receipt(self, payload: bytes) -> None:
        try:
            self._backlog.heard(RECEIPT.decode(payload), self._now())
        except DecodeError as error:
            _log.warning("a receipt that cannot be read: %s", error)
        except SpoolError as error:
            self._note_spool_fault(str(error))
        else:
            self._follow_spool()

    def _send_backlog(self) -> None:
        try:
            self._backlog.send(self._now())
        except SpoolError as error:
            self._note_spool_fault(str(error))

    def _now(self) -> Taken:
        now = moment(self._host)
        return Taken(self._boot, now.boottime_ms, now.wall_ms)
