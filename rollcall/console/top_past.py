"""What `rollcall top` shows out of the database: the past, or what is known last."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rollcall.console.fallback import newest_recorded
from rollcall.console.known_rows import RecordedNode, rows_of
from rollcall.console.recording import Recording
from rollcall.console.summary import Row
from rollcall.console.words import age, iso

_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Past:
    """The cluster at the moment `at` (Unix seconds), or why it cannot be told."""

    at: float
    rows: list[Row] = field(default_factory=list)
    failure: str = ""


class Database:
    """The recorder's database behind `url`; asked again only for another moment, or after 5 s."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._past: Past | None = None
        self._last: Past | None = None
        self._asked_s = 0.0
        self._sign: float | None = None
        self._sign_asked_s = float("-inf")

    def then(self, at: float) -> Past:
        """Give the cluster as it was recorded at a moment."""
        if self._past is None or self._past.at != at:
            self._past = self._asked(at, lambda module: module.then(self._url, at))
        return self._past

    def last(self, at: float) -> Past:
        """Give the cluster as it is known last, seen from the moment `at`, which is now."""
        now_s = time.monotonic()
        if self._last is None or now_s - self._asked_s >= _AGAIN_S:
            self._asked_s = now_s
            self._last = self._asked(at, lambda module: module.known_last(self._url))
        return self._last

    def dated(self, recording: Recording) -> Recording:
        """Give the same with when something was recorded last, if it takes the database to say."""
        if recording.ok or recording.since is not None:
            return recording
        if time.monotonic() - self._sign_asked_s >= _AGAIN_S:
            self._sign_asked_s = time.monotonic()
            self._sign = newest_recorded(self._url)
        return recording.with_newest(self._sign)

    def _asked(self, at: float, question: Callable[..., list[RecordedNode]]) -> Past:
        try:
            # Whoever never asks needs neither the packages nor the memory.
            from rollcall.console import from_database  # noqa: PLC0415 - see above

            try:
                return Past(at, rows_of(question(from_database), at))
            except from_database.HistoryAwayError as error:
                return Past(at, failure=str(error))
        except ModuleNotFoundError as missing:
            return Past(at, failure=f"the package {missing.name} is not installed")


def node_lines(row: Row, at: float) -> list[str]:
    """Say what was recorded of one node, as lines."""
    reason = f" ({row.reason})" if row.reason else ""
    since = f" since {iso(row.since)}" if row.since else ""
    return [
        f"{row.node}: {row.state}{reason}{since}, heard {age(row.age_s)} before",
        *(
            f"  {alert.severity} {alert.state} {rule}: {alert.summary}"
            for rule, alert in sorted(row.alerts.items())
        ),
        "",
        *(
            f"  {metric:24}  {last.number:g}  ({age(max(at - last.at, 0))} before)"
            for metric, last in sorted(row.last.items())
        ),
    ]
