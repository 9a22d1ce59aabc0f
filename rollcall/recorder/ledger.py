"""Which sequence numbers of one epoch were received, and which will never come.

Numbers are kept as disjoint closed intervals; neighbours of one kind are one interval, so that a
healthy stream is a single row. What lies between the intervals is missing: an open gap.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

MAX_HOLES: Final = 500


class Interval(NamedTuple):
    """Numbers `first` to `last`: held when `reason` is None, else why they will never come."""

    first: int
    last: int
    reason: str | None = None


class Receipt(NamedTuple):
    """Every number up to `through` is held or settled, except the closed spans in `missing`."""

    through: int
    missing: list[tuple[int, int]]


class Ledger:
    """The numbers of one epoch. Numbers begin at 1."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._intervals = sorted(intervals)

    @property
    def intervals(self) -> Sequence[Interval]:
        """The intervals in ascending order: disjoint, and no two that could be one."""
        return self._intervals

    def copy(self) -> Self:
        """Give an independent ledger of the same content."""
        return type(self)(self._intervals)

    def holds(self, number: int) -> bool:
        """Say whether `number` was received; one that was declared lost is not held."""
        place = bisect_left(self._intervals, number, key=_last)
        return (
            place < len(self._intervals)
            and self._intervals[place].first <= number
            and self._intervals[place].reason is None
        )

    def take(self, number: int) -> bool:
        """Add `number`, which is held from now on; say whether it was not held before."""
        if not self._goes_on(number) and self.holds(number):
            return False
        self.add(number)
        return True

    def add(self, first: int, last: int | None = None, reason: str | None = None) -> None:
        """Add the numbers `first` to `last` (default: `first` alone).

        Without `reason` they are held, also where they had been declared lost. With one they are
        declared lost, but only where nothing is known yet: what is held stays held, and the first
        reason stays. Raises ValueError for an empty span or a number below 1.
        """
        new = Interval(first, first if last is None else last, reason)
        if not 1 <= new.first <= new.last:
            raise ValueError(f"{new.first} to {new.last} is no span of sequence numbers")
        if reason is None and self._goes_on(new.first):
            self._intervals[-1] = Interval(self._intervals[-1].first, new.last)
            return
        low = bisect_left(self._intervals, new.first - 1, key=_last)
        high = bisect_right(self._intervals, new.last + 1, key=_first)
        touched = self._intervals[low:high]
        pieces = _overlaid(touched, new) if reason is None else _filled(touched, new)
        self._intervals[low:high] = _joined(pieces)

    def _goes_on(self, number: int) -> bool:
        """Say whether `number` is the next one of a stream that is held up to its end."""
        if not self._intervals:
            return False
        newest = self._intervals[-1]
        return newest.reason is None and newest.last + 1 == number

    def holes(self) -> list[tuple[int, int]]:
        """Give the closed spans below the highest known number of which nothing is known."""
        spans = []
        expected = 1
        for interval in self._intervals:
            if interval.first > expected:
                spans.append((expected, interval.first - 1))
            expected = interval.last + 1
        return spans

    def receipt(self) -> Receipt:
        """Give what may be said to the agent, with at most `MAX_HOLES` spans missing.

        With more holes than that, `through` ends before the first one that is left out.
        """
        holes = self.holes()
        if len(holes) > MAX_HOLES:
            return Receipt(holes[MAX_HOLES][0] - 1, holes[:MAX_HOLES])
        return Receipt(self._intervals[-1].last if self._intervals else 0, holes)


def _first(interval: Interval) -> int:
    return interval.first


def _last(interval: Interval) -> int:
    return interval.last


def _overlaid(touched: Sequence[Interval], new: Interval) -> list[Interval]:
    before = [
        Interval(old.first, min(old.last, new.first - 1), old.reason)
        for old in touched
        if old.first < new.first
    ]
    after = [
        Interval(max(old.first, new.last + 1), old.last, old.reason)
        for old in touched
        if old.last > new.last
    ]
    return [*before, new, *after]


def _filled(touched: Sequence[Interval], new: Interval) -> list[Interval]:
    pieces = []
    expected = new.first
    for old in touched:
        if old.first > expected:
            pieces.append(Interval(expected, old.first - 1, new.reason))
        pieces.append(old)
        expected = max(expected, old.last + 1)
    if expected <= new.last:
        pieces.append(Interval(expected, new.last, new.reason))
    return pieces


def _joined(pieces: Sequence[Interval]) -> list[Interval]:
    joined = [pieces[0]]
    for piece in pieces[1:]:
        previous = joined[-1]
        if previous.last + 1 == piece.first and previous.reason == piece.reason:
            joined[-1] = Interval(previous.first, piece.last, piece.reason)
        else:
            joined.append(piece)
    return joined
