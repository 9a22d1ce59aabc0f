"""The agent's loop: what is due is read, stored and published; what the broker brings is heard.

Everything runs on the main thread, but for what may hang (see `blocking`) and the network.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker import session
from rollcall.broker.messages import Applied, Info, Reply, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.node_agent import facts, readings
from rollcall.node_agent.account import Account
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.clock import ClockWatch
from rollcall.node_agent.collection import RETRY_UNSUPPORTED_S, Collected, Collection
from rollcall.node_agent.collectors import sources
from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.system import parse_uptime, steady
from rollcall.node_agent.commands import Answer, Commands
from rollcall.node_agent.host import Host, clock_is_synchronized, moment
from rollcall.node_agent.options import Options
from rollcall.node_agent.outgoing import Client, Outgoing
from rollcall.node_agent.schedule import Schedule, phase_ms
from rollcall.node_agent.since_boot import SinceBoot
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Item, Memory, Taken
from rollcall.node_agent.steering import Steering, Wanted
from rollcall.service.settings import Agent as AgentSettings

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 1.0
_WAIT_FOR_AN_ANSWER_S: Final = 0.1
_INFO_EVERY_MS: Final = 60_000
# A report leaves room for its topic, number and properties within the 256 KiB of a message.
_MAX_BODY_BYTES: Final = 240_000


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
        wanted: Wanted,
    ) -> None:
        self._topics = topics
        self._node = node
        self._settings = settings
        self._host = host
        self._client = client
        self._announcement = announcement
        self._boot = facts.boot_id(host)
        self._clock = ClockWatch()
        self._account = Account(spool_size=lambda: spool.size(self._now()))
        self._spool = spool
        self._steering = Steering(node, settings, wanted)
        self._options: Mapping[str, Options] = {}
        every = (*sources(self._account), *wanted.plugins)
        self._collection = Collection(host, every, self._account)
        self._schedule: Schedule
        self._outgoing = Outgoing(
            topics=topics,
            node=node,
            spool=spool,
            client=client,
            announcement=announcement,
            account=self._account,
        )
        self._since_boot = SinceBoot(settings.state_dir / "since_boot.json", self._boot)
        self._commands = Commands(host, self, self._send_reply)
        self._receipt_topic = topics.topic(Kind.RECEIPT, node)
        self._command_topic = topics.topic(Kind.COMMAND, node)
        self._fleet_topic = topics.topic(Kind.FLEET)
        self._info: Info | None = None
        self._applied: Applied | None = None
        self._info_due_ms = 0
        self._boot_time_s: float | None = None

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until told to stop. Raises BrokerError when the network thread has died.

        `ready` is called after each collection, and when nothing is to be collected.
        """
        self._look_at_clock()
        self._outgoing.begin(self._now(), self._boot_time())
        self._account.since_boot |= self._since_boot.recall()
        self._schedule = Schedule({}, phase_ms(self._node), moment(self._host))
        self._recall_fleet()
        while not stop.is_set():
            self._look_at_clock()
            if self._collect() or not self._schedule.intervals:
                ready()
            self._look_at_facts()
            self._look_at_boosts()
            self._commands.look()
            self._outgoing.send_backlog(self._now())
            longest_s = _WAIT_FOR_AN_ANSWER_S if self._commands.is_waiting else _LONGEST_WAIT_S
            wait_s = min(longest_s, self._schedule.wait_s(moment(self._host)))
            item = self._client.receive(wait_s)
            if item is not None:
                self._hear(item)

    def apply(self, options: Mapping[str, Options]) -> None:
        """Put other options into force at once: what they do not change goes on undisturbed.

        What is switched on reports after a second; what is switched off is no longer retained.
        """
        before, self._options = self._options, dict(options)
        self._collection.apply(options)
        now, scheduled = moment(self._host), self._schedule.intervals
        for name, wanted in options.items():
            if not wanted.enabled:
                if name in scheduled:
                    self._schedule.drop(name)
                    self._outgoing.drop(name)
            elif name not in scheduled:
                self._schedule.add(name, wanted.interval, now)
                self._schedule.change(name, wanted.interval, wanted.sample_s)
            elif wanted != before.get(name):
                self._schedule.change(name, wanted.interval, wanted.sample_s)
        self._follow_schedule()

    # Collecting

    def _collect(self) -> bool:
        """Read what is due, and take what was read; say whether anything was."""
        now = moment(self._host)
        self._collection.sample(self._schedule.samples(now))
        self._since_boot.keep(self._account.since_boot)
        due = self._schedule.due(now)
        self._account.reconnects = max(0, self._client.connections - 1)
        self._account.publish_failures = self._client.publish_failures
        collected = self._collection.run(due) if due else self._collection.finished()
        if collected:
            for stored in self._outgoing.take([self._item(x) for x in collected], self._now()):
                self._commands.came(stored.item.name, stored.seq)
            for each in collected:
                sample_s = None if each.unsupported else self._options[each.due.collector].sample_s
                self._schedule.change(each.due.collector, self._next_interval_s(each), sample_s)
            self._follow_schedule()
        return bool(collected)

    def _follow_schedule(self) -> None:
        shortest_s = min(self._schedule.intervals.values(), default=self._settings.interval)
        if self._announcement.interval_s != shortest_s:
            # Others judge by it how long we may be silent.
            self._announcement.interval_s = shortest_s
            self._client.announce()

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
                synchronized=self._clock.synchronized,
            )
            body = encode(reading)
            tally.dropped_values += dropped
            if len(body) <= _MAX_BODY_BYTES:
                return Item(due.collector, body.decode())
            found = Found(error=f"failed: the report would take {len(body)} bytes")

    # Facts

    def _look_at_clock(self) -> None:
        """Tell a step of the clock, and keep what sets right what was taken while it was wrong."""
        seen = self._clock.look(moment(self._host), synchronized=clock_is_synchronized(self._host))
        if seen.offset_ms is not None:
            self._outgoing.note_offset(seen.offset_ms, self._now())
        if seen.step_s is not None:
            _log.warning("the clock was stepped by %.1f s", seen.step_s)
            detail = {"seconds": seen.step_s, "synchronized": self._clock.synchronized}
            self._outgoing.tell("clock_step", detail, self._now())

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
            groups=self._steering.groups,
            description=self._steering.description,
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
            self._publish_applied()
            self._outgoing.connected(self._now())
            self._commands.connected()
        elif isinstance(item, session.Lost):
            self._outgoing.disconnected()
        elif item.topic == self._receipt_topic and item.payload:
            self._outgoing.hear_receipt(item.payload, self._now())
        elif item.topic == self._fleet_topic:
            self._hear_fleet(item.payload)
        elif item.topic == self._command_topic:
            now_s = self._host.wall_s() if self._clock.synchronized else None
            self._commands.hear(item.payload, replayed=item.replayed, now_s=now_s)

    # The fleet document

    def _recall_fleet(self) -> None:
        """Begin with what was in force when the last agent here ended."""
        memory = self._spool.recalled(Memory.FLEET)
        if memory is not None:
            self._steering.recall(memory)
        self._steer()

    def _hear_fleet(self, payload: bytes) -> None:
        before = self._steering.memory()
        self._steering.hear(payload)
        memory = self._steering.memory()
        if memory != before:
            self._outgoing.remember(Memory.FLEET, memory, self._now())
            self._info_due_ms = 0
            if payload:
                _log.info("fleet revision %d is in force", self._steering.applied.revision)
            else:
                _log.info("there is no fleet document any more")
        self._steer()

    def _steer(self) -> None:
        self.apply(self._steering.options)
        applied = self._steering.applied
        if applied != self._applied:
            self._applied = applied
            for problem in applied.problems:
                _log.warning("fleet: %s", problem)
            self._publish_applied()

    def _publish_applied(self) -> None:
        if self._applied is not None:
            topic = self._topics.topic(Kind.APPLIED, self._node)
            self._client.publish(topic, encode(self._applied), retain=True)

    # Commands

    def boost(self, collector: str, interval_s: int, for_s: int) -> Answer:
        """Let a collector report more often for a while. Raises CommandRefused."""
        now_ms = moment(self._host).boottime_ms
        before_s = self._steering.boost(collector, interval_s, for_s, now_ms)
        self._steer()
        return {"collector": collector, "interval": interval_s, "for": for_s, "then": before_s}

    def _look_at_boosts(self) -> None:
        over = self._steering.end_boosts(moment(self._host).boottime_ms)
        if over:
            _log.info("the boost of %s is over", ", ".join(over))
            self._steer()

    def report_now(self) -> Iterable[str]:
        """Let every collector report soon; name them."""
        return self._schedule.ask(moment(self._host))

    def tell(self, kind: str, detail: Mapping[str, JsonValue]) -> None:
        """Store and publish an event."""
        self._outgoing.tell(kind, detail, self._now())

    def _send_reply(self, reply: Reply) -> bool:
        topic = self._topics.topic(Kind.NODE_REPLY, self._node, reply.id)
        return self._client.publish(topic, encode(reply))

    def _now(self) -> Taken:
        now = moment(self._host)
        return Taken(self._boot, now.boottime_ms, now.wall_ms, self._clock.synchronized)
