"""What was recorded, as columns a chart can draw without lying.

A chart breaks its line only at an empty value: so every bucket of the window has a place, empty
where nothing was recorded; single samples get an empty one put between them where more than two and
a half intervals are missing. Times in milliseconds since 1970 in, Unix seconds out. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from pydantic import JsonValue

_MISSING_INTERVALS: Final = 2.5
_MS: Final = 1000

Column = list[float | None]


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket, or one sample (then all three are alike and `samples` is 1)."""

    ts: int
    low: float
    mean: float
    high: float
    samples: int


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the window and what it was: `offline`, `stale`, `unrecorded`."""

    state: str
    since: int
    until: int

    def told(self) -> dict[str, JsonValue]:
        """Give it as JSON."""
        return {"state": self.state, "since": self.since / _MS, "until": self.until / _MS}


@dataclass(slots=True)
class Columns:
    """Columns of equal length; None in `low`, `mean` and `high` where nothing was recorded."""

    times: list[float]
    low: Column
    mean: Column
    high: Column
    samples: list[int]

    def told(self) -> dict[str, JsonValue]:
        """Give them as JSON."""
        return {
            "times": list(self.times),
            "min": list(self.low),
            "avg": list(self.mean),
            "max": list(self.high),
            "samples": list(self.samples),
        }


def gridded(points: Iterable[Point], since: int, until: int, bucket: int) -> Columns:
    """Give every bucket of the window its place, empty or not; `bucket` in milliseconds."""
    by_ts = {point.ts: point for point in points}
    first = since - since % bucket
    return _columns((ts, by_ts.get(ts)) for ts in range(first, until, bucket))


def single(points: Sequence[Point]) -> Columns:
    """Give single samples, with an empty place in each longer silence."""
    gap = silence_after(points)
    rows: list[tuple[int, Point | None]] = []
    before: int | None = None
    for point in points:
        if before is not None and point.ts - before > gap:
            rows.append((before + 1, None))
        rows.append((point.ts, point))
        before = point.ts
    return _columns(rows)


def silence_after(points: Sequence[Point]) -> float:
    """Give the milliseconds after which two samples have a gap between them."""
    steps = [later.ts - earlier.ts for earlier, later in pairwise(points)]
    return _MISSING_INTERVALS * median(steps) if steps else float("inf")


def holes(
    points: Sequence[Point], since: int, until: int, longest: float, known: Iterable[Span]
) -> list[Span]:
    """Give the spans without any point for more than `longest` ms that `known` does not explain."""
    edges = [since, *(point.ts for point in points), until]
    empty = [(a, b) for a, b in pairwise(edges) if b - a > longest]
    for span in known:
        empty = [rest for hole in empty for rest in _without(hole, span)]
    return [Span("unrecorded", a, b) for a, b in empty if b - a > longest]


def share(empty: Iterable[Span], since: int, until: int) -> float:
    """Give the share of the window, 0 to 1, in which something was recorded."""
    length = until - since
    lost = sum(min(span.until, until) - max(span.since, since) for span in empty)
    return max(0.0, 1 - lost / length) if length > 0 else 0.0


def _without(hole: tuple[int, int], span: Span) -> list[tuple[int, int]]:
    start, end = hole
    parts = [(start, min(end, span.since)), (max(start, span.until), end)]
    return [(a, b) for a, b in parts if b > a]


def _columns(rows: Iterable[tuple[int, Point | None]]) -> Columns:
    columns = Columns([], [], [], [], [])
    for ts, point in rows:
        columns.times.append(ts / _MS)
        columns.low.append(point.low if point else None)
        columns.mean.append(point.mean if point else None)
        columns.high.append(point.high if point else None)
        columns.samples.append(point.samples if point else 0)
    return columns
