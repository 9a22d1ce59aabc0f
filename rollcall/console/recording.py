"""Whether what happens is being recorded, as the recorders' status topics say. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rollcall.broker.messages import ServiceOffline, ServiceOnline

_NAME: Final = "recorder"
_WORDS: Final = "Values come from the broker."


@dataclass(frozen=True, slots=True)
class Recording:
    """`ok` while a recorder is there; else since when not (Unix seconds, if known), and why."""

    ok: bool
    since: float | None = None
    why: str = ""

    def with_newest(self, recorded_at: float | None) -> "Recording":
        """Give the same, knowing when something was recorded last.

        A recorder that was killed could not say when.
        """
        return replace(self, since=recorded_at) if self.since is None and not self.ok else self

    def remark(self, now_s: float) -> str | None:
        """Say that nothing is recorded, and since when; None while all is well."""
        if self.ok:
            return None
        since = "" if self.since is None else f" since {clock(self.since, now_s)}"
        return f"Not recorded{since} ({self.why}). {_WORDS}"


RECORDING: Final = Recording(ok=True)


def recording_of(services: Mapping[str, ServiceOnline | ServiceOffline]) -> Recording:
    """Judge by what every recorder said last: one that works is enough."""
    recorders = [
        status for name, status in services.items() if name == _NAME or name.startswith(f"{_NAME}-")
    ]
    if any(isinstance(status, ServiceOnline) for status in recorders):
        return RECORDING
    if not recorders:
        return Recording(ok=False, why="no recorder was ever seen on this broker")
    gone = [status for status in recorders if isinstance(status, ServiceOffline)]
    newest = max(gone, key=lambda status: status.since or 0)
    return Recording(ok=False, since=newest.since, why=f"recorder {newest.reason}")


def clock(time_s: float, now_s: float) -> str:
    """Say a moment in the time of this machine; the day, too, unless it is today."""
    moment = dt.datetime.fromtimestamp(time_s).astimezone()
    today = dt.datetime.fromtimestamp(now_s).astimezone().date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%a %-d %b %H:%M}"
