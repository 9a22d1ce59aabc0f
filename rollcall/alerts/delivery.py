"""What becomes of a mail on its way out: queued, sending, sent, waiting for another try, or dead.

Pure. A temporary fault lets one mail wait, longer each time. A fault of the configuration (a wrong
password, an unknown certificate) pauses the whole channel: nothing is dropped, and every five
minutes one mail tries whether it has been mended. Mails of one incident to one recipient go in
order.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from rollcall.broker.cluster import Now

_RETRY_AFTER_S: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
_GIVE_UP_AFTER_S: Final = 48 * 3600.0
_PROBE_EVERY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail was accepted."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It did not go now; `uncertain`: it may have been accepted all the same."""

    why: str
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """This mail will never be accepted."""

    why: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """No mail can go until somebody mends the configuration."""

    why: str


Outcome = Sent | TryAgain | Never | Misconfigured


class MailState(StrEnum):
    """Where a mail stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    WAITING = "waiting"
    DEAD = "dead"


class MailKey(NamedTuple):
    """Which mail, to whom."""

    incident: str
    sequence: int
    recipient: str


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A finished mail to one recipient.

    `created_at` in Unix seconds; `not_before_s`, monotonic, is when it may be tried.
    """

    key: MailKey
    message_id: str
    content: bytes
    created_at: float
    state: MailState = MailState.QUEUED
    attempts: int = 0
    uncertain: bool = False
    error: str = ""
    not_before_s: float = 0.0


class DeliveryQueue:
    """The mails that are not out yet, in order; `jitter` gives a factor such as 0.8 to 1.2."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._mails: dict[MailKey, QueuedMail] = {}
        self._paused_until_s: float | None = None
        self.fault = ""
        self.dead = 0

    def __len__(self) -> int:
        return len(self._mails)

    def add(self, mails: Iterable[QueuedMail]) -> None:
        """Take up mails, new ones or those of before a restart."""
        self._mails.update({mail.key: mail for mail in mails})

    def start_next(self, now_s: float) -> QueuedMail | None:
        """Give the mail to send now, marked as sending; None when there is nothing to do."""
        if self._paused_until_s is not None and now_s < self._paused_until_s:
            return None
        waiting_before: set[tuple[str, str]] = set()
        for mail in self._mails.values():
            thread = (mail.key.incident, mail.key.recipient)
            if thread not in waiting_before and mail.not_before_s <= now_s:
                return self._keep(replace(mail, state=MailState.SENDING))
            waiting_before.add(thread)
        return None

    def settle(self, key: MailKey, outcome: Outcome, now: Now) -> QueuedMail:
        """Note what became of the mail that was sending; give it as it stands now."""
        mail = self._mails[key]
        if not isinstance(outcome, Misconfigured):
            self._paused_until_s, self.fault = None, ""
        match outcome:
            case Sent():
                del self._mails[key]
                return replace(mail, state=MailState.SENT, content=b"", error="")
            case Never(why=why):
                return self._bury(mail, why)
            case Misconfigured(why=why):
                self._paused_until_s = now.monotonic_s + _PROBE_EVERY_S
                self.fault = why
                return self._keep(replace(mail, state=MailState.WAITING, error=why))
            case TryAgain(why=why, uncertain=uncertain):
                if now.wall_s - mail.created_at > _GIVE_UP_AFTER_S:
                    return self._bury(mail, why)
                step = min(mail.attempts, len(_RETRY_AFTER_S) - 1)
                wait_s = _RETRY_AFTER_S[step] * self._jitter()
                return self._keep(
                    replace(
                        mail,
                        state=MailState.WAITING,
                        attempts=mail.attempts + 1,
                        uncertain=mail.uncertain or uncertain,
                        error=why,
                        not_before_s=now.monotonic_s + wait_s,
                    )
                )

    @property
    def state(self) -> str:
        """How the channel fares in one word: `ok`, `waiting` or `paused`."""
        if self._paused_until_s is not None:
            return "paused"
        return "waiting" if any(mail.error for mail in self._mails.values()) else "ok"

    @property
    def last_error(self) -> str:
        """What keeps mails back, or nothing."""
        return self.fault or next((mail.error for mail in self._mails.values() if mail.error), "")

    def oldest_s(self, wall_s: float) -> float:
        """Give the age, in seconds, of the oldest mail that is not out."""
        oldest = min((mail.created_at for mail in self._mails.values()), default=wall_s)
        return max(wall_s - oldest, 0.0)

    def _keep(self, mail: QueuedMail) -> QueuedMail:
        self._mails[mail.key] = mail
        return mail

    def _bury(self, mail: QueuedMail, why: str) -> QueuedMail:
        del self._mails[mail.key]
        self.dead += 1
        return replace(mail, state=MailState.DEAD, error=why)
