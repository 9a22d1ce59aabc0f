"""The backlog: hears receipts, and sends again what no receipt covers."""

import logging
from collections.abc import Callable
from typing import Protocol

from pydantic import JsonValue

from rollcall.broker.messages import Receipt
from rollcall.node_agent.resend import (
    REPORTS_IN_BATCH,
    Batch,
    Resend,
    pack,
)
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Stored, Taken

_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """What is needed of the broker client."""

    @property
    def ready(self) -> bool:
        """Whether publishing may begin."""

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        """Hand over a message; False, and nothing kept, when it cannot go now."""


class BacklogSender:
    """Sends, on `topic`, what `spool` holds and no receipt has covered in time."""

    def __init__(
        self, *, topic: str, spool: Spool, client: Publisher, jitter: Callable[[], float]
    ) -> None:
        self._topic = topic
        self._spool = spool
        self._client = client
        self._resend = Resend(jitter)
        self._receipt: Receipt | None = None

    def connected(self, now: Taken) -> None:
        """Note a new connection: what was taken before it is backlog."""
        self._resend.connected(now.boottime_ms, self._spool.last_seq)

    def disconnected(self) -> None:
        """Note that the connection is gone."""
        self._resend.disconnected()

    def heard(self, receipt: Receipt, now: Taken) -> None:
        """Keep a receipt for the next transaction; settle it now when something hangs on it.

        Raises SpoolError.
        """
        self._receipt = receipt
        if receipt.missing or not self._resend.is_quiet:
            with self._spool.transaction():
                self.settle(now)

    def settle(self, now: Taken) -> None:
        """Apply the newest receipt, within a transaction of the spool."""
        receipt, self._receipt = self._receipt, None
        if receipt is None:
            return
        epoch = self._spool.epoch
        if not self._spool.settle(receipt):
            _log.debug("a receipt of another epoch is ignored")
        elif self._spool.epoch != epoch:
            self._resend.connected(now.boottime_ms, self._spool.last_seq)
        else:
            self._resend.receipted(now.boottime_ms, receipt.through)
            self._resend.settled(self._is_open)

    def send(self, now: Taken) -> None:
        """Send what may go now: the oldest first, and what will never come. Raises SpoolError."""
        while self._client.ready and self._resend.may_send(now.boottime_ms):
            if not self._send_batch(now):
                return

    def _send_batch(self, now: Taken) -> bool:
        old_ms = now.boottime_ms - self._resend.unreceipted_after_ms
        through = max(self._resend.through, self._spool.last_taken_before(now.boot, old_ms))
        waiting = self._spool.waiting(through, self._resend.spans, REPORTS_IN_BATCH)
        told = any(batch.tells for batch in self._resend.under_way)
        evicted = [] if told else self._spool.evicted()
        if not waiting and not evicted:
            return False
        payload, count = pack(
            self._spool.epoch, [self._in_batch(each) for each in waiting], evicted
        )
        if waiting and count == 0:
            _log.error("report %d fits no batch; given up", waiting[0].seq)
            with self._spool.transaction():
                self._spool.give_up(waiting[0].seq)
            return True
        if not self._client.publish(self._topic, payload):
            return False
        self._resend.sent(
            now.boottime_ms, [each.seq for each in waiting[:count]], tells=bool(evicted)
        )
        _log.debug("%d reports and %d evictions sent again", count, len(evicted))
        return True

    def _is_open(self, batch: Batch) -> bool:
        return self._spool.holds_any(batch.span) or (batch.tells and bool(self._spool.evicted()))

    def _in_batch(self, stored: Stored) -> dict[str, JsonValue]:
        named = "kind" if stored.item.is_event else "collector"
        return {named: stored.item.name, **self._spool.content(stored)}
