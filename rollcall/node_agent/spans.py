"""Arithmetic on spans of sequence numbers: closed, sorted, apart from each other. Pure."""

from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def without(spans: Iterable[Span], taken: Iterable[Span]) -> Iterator[Span]:
    """Give what is left of `spans` when everything in `taken` is removed from it.

    Neither has to be sorted or free of overlaps; the answer is both.
    """
    holes = merged(taken)
    at = 0
    for first, last in merged(spans):
        begin = first
        while at < len(holes) and holes[at][1] < begin:
            at += 1
        for hole_first, hole_last in holes[at:]:
            if hole_first > last:
                break
            if hole_first > begin:
                yield begin, hole_first - 1
            begin = max(begin, hole_last + 1)
        if begin <= last:
            yield begin, last


def merged(spans: Iterable[Span]) -> list[Span]:
    """Give the same numbers as few, sorted spans; what is empty or upside down is left out."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if last < first:
            continue
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Say whether `span` shares a number with any of `others`."""
    return any(first <= span[1] and span[0] <= last for first, last in others)
