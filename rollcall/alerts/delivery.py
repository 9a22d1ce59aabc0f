"""What becomes of a mail on its way out: queued, sending, sent, waiting for another try, or dead.

Pure. A row is one message to one recipient, with its finished bytes. Recipients belong to channels:
all mail addresses to the channel `mail`, every other one (a webhook) is a channel of its own; what
holds up one channel holds up no other.

* A temporary fault lets one row wait, longer each time. Where the server itself is away, the whole
  channel waits as long, and everything goes when it is back.
* A fault of the configuration (a wrong password, an unknown certificate) pauses the channel:
  nothing is dropped, and every five minutes one row tries whether it has been mended.
* A message that is refused once it has been read goes once more as short text.
* Rows of one incident to one recipient go in order. A row that is *held* waits for a digest, and is
  *superseded* by it; so is one by a late message that tells all it would have told.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from rollcall.alerts.short_form import shortened
from rollcall.broker.node_view import Now

MAIL_CHANNEL: Final = "mail"
_RETRY_AFTER_S: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
_PROBE_EVERY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The message was accepted."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It did not go now.

    `uncertain`: it may have been accepted all the same. `away`: it is the server that is away or
    puts everybody off, and others would fare no better.
    """

    why: str
    uncertain: bool = False
    away: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was read and refused as it is; a shorter one may do."""

    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """This row will never be accepted."""

    why: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Nothing can go on this channel until somebody mends the configuration."""

    why: str


Outcome = Sent | TryAgain | Refused | Never | Misconfigured


class MailState(StrEnum):
    """Where a row stands."""

    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    WAITING = "waiting"
    DEAD = "dead"
    SUPERSEDED = "superseded"


class Hold(StrEnum):
    """Which digest a held row waits for: the next within the rate, or that of the day."""

    NONE = ""
    RATE = "rate"
    DAILY = "daily"


