"""What is due when: slots on the wall clock, reached without drift.

A slot is a multiple of the interval on the wall clock plus the node's own phase, the same for all
collectors of a node, so that one wake-up serves them all and a cluster does not speak in chorus.

Within a boot, time is `offset + boottime`: it never runs backwards, and it goes on in suspend. When
the wall clock is found more than half a second away from that it was stepped, and the grid is
rebuilt. What is late runs once if its slot is still the current one; missed slots are counted and
never made up; two runs are never closer than half an interval.

Pure: both clocks come in as a `Moment`; all times are whole milliseconds.
"""

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

    @property
    def interval_ms(self) -> int:
        return self.interval_s * 1000


def phase_ms(node: str) -> int:
    """Give the part of a second by which the slots of `node` are shifted."""
    return zlib.crc32(node.encode()) % _PHASES_MS


class Schedule:
    """Which collectors are due; `intervals` are whole seconds by collector.

    The first run of each comes one second after `start`, off the grid, so that there is something
    to show at once.
    """

    def __init__(self, intervals: Mapping[str, int], phase_ms: int, start: Moment) -> None:
        self._phase_ms = phase_ms
        self._offset_ms = start.wall_ms - start.boottime_ms
        first_ms = start.wall_ms + FIRST_RUN_AFTER_MS
        self._entries = {name: _Entry(seconds, first_ms) for name, seconds in intervals.items()}

    @property
    def intervals(self) -> dict[str, int]:
        """The intervals in force, in seconds."""
        return {name: entry.interval_s for name, entry in self._entries.items()}

    def due(self, now: Moment) -> list[Due]:
        """Give what is due now, each at most once, and plan its next run."""
        if abs(now.wall_ms - self._time_ms(now)) > _STEP_MS:
            self._rebuild(now)
        return [
            self._run(name, entry, now)
            for name, entry in self._entries.items()
            if self._time_ms(now) >= entry.next_ms
        ]

    def wait_s(self, now: Moment) -> float:
        """Give the seconds until the next run is due; 0 when one is due already."""
        first_ms = min(entry.next_ms for entry in self._entries.values())
        return max(0, first_ms - self._time_ms(now)) / 1000

    def change(self, collector: str, interval_s: int) -> None:
        """Put another interval into force, from the slot after the last run."""
        entry = self._entries[collector]
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
        return Due(name, slot_ms if on_time else now_ms, entry.interval_s, missed)

    def _rebuild(self, now: Moment) -> None:
        self._offset_ms = now.wall_ms - now.boottime_ms
        for entry in self._entries.values():
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
