"""Events that the recorder itself writes: collectors that fail, clocks that are wrong.

A report comes every few seconds, and what fails goes on failing; so a row is written only where
something changes: when a collector begins to fail, fails in another way, or works again; and at
most once an hour where the same kind of error only words it differently, or a clock stays wrong.
Pure; times in milliseconds.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

SOURCE: Final = "recorder"
_AGAIN_AFTER_MS: Final = 3_600_000


class CollectorError(NamedTuple):
    """What a collector says has failed, and the time of the report that said so."""

    error: str
    ts: int


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event of kind `collector_error`, `collector_recovered` or `clock_corrected`."""

    ts: int
    kind: str
    detail: dict[str, str | float]


def of_collector(
    collector: str, known: CollectorError | None, error: str | None, ts: int
) -> OwnEvent | None:
    """Give the event that a report makes; None where it tells nothing new.

    `known` is the error that was told last, None while the collector works.
    """
    if known is not None and ts < known.ts:
        return None
    if error is None:
        if known is None:
            return None
        return OwnEvent(ts, "collector_recovered", {"collector": collector})
    if known is not None:
        if error == known.error:
            return None
        same_kind = error.partition(":")[0] == known.error.partition(":")[0]
        if same_kind and ts - known.ts < _AGAIN_AFTER_MS:
            return None
    return OwnEvent(ts, "collector_error", {"collector": collector, "error": error})


def of_clock(off_ms: int | None, told_ts: int | None, ts: int) -> OwnEvent | None:
    """Give the event of a report that was stored when it came, as its node's clock was wrong.

    `told_ts`: when the node's clock was told of last.
    """
    if off_ms is None or (told_ts is not None and ts - told_ts < _AGAIN_AFTER_MS):
        return None
    return OwnEvent(ts, "clock_corrected", {"off_seconds": off_ms / 1000})
