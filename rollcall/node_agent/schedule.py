"""What is due when: slots on the wall clock, reached without drift.

A slot is a multiple of the interval on the wall clock plus the node's own phase, the same for all
collectors of a node, so that one wake-up serves them all and a cluster does not speak in chorus.

Within a boot, time is `offset + boottime`: it never runs backwards, and it goes on in suspend. When
the wall clock is found more than half a second away from that it was stepped, and the grid is
rebuilt. What is late runs once if its slot is still the current one; missed slots are counted and
never made up; two runs are never closer than half an interval.

A collector that samples is read within its interval too, on a finer grid of the same kind.

Pure: both clocks come in as a `Moment`; all times are whole milliseconds.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST_RUN_AFTER_MS: Final = 1000
_PHASES_MS: Final = 1000
_STEP_MS: Final = 500
_LATE_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on two clocks: Unix milliseconds, and milliseconds since boot (CLOCK_BOOTTIME)."""

    wall_ms: int
    boottime_ms: int


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is due. `time_ms` is its slot, or the present when it comes late (Unix ms)."""

    collector: str
    time_ms: int
    interval_s: int
    missed: int


@dataclass(slots=True)
class _Entry:
    interval_s: int
    next_ms: int
    ran_at_boottime_ms: int | None = None
    sample_ms: int | None = None
    next_sample_ms: int = 0

    @property
    def interval_ms(self) -> int:
        return self.interval_s * 1000

    @property
    def wakes_ms(self) -> int:
        return self.next_ms if self.sample_ms is None else min(self.next_ms, self.next_sample_ms)


def phase_ms(node: str) -> int:
    """Give the part of a second by which the slots of `node` are shifted."""
    return zlib.crc32(node.encode()) % _PHASES_MS


class Schedule:
    """Which collectors are due; `intervals` are whole seconds by collector.

    The first run of each comes one second after it is put in, off the grid, so that there is
    something to show at once.
    """

    def __init__(self, intervals: Mapping[str, int], phase_ms: int, start: Moment) -> None:
        self._phase_ms = phase_ms
        self._offset_ms = start.wall_ms - start.boottime_ms
        self._entries: dict[str, _Entry] = {}
        for name, seconds in intervals.items():
            self.add(name, seconds, start)

    @property
    def intervals(self) -> dict[str, int]:
        """The intervals in force, in seconds."""
        return {name: entry.interval_s for name, entry in self._entries.items()}

    def add(self, collector: str, interval_s: int, now: Moment) -> None:
        """Put in a collector; its first run comes one second after `now`."""
        self._entries[collector] = _Entry(interval_s, self._time_ms(now) + FIRST_RUN_AFTER_MS)

    def drop(self, collector: str) -> None:
        """Take out a collector."""
        del self._entries[collector]

    def samples(self, now: Moment) -> list[str]:
        """Give the collectors to sample now, and plan their next; ask before `due`.

        What is due itself, or soon, is not among them, as a report takes its sample with it.
        """
        self._follow_clock(now)
        time_ms = self._time_ms(now)
        names = []
        for name, entry in self._entries.items():
            if entry.sample_ms is None or time_ms < entry.next_sample_ms:
                continue
            if time_ms + entry.sample_ms // 2 <= entry.next_ms:
                entry.next_sample_ms = self._sample_after(time_ms, entry.sample_ms)
                names.append(name)
            else:
                entry.next_sample_ms = entry.next_ms
        return names

    def due(self, now: Moment) -> list[Due]:
        """Give what is due now, each at most once, and plan its next run."""
        self._follow_clock(now)
        return [
            self._run(name, entry, now)
            for name, entry in self._entries.items()
            if self._time_ms(now) >= entry.next_ms
        ]

    def wait_s(self, now: Moment) -> float:
        """Give the seconds until the next run or sample is due; 0 when one is due already.

        With no collector at all it is endless.
        """
        first_ms = min((entry.wakes_ms for entry in self._entries.values()), default=math.inf)
        return max(0, first_ms - self._time_ms(now)) / 1000

    def ask(self, now: Moment) -> list[str]:
        """Let everything run soon, at least a second after its last run; name it."""
        for entry in self._entries.values():
            soonest_ms = self._time_ms(now)
            if entry.ran_at_boottime_ms is not None:
                rested_ms = now.boottime_ms - entry.ran_at_boottime_ms
                soonest_ms += max(0, FIRST_RUN_AFTER_MS - rested_ms)
            entry.next_ms = min(entry.next_ms, soonest_ms)
        return list(self._entries)

    def change(self, collector: str, interval_s: int, sample_s: float | None = None) -> None:
        """Put another interval and sample time into force, from the slot after the last run."""
        entry = self._entries[collector]
        sample_ms = None if sample_s is None else round(sample_s * 1000)
        if entry.sample_ms != sample_ms:
            entry.sample_ms, entry.next_sample_ms = sample_ms, 0
        if entry.interval_s != interval_s:
            entry.interval_s = interval_s
            since_ms = entry.ran_at_boottime_ms
            if since_ms is not None:
                earliest_ms = self._offset_ms + since_ms + entry.interval_ms // 2
                entry.next_ms = self._slot_from(earliest_ms, entry.interval_ms)

    def _time_ms(self, now: Moment) -> int:
        return self._offset_ms + now.boottime_ms

    def _run(self, name: str, entry: _Entry, now: Moment) -> Due:
        now_ms = self._time_ms(now)
        slot_ms = self._slot_until(now_ms, entry.interval_ms)
        missed = max(0, (slot_ms - entry.next_ms) // entry.interval_ms)
        on_time = slot_ms >= entry.next_ms and now_ms - slot_ms <= _LATE_MS
        entry.ran_at_boottime_ms = now.boottime_ms
        earliest_ms = max(slot_ms + entry.interval_ms, now_ms + entry.interval_ms // 2)
        entry.next_ms = self._slot_from(earliest_ms, entry.interval_ms)
        if entry.sample_ms is not None:
            entry.next_sample_ms = self._sample_after(now_ms, entry.sample_ms)
        return Due(name, slot_ms if on_time else now_ms, entry.interval_s, missed)

    def _sample_after(self, time_ms: int, sample_ms: int) -> int:
        """Give the first slot for a sample that is not within half its time from now."""
        return self._slot_from(time_ms + sample_ms // 2 + 1, sample_ms)

    def _follow_clock(self, now: Moment) -> None:
        if abs(now.wall_ms - self._time_ms(now)) > _STEP_MS:
            self._rebuild(now)

    def _rebuild(self, now: Moment) -> None:
        self._offset_ms = now.wall_ms - now.boottime_ms
        for entry in self._entries.values():
            if entry.sample_ms is not None:
                entry.next_sample_ms = self._sample_after(now.wall_ms, entry.sample_ms)
            if entry.ran_at_boottime_ms is None:
                entry.next_ms = now.wall_ms
                continue
            rested_ms = now.boottime_ms - entry.ran_at_boottime_ms
            pause_ms = max(0, entry.interval_ms // 2 - rested_ms)
            entry.next_ms = self._slot_from(now.wall_ms + pause_ms, entry.interval_ms)

    def _slot_until(self, time_ms: int, interval_ms: int) -> int:
        """Give the newest slot that is not after `time_ms`."""
        return (time_ms - self._phase_ms) // interval_ms * interval_ms + self._phase_ms

    def _slot_from(self, time_ms: int, interval_ms: int) -> int:
        """Give the first slot that is not before `time_ms`."""
        return -((self._phase_ms - time_ms) // interval_ms) * interval_ms + self._phase_ms
