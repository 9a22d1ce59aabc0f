"""When to listen to measurements, where nodes are very many. Pure: times are arguments.

A number holds for three of its intervals, at least 45 s: of very many nodes not every report has to
be heard. So the display listens until it has heard each collector of each node once, then rests. It
listens again in time for two reports of each, before anything it knows is too old: where all report
every 10 s, for 10 of every 30 s. Where their intervals leave no such time, it listens on.

What does not come is waited for as long as its numbers hold; then it is as good as gone.
"""

from typing import Final

from rollcall.broker.node_view import stale_after_s

_ALL_THE_TIME: Final = 1500
_MARGIN_S: Final = 2.0

# A node and one of its collectors.
Source = tuple[str, str]


class Listening:
    """Says whether to listen now, by what it is told that came."""

    def __init__(self) -> None:
        self._intervals_s: dict[Source, float] = {}
        self._came: set[Source] = set()
        self._opened_s = 0.0
        self._rests_until_s: float | None = None

    def begin(self, now_s: float) -> None:
        """Listen anew, at monotonic seconds."""
        self._came.clear()
        self._opened_s = now_s
        self._rests_until_s = None

    def came(self, source: Source, interval_s: float, *, replayed: bool) -> None:
        """Note a report with numbers; one that is replayed still has to come."""
        self._intervals_s[source] = interval_s
        if not replayed:
            self._came.add(source)

    def left(self, source: Source) -> None:
        """Note that there are no numbers any more."""
        self._intervals_s.pop(source, None)

    def changed(self, source: Source, interval_s: float) -> None:
        """Note that a source has another interval from now on."""
        if source in self._intervals_s:
            self._intervals_s[source] = interval_s

    def is_due(self, now_s: float) -> bool:
        """Say whether to listen now."""
        if len(self._intervals_s) <= _ALL_THE_TIME:
            self.begin(now_s)
        elif self._rests_until_s is not None:
            if now_s < self._rests_until_s:
                return False
            self.begin(now_s)
        elif self._is_over(now_s):
            until_s = self._opened_s + self._cycle_s()
            self.begin(now_s)
            if until_s > now_s:
                self._rests_until_s = until_s
                return False
        return True

    def _is_over(self, now_s: float) -> bool:
        listened_s = now_s - self._opened_s
        if not self._intervals_s or listened_s < max(self._intervals_s.values()):
            return False
        for source in self._intervals_s.keys() - self._came:
            if listened_s < stale_after_s(self._intervals_s[source]):
                return False
            del self._intervals_s[source]
        return True

    def _cycle_s(self) -> float:
        """Give how long after the last beginning is the next: a multiple of the longest interval.

        So each source is as old as that when it comes, and may once stay away.
        """
        intervals_s = self._intervals_s.values() or (0.0,)
        longest_s = max(intervals_s)
        times = (stale_after_s(min(intervals_s)) - _MARGIN_S) // (longest_s or 1.0) - 1
        return times * longest_s
