"""When the backlight is off: a span of the local day."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Self


@dataclass(frozen=True, slots=True)
class Night:
    """From `begins` to `ends`, over midnight where `ends` comes first."""

    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `22:00-07:00`; the empty text is no night at all. Raises ValueError."""
        if not text:
            return None
        begins, _, ends = text.partition("-")
        return cls(time.fromisoformat(begins), time.fromisoformat(ends))

    def covers(self, local: datetime) -> bool:
        """Say whether it is night at the local time `local`."""
        now = local.time()
        if self.begins <= self.ends:
            return self.begins <= now < self.ends
        return now >= self.begins or now < self.ends
