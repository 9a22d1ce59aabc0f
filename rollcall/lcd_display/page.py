"""What pages are made of: the moment they are drawn at, the way to the broker, the page itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollcall.broker.node_view import Now


class LinkState(StrEnum):
    """How the way to the broker stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Link:
    """The way to the broker; `since` is Unix seconds, `lasted_s` how long `state` has lasted.

    `attempts` counts the tries to connect since it was lost, `next_s` is when the next one is due.
    """

    state: LinkState
    host: str
    port: int
    since: float
    lasted_s: float
    attempts: int = 0
    next_s: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a page is drawn at: `now`, the same as local time, and the phase of the heartbeat.

    `clock_trusted` is whether this host's clock is known to be right, as far as anybody says.
    """

    now: Now
    local: datetime
    beat: bool = False
    clock_trusted: bool = True

    @property
    def clock(self) -> str:
        """The local time of day, or dashes where it is not to be trusted."""
        return f"{self.local:%H:%M}" if self.clock_trusted else "--:--"

    def time_of(self, wall_s: float) -> datetime:
        """Give Unix seconds as local time."""
        return datetime.fromtimestamp(wall_s, self.local.tzinfo)


@dataclass(frozen=True, slots=True)
class Page:
    """Lines that fill the glass exactly, and what they are called.

    `part` of `parts`, from 0, is which piece of a page that does not fit at once; `alerting` says
    that something urgent calls, on this page or on one before or after it.
    """

    name: str
    lines: tuple[str, ...]
    part: int = 0
    parts: int = 1
    alerting: bool = False
