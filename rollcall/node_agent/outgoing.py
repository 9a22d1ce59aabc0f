"""What leaves the agent: stored with a number first, then published, again until it is receipted.

A disk that refuses is no reason to be silent: the spool then goes on in memory.
"""

import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, Protocol, TypeVar

from pydantic import JsonValue

from rollcall.broker import session
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import EVENT, RECEIPT, Backlog, Eviction, Receipt, encode
from rollcall.broker.topics import Kind, Topics, branch_of
from rollcall.node_agent.account import Account
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.backlog import BacklogSender, Publisher
from rollcall.node_agent.spans import Span
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spool_file import SpoolError
from rollcall.node_agent.spooled import Item, Memory, Stored, Taken

_log = logging.getLogger(__name__)

_HEAL_EVERY_MS: Final = 60_000
_SPANS_IN_MESSAGE: Final = 500

T = TypeVar("T")


class Client(Publisher, Protocol):
    """What the agent needs of the broker client."""

    connections: int

    @property
    def publish_failures(self) -> int:
        """How many messages the broker has refused."""

    def receive(self, timeout_s: float) -> session.Item | None:
        """Give the next item, or None after `timeout_s`."""

    def reconnect(self) -> None:
        """Connect anew, with another last will."""

    def announce(self) -> None:
        """Say again that we live, as something in it has changed."""


