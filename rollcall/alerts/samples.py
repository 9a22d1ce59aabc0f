"""Which reports count as samples.

A live report counts at its arrival, on our own clock; its `time` only labels it. It does not count
when its number has been seen, or when its time is long past: then it was held up on the way. A node
whose every report seems late for five minutes has a wrong clock, and arrival counts again. A
replayed report (retained, sent at subscribing) counts only while its own time makes it fresh.
"""

from typing import Final

from rollcall.broker.messages import Report
from rollcall.broker.node_view import Now

_LATE_INTERVALS: Final = 3
_LATE_AT_LEAST_S: Final = 60.0
_CLOCK_IS_WRONG_AFTER_S: Final = 300.0
_REPLAY_INTERVALS: Final = 2


class SampleGate:
    """Remembers what was seen of each collector, and lets each report through at most once."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[str, int]] = {}
        self._late_since_s: dict[str, float] = {}

    def lets_through(
        self, node: str, collector: str, report: Report, *, replayed: bool, now: Now
    ) -> bool:
        """Say whether `report` is a sample; `now` is its arrival."""
        epoch, seq = self._newest.get((node, collector), ("", 0))
        if report.epoch == epoch and report.seq <= seq:
            return False
        self._newest[node, collector] = (report.epoch, report.seq)
        age_s = now.wall_s - report.time
        if replayed:
            return report.clock is None and abs(age_s) <= _REPLAY_INTERVALS * report.interval
        return report.clock is not None or self._is_timely(node, report, age_s, now)

    def forget(self, node: str) -> None:
        """Forget a node that was removed."""
        self._late_since_s.pop(node, None)
        for key in [key for key in self._newest if key[0] == node]:
            del self._newest[key]

    def _is_timely(self, node: str, report: Report, age_s: float, now: Now) -> bool:
        if age_s <= max(_LATE_AT_LEAST_S, _LATE_INTERVALS * report.interval):
            self._late_since_s.pop(node, None)
            return True
        late_since_s = self._late_since_s.setdefault(node, now.monotonic_s)
        return now.monotonic_s - late_since_s >= _CLOCK_IS_WRONG_AFTER_S
