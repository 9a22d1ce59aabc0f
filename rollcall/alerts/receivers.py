"""Receivers: the names that rules use, and who stands behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rollcall.alerts.delivery import MAIL_CHANNEL, channel_of
from rollcall.alerts.rate import Bucket

DEFAULT: Final = "default"
WEBHOOK: Final = "webhook:"
APPRISE: Final = "apprise:"


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver.

    `to` stands in the letters; `recipients` are bare addresses for the envelope, `webhook:NAME` or
    `apprise:NAME`. `max_rate` (`20/h`) and `burst` bound what people get.
    """

    name: str
    to: tuple[str, ...]
    recipients: tuple[str, ...]
    max_rate: str
    per_second: float
    burst: int

    def full_bucket(self, wall_s: float) -> Bucket:
        """Give the bucket of a receiver that has got nothing lately."""
        return Bucket(self.burst, self.per_second, float(self.burst), wall_s)


def is_person(recipient: str) -> bool:
    """Say whether a human reads it: programs get everything, at once."""
    return not recipient.startswith(WEBHOOK)


def named(
    names: Iterable[str], receivers: Mapping[str, Receiver]
) -> list[tuple[Receiver, tuple[str, ...]]]:
    """Give the receivers of these names, each with the recipients that no earlier one has.

    A name that is not configured stands for the default receiver.
    """
    found: list[tuple[Receiver, tuple[str, ...]]] = []
    taken: set[str] = set()
    for name in dict.fromkeys(name if name in receivers else DEFAULT for name in names):
        receiver = receivers[name]
        fresh = tuple(one for one in receiver.recipients if one not in taken)
        taken.update(fresh)
        if fresh:
            found.append((receiver, fresh))
    return found


def channels(receivers: Iterable[Receiver]) -> set[str]:
    """Name all channels that the receivers need."""
    recipients = (one for receiver in receivers for one in receiver.recipients)
    return {MAIL_CHANNEL, *(channel_of(recipient) for recipient in recipients)}