class MailKey(NamedTuple):
    """Which message of which incident, to whom."""

    incident: str
    sequence: int
    recipient: str


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A finished message to one recipient.

    `created_at` and `failing_since` (the first temporary fault) in Unix seconds; `not_before_s`,
    monotonic, is when it may be tried. `gist` says in JSON what it tells, for a digest.
    """

    key: MailKey
    message_id: str
    content: bytes
    created_at: float
    state: MailState = MailState.QUEUED
    attempts: int = 0
    uncertain: bool = False
    error: str = ""
    receiver: str = "default"
    hold: Hold = Hold.NONE
    gist: str = ""
    short: bool = False
    failing_since: float | None = None
    not_before_s: float = 0.0

    @property
    def is_surely_unsent(self) -> bool:
        """Whether nobody can have received it."""
        unsent = {MailState.QUEUED, MailState.HELD, MailState.WAITING}
        return self.state in unsent and not self.uncertain


def channel_of(recipient: str) -> str:
    """Give the channel of a recipient: `mail`, or for `webhook:NAME` and the like the recipient."""
    return recipient if ":" in recipient and "@" not in recipient else MAIL_CHANNEL


@dataclass
class _Channel:
    probe_at_s: float | None = None
    fault: str = ""
    away_until_s: float = 0.0


class DeliveryQueue:
    """The rows that are not out yet, in order; `jitter` gives a factor such as 0.8 to 1.2."""

    def __init__(self, jitter: Callable[[], float], give_up_after_s: float = 48 * 3600.0) -> None:
        self._jitter = jitter
        self._give_up_after_s = give_up_after_s
        self._mails: dict[MailKey, QueuedMail] = {}
        self._channels: dict[str, _Channel] = {}
        self.dead = 0

    def __len__(self) -> int:
        """Count the rows that should be out; what waits for the day's digest is not among them."""
        return sum(mail.hold is not Hold.DAILY for mail in self._mails.values())

    def add(self, mails: Iterable[QueuedMail]) -> None:
        """Take up rows, new ones or those of before a restart."""
        self._mails.update({mail.key: mail for mail in mails})

    def held(self, hold: Hold, receiver: str) -> list[QueuedMail]:
        """Give the rows of `receiver` that wait for this digest, oldest first."""
        return [
            mail
            for mail in self._mails.values()
            if mail.hold is hold and mail.state is MailState.HELD and mail.receiver == receiver
        ]

    def release(self, mails: Iterable[QueuedMail]) -> list[QueuedMail]:
        """Let held rows go after all; give them as they stand now."""
        return [self._keep(replace(mail, state=MailState.QUEUED, hold=Hold.NONE)) for mail in mails]

    def supersede(self, mails: Iterable[QueuedMail]) -> list[QueuedMail]:
        """Take rows out whose news another message tells; give them as they stand now."""
        over = [replace(m, state=MailState.SUPERSEDED, content=b"", error="") for m in mails]
        for mail in over:
            del self._mails[mail.key]
        return over

    def unsent(self, incident: str, recipient: str) -> list[QueuedMail]:
        """Give the rows of an incident that this recipient has surely not got, oldest first."""
        return [
            mail
            for mail in self._mails.values()
            if (mail.key.incident, mail.key.recipient) == (incident, recipient)
            and mail.is_surely_unsent
        ]

    def undelivered(self, incident: str) -> str:
        """Say why something of an incident has not got out yet; nothing when all has."""
        rows = [mail for mail in self._mails.values() if mail.key.incident == incident]
        for mail in rows:
            if mail.error:
                return f"not out yet: {mail.error}"
        if any(mail.hold is Hold.RATE for mail in rows):
            return "held for a digest: more than max_rate"
        if any(mail.hold is Hold.DAILY for mail in rows):
            return "goes with the daily digest"
        return "on its way" if rows else ""

    def start_next(self, channel: str, now_s: float) -> QueuedMail | None:
        """Give the row to send on `channel`, marked as sending; None when there is nothing."""
        state = self._channels.setdefault(channel, _Channel())
        if now_s < max(state.away_until_s, state.probe_at_s or 0.0):
            return None
        waiting_before: set[tuple[str, str]] = set()
        for mail in self._mails.values():
            if channel_of(mail.key.recipient) != channel:
                continue
            thread = (mail.key.incident, mail.key.recipient)
            may_go = mail.state is not MailState.HELD and mail.not_before_s <= now_s
            if may_go and thread not in waiting_before:
                return self._keep(replace(mail, state=MailState.SENDING))
            waiting_before.add(thread)
        return None

    def settle(self, key: MailKey, outcome: Outcome, now: Now) -> QueuedMail:
        """Note what became of the row that was sending; give it as it stands now."""
        mail = self._mails[key]
        channel = self._channels.setdefault(channel_of(key.recipient), _Channel())
        if not isinstance(outcome, Misconfigured):
            channel.probe_at_s, channel.fault = None, ""
        if not (isinstance(outcome, TryAgain) and outcome.away):
            channel.away_until_s = 0.0
        match outcome:
            case Sent():
                del self._mails[key]
                return replace(mail, state=MailState.SENT, content=b"", error="")
            case Misconfigured(why=why):
                channel.probe_at_s, channel.fault = now.monotonic_s + _PROBE_EVERY_S, why
                return self._keep(replace(mail, state=MailState.WAITING, error=why))
            case Refused(why=why) if not mail.short and (short := shortened(mail.content)):
                short_id, content = short
                again = replace(mail, message_id=short_id, content=content, short=True)
                return self._keep(replace(again, state=MailState.WAITING, error=why))
            case Refused(why=why) | Never(why=why):
                return self._bury(mail, why)
            case TryAgain():
                return self._put_off(mail, outcome, channel, now)

    def channel_state(self, channel: str) -> str:
        """How a channel fares in one word: `ok`, `waiting` or `paused`."""
        held = self._channels.get(channel)
        if held is not None and held.probe_at_s is not None:
            return "paused"
        failing = (m for m in self._mails.values() if channel_of(m.key.recipient) == channel)
        return "waiting" if any(mail.error for mail in failing) else "ok"

    @property
    def faults(self) -> list[str]:
        """What keeps rows back, once for each channel."""
        found = {name: state.fault for name, state in self._channels.items() if state.fault}
        for mail in self._mails.values():
            if mail.error:
                found.setdefault(channel_of(mail.key.recipient), mail.error)
        return [why if name == MAIL_CHANNEL else f"{name}: {why}" for name, why in found.items()]

    def oldest_s(self, wall_s: float) -> float:
        """Give the age, in seconds, of the oldest row that should be out."""
        times = (m.created_at for m in self._mails.values() if m.hold is not Hold.DAILY)
        return max(wall_s - min(times, default=wall_s), 0.0)

    def _put_off(
        self, mail: QueuedMail, outcome: TryAgain, channel: _Channel, now: Now
    ) -> QueuedMail:
        since = now.wall_s if mail.failing_since is None else mail.failing_since
        if now.wall_s - since > self._give_up_after_s:
            return self._bury(mail, outcome.why)
        step = min(mail.attempts, len(_RETRY_AFTER_S) - 1)
        not_before_s = now.monotonic_s + _RETRY_AFTER_S[step] * self._jitter()
        if outcome.away:
            channel.away_until_s = not_before_s
        return self._keep(
            replace(
                mail,
                state=MailState.WAITING,
                attempts=mail.attempts + 1,
                uncertain=mail.uncertain or outcome.uncertain,
                error=outcome.why,
                failing_since=since,
                not_before_s=0.0 if outcome.away else not_before_s,
            )
        )

    def _keep(self, mail: QueuedMail) -> QueuedMail:
        self._mails[mail.key] = mail
        return mail

    def _bury(self, mail: QueuedMail, why: str) -> QueuedMail:
        del self._mails[mail.key]
        self.dead += 1
        return replace(mail, state=MailState.DEAD, error=why)