class Outgoing:
    """Takes reports and events into `spool`, and brings them to the broker."""

    def __init__(
        self,
        *,
        topics: Topics,
        node: str,
        spool: Spool,
        client: Client,
        announcement: NodeAnnouncement,
        account: Account,
    ) -> None:
        self._topics = topics
        self._node = node
        self._spool = spool
        self._client = client
        self._announcement = announcement
        self._account = account
        self._backlog = BacklogSender(
            topic=topics.topic(Kind.BACKLOG, node),
            spool=spool,
            client=client,
            jitter=lambda: random.uniform(1.0, 1.5),  # noqa: S311 - spreads load, no secret
        )
        self._topic_of = cache(lambda collector: topics.topic(Kind.METRICS, node, collector))
        self._newest: dict[str, Stored] = {}
        self._unheard_events: list[Stored] = []
        self._forsaken: list[tuple[str, Span]] = []
        self._lost_epochs: set[str | None] = set()
        self._heal_due_ms = 0

    # Taking

    def begin(self, now: Taken, boot_time_s: float) -> None:
        """Note the present boot: another than before is an event."""
        before = self._spool.recalled(Memory.BOOT)
        if now.boot and before != now.boot:
            detail: dict[str, JsonValue] = {"boot": now.boot, "previous_boot": before}
            self.remember(Memory.BOOT, now.boot, now)
            if before is not None:
                self.tell("reboot", {**detail, "boot_time": boot_time_s}, now)
        self._follow_spool(now)

    def take(self, items: Sequence[Item], now: Taken) -> list[Stored]:
        """Store reports, and publish each as the newest of its collector; give their numbers."""
        stored = self._store(items, now)
        for each in stored:
            self._newest[each.item.name] = each
            self._publish_newest(each.item.name)
        self._look_after_spool(now)
        return stored

    def tell(self, kind: str, detail: Mapping[str, JsonValue], now: Taken) -> None:
        """Store an event, and publish it as soon as there is a broker."""
        body = json.dumps({"time": now.wall_ms / 1000, "detail": dict(detail)})
        self._unheard_events += self._store([Item(kind, body, is_event=True)], now)
        self._publish_events()

    def drop(self, collector: str) -> None:
        """Take back what is retained of a collector that is switched off."""
        if self._newest.pop(collector, None) is not None:
            self._client.publish(self._topic_of(collector), b"", retain=True)

    def remember(self, memory: Memory, text: str, now: Taken) -> None:
        """Remember a text of this host for the next start."""
        self._commit(lambda: self._spool.remember(memory, text), now)

    def note_offset(self, offset_ms: int, now: Taken) -> None:
        """Keep what the clock, now right, showed at the start of this boot."""
        self._commit(lambda: self._spool.note_offset(now.boot, offset_ms), now)

    # The connection

    def connected(self, now: Taken) -> None:
        """Publish the newest of everything and what happened; the backlog comes after that."""
        for collector in self._newest:
            self._publish_newest(collector)
        self._publish_events()
        self._tell_what_is_forsaken()
        self._backlog.connected(now)

    def disconnected(self) -> None:
        """Note that the connection is gone."""
        self._backlog.disconnected()

    def hear_receipt(self, payload: bytes, now: Taken) -> None:
        """Hear what is safely stored; what cannot be read changes nothing."""
        try:
            receipt = RECEIPT.decode(payload)
        except DecodeError as error:
            _log.warning("a receipt that cannot be read: %s", error)
            return
        try:
            self._backlog.heard(receipt, now)
        except SpoolError as error:
            self._fall_back(error, now)
        self._follow_spool(now)
        self._forsake_missing(receipt)

    def send_backlog(self, now: Taken) -> None:
        """Send again what may go now."""
        try:
            self._backlog.send(now)
        except SpoolError as error:
            self._fall_back(error, now)

    # Within

    def _store(self, items: Sequence[Item], now: Taken) -> list[Stored]:
        stored, evicted = self._commit(lambda: self._stored(items, now), now)
        self._account.evicted_reports += evicted
        self._follow_spool(now)
        return stored

    def _stored(self, items: Sequence[Item], now: Taken) -> tuple[list[Stored], int]:
        self._backlog.settle(now)
        stored = self._spool.take(items, now)
        return stored, self._spool.evict(now, self._spool.free_bytes())

    def _commit(self, action: Callable[[], T], now: Taken) -> T:
        """Do it in one transaction, in memory when the disk refuses."""
        try:
            with self._spool.transaction():
                return action()
        except SpoolError as error:
            self._fall_back(error, now)
        with self._spool.transaction():
            return action()

    def _fall_back(self, fault: SpoolError, now: Taken) -> None:
        self._spool.fall_back(fault)
        self._heal_due_ms = now.boottime_ms + _HEAL_EVERY_MS
        self._follow_spool(now)

    def _look_after_spool(self, now: Taken) -> None:
        try:
            self._spool.checkpoint()
        except SpoolError as error:
            self._fall_back(error, now)
        if self._spool.in_memory and now.boottime_ms >= self._heal_due_ms:
            self._heal_due_ms = now.boottime_ms + _HEAL_EVERY_MS
            self._spool.heal()
        self._follow_spool(now)

    def _follow_spool(self, now: Taken) -> None:
        """Announce what the spool has: its newest number, and another epoch with another will."""
        self._announcement.seq = self._spool.last_seq
        if self._announcement.epoch != self._spool.epoch:
            self._announcement.epoch = self._spool.epoch
            self._newest.clear()
            self._unheard_events.clear()
            self._client.reconnect()
        while self._spool.renewals:
            renewal = self._spool.renewals.pop(0)
            detail = {"reason": renewal.reason, "previous_epoch": renewal.epoch_before}
            if renewal.reason in {"damaged", "copied"}:
                self._lost_epochs.add(renewal.epoch_before)
            if renewal.epoch_before is not None:
                self._forsaken += [(renewal.epoch_before, span) for span in renewal.forsaken]
            self.tell("epoch", detail, now)

    def _forsake_missing(self, receipt: Receipt) -> None:
        """Give up what the recorder misses of an epoch whose spool was damaged or is a copy.

        A damaged file does not tell its epoch: then it is that of the receipt which still waits for
        this node. Where somebody sends these numbers after all they count as received.
        """
        if receipt.epoch == self._spool.epoch or self._lost_epochs.isdisjoint(
            {receipt.epoch, None}
        ):
            return
        missing = [(receipt.epoch, span) for span in receipt.missing]
        self._forsaken += [each for each in missing if each not in self._forsaken]
        self._tell_what_is_forsaken()

    def _tell_what_is_forsaken(self) -> None:
        """Say, at every connection, which numbers of earlier epochs nobody should wait for.

        No receipt speaks of an epoch that is over; saying it again does no harm.
        """
        for epoch in {epoch for epoch, _ in self._forsaken}:
            spans = [span for of, span in self._forsaken if of == epoch]
            for at in range(0, len(spans), _SPANS_IN_MESSAGE):
                some = spans[at : at + _SPANS_IN_MESSAGE]
                evicted: list[Eviction] = [(first, last, "forgotten") for first, last in some]
                told = encode(Backlog(epoch=epoch, evicted=evicted))
                self._client.publish(self._topics.topic(Kind.BACKLOG, self._node), told)

    def _publish_newest(self, collector: str) -> None:
        self._client.publish(
            self._topic_of(collector),
            self._report(self._newest[collector]).encode(),
            retain=True,
            expiry_s=branch_of(Kind.METRICS).expiry_s,
        )

    def _report(self, stored: Stored) -> str:
        """Give the message of a report: what was stored, with its number before it.

        What it is made of has been checked and written once: again would cost as much as reading.
        """
        if stored.taken.synced:
            return f'{{"epoch":"{self._spool.epoch}","seq":{stored.seq},{stored.item.body[1:]}'
        report = {"epoch": self._spool.epoch, **self._spool.content(stored)}
        return json.dumps(report, ensure_ascii=False, separators=(",", ":"))

    def _publish_events(self) -> None:
        unheard = self._unheard_events
        self._unheard_events = [each for each in unheard if not self._publish_event(each)]

    def _publish_event(self, stored: Stored) -> bool:
        named = {"epoch": self._spool.epoch, "kind": stored.item.name}
        event = EVENT.decode_value({**named, **self._spool.content(stored)})
        return self._client.publish(self._topics.topic(Kind.EVENT, self._node), encode(event))
