"""How many mails a receiver gets: a bucket of tokens that fills as time passes; a daily hour."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` mails may go now, `per_second` more as time passes, at most `burst`.

    `at` is the time of the last look, Unix seconds, so that a restart refills nothing; a clock that
    is set back adds nothing.
    """

    burst: int
    per_second: float
    tokens: float
    at: float

    def filled(self, wall_s: float) -> "Bucket":
        """Give the bucket as it is at `wall_s`."""
        gained = max(wall_s - self.at, 0.0) * self.per_second
        return replace(self, tokens=min(self.tokens + gained, float(self.burst)), at=wall_s)

    @property
    def has_token(self) -> bool:
        """Whether a mail may go."""
        return self.tokens >= 1

    def taken(self) -> "Bucket":
        """Give the bucket without one token."""
        return replace(self, tokens=self.tokens - 1)


def latest_daily(wall_s: float, hour_minute: str, zone: tzinfo | None = None) -> float:
    """Give the newest moment (Unix seconds) not after `wall_s` at which the clock showed `07:00`.

    `zone` None is that of this host.
    """
    hour, _, minute = hour_minute.partition(":")
    now = datetime.fromtimestamp(wall_s, zone).astimezone(zone)
    moment = now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if moment > now:
        moment = (moment - timedelta(days=1)).replace(hour=int(hour), minute=int(minute))
    return moment.timestamp()
