"""From notices to messages on their way: rows, rates, digests, the channels.

Everything is in the outbox before it happens: a row before it is sent, and that it is being sent
before the server hears of it. What a crash interrupts is found there, and goes on.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from rollcall.alerts.delivery import (
    DeliveryQueue,
    Hold,
    MailState,
    QueuedMail,
    Sent,
    channel_of,
)
from rollcall.alerts.grouping import ID_BITS, incident_id
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.notice import Notice
from rollcall.alerts.outbox import Outbox, Stored
from rollcall.alerts.rate import Bucket, latest_daily
from rollcall.alerts.receivers import Receiver, named
from rollcall.alerts.rows import digest_rows, rows_of
from rollcall.alerts.sender import Sender
from rollcall.broker.node_view import Now

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """When a message gives way to a later one, and when the daily digest goes."""

    late_after_s: float = 120.0
    digest_at: str = "07:00"


class Dispatch:
    """Owns what is not out yet: rows, how much each receiver may get, and the senders.

    `senders` are by channel; `draw(bits)` gives random bits.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        queue: DeliveryQueue,
        senders: Mapping[str, Sender],
        receivers: Mapping[str, Receiver],
        head: Letterhead,
        draw: Callable[[int], int],
        policy: Policy | None = None,
    ) -> None:
        self._outbox = outbox
        self._queue = queue
        self._senders = senders
        self._receivers = receivers
        self._head = head
        self._draw = draw
        self._policy = policy or Policy()
        self._buckets: dict[str, Bucket] = {}

    def restore(self, stored: Stored, now: Now) -> None:
        """Take up what was going on before a restart; a row that was being sent goes again."""
        self._queue.add(stored.mails)
        self._queue.dead = stored.dead
        for name, receiver in self._receivers.items():
            kept = stored.kept.get(_rate_name(name))
            full = receiver.full_bucket(now.wall_s)
            if kept is not None:
                # A bucket of the future would never fill: the clock was set back meanwhile.
                held = json.loads(kept)
                at = min(float(held["at"]), now.wall_s)
                full = replace(full, tokens=min(float(held["tokens"]), full.tokens), at=at)
            self._buckets[name] = full

    def tell(self, notice: Notice, now: Now) -> None:
        """Write the rows of a notice, in the outbox's next commit."""
        for receiver, recipients in named(notice.incident.receivers, self._receivers):
            hold = self._hold(receiver, notice, now)

            def late_since(recipient: str) -> float | None:
                return self._supersede_late(notice.incident.id, recipient, now)

            rows = rows_of(
                notice,
                receiver,
                recipients,
                replace(self._head, to=receiver.to, receiver=receiver.name),
                hold=hold,
                late_since=late_since,
            )
            self._put(rows)

    def tick(self, now: Now) -> None:
        """Take outcomes, write digests that are due, and send what may go."""
        self._settle(now)
        for receiver in self._receivers.values():
            self._digest_what_was_too_much(receiver, now)
            self._digest_of_the_day(receiver, now)
        started = []
        for channel, sender in self._senders.items():
            if sender.is_idle:
                mail = self._queue.start_next(channel, now.monotonic_s)
                if mail is not None:
                    self._outbox.put_mails([mail])
                    started.append((sender, mail))
        self._outbox.commit(now)
        for sender, mail in started:
            sender.submit(mail)

    @property
    def has_outcomes(self) -> bool:
        """Whether something that was under way has come back since the last tick."""
        return any(sender.has_results for sender in self._senders.values())

    def finish(self, now: Now) -> None:
        """Wait some ten seconds at most for what is under way, and note what became of it."""
        for sender in self._senders.values():
            sender.take_no_more()
        for sender in self._senders.values():
            sender.stop()
        self._settle(now)
        self._outbox.commit(now)

    def undelivered(self, incident: str) -> str:
        """Say why something of an incident has not got out yet; nothing when all has."""
        return self._queue.undelivered(incident)

    def _hold(self, receiver: Receiver, notice: Notice, now: Now) -> Hold:
        if notice.incident.severity == "info":
            return Hold.DAILY
        if self._queue.held(Hold.RATE, receiver.name) or not self._take_token(receiver, now):
            return Hold.RATE
        return Hold.NONE

    def _take_token(self, receiver: Receiver, now: Now) -> bool:
        bucket = self._buckets.get(receiver.name) or receiver.full_bucket(now.wall_s)
        bucket = bucket.filled(now.wall_s)
        has_token = bucket.has_token
        self._buckets[receiver.name] = bucket.taken() if has_token else bucket
        if has_token:
            kept = asdict(self._buckets[receiver.name])
            self._outbox.put_kept(_rate_name(receiver.name), json.dumps(kept).encode())
        return has_token

    def _supersede_late(self, incident: str, recipient: str, now: Now) -> float | None:
        """Take out rows that have waited too long; give the age of the oldest, if there was one."""
        unsent = self._queue.unsent(incident, recipient)
        waiting = [row for row in unsent if row.state is not MailState.HELD]
        oldest = min((row.created_at for row in waiting), default=now.wall_s)
        if now.wall_s - oldest < self._policy.late_after_s:
            return None
        self._outbox.put_mails(self._queue.supersede(waiting))
        return oldest

    def _digest_what_was_too_much(self, receiver: Receiver, now: Now) -> None:
        held = self._queue.held(Hold.RATE, receiver.name)
        if not held or not self._take_token(receiver, now):
            return
        if len({row.key[:2] for row in held}) == 1:
            self._outbox.put_mails(self._queue.release(held))
        else:
            self._digest(receiver, held, now)

    def _digest_of_the_day(self, receiver: Receiver, now: Now) -> None:
        held = self._queue.held(Hold.DAILY, receiver.name)
        if not held:
            return
        due = latest_daily(now.wall_s, self._policy.digest_at)
        before = [row for row in held if row.created_at < due]
        if before:
            self._digest(receiver, before, now)

    def _digest(self, receiver: Receiver, held: list[QueuedMail], now: Now) -> None:
        head = replace(self._head, to=receiver.to, receiver=receiver.name)
        incident = incident_id(self._draw(ID_BITS))
        self._put(digest_rows(held, receiver, head, incident, now.wall_s))
        self._outbox.put_mails(self._queue.supersede(held))
        _log.info("digest %s tells what %d held messages would have told", incident, len(held))

    def _put(self, rows: list[QueuedMail]) -> None:
        self._queue.add(rows)
        self._outbox.put_mails(rows)

    def _settle(self, now: Now) -> None:
        for sender in self._senders.values():
            for key, outcome in sender.results():
                mail = self._queue.settle(key, outcome, now)
                self._outbox.put_mails([mail])
                if isinstance(outcome, Sent):
                    _log.info("message %s to %s is sent", mail.message_id, key.recipient)
                else:
                    state = "is given up" if mail.state is MailState.DEAD else "waits"
                    channel = channel_of(key.recipient)
                    _log.warning(
                        "message %s (%s) %s: %s", mail.message_id, channel, state, mail.error
                    )


def _rate_name(receiver: str) -> str:
    return f"rate:{receiver}"
