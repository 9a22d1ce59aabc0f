"""Spans against plain sets of numbers."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rollcall.node_agent.spans import Span, merged, overlaps, without

span_lists = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=8)


def numbers(spans: list[Span]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


@given(spans=span_lists, taken=span_lists)
def test_without_is_the_difference_of_sets(spans: list[Span], taken: list[Span]) -> None:
    left = list(without(spans, taken))
    assert numbers(left) == numbers(spans) - numbers(taken)
    assert left == merged(left)


@given(spans=span_lists)
def test_merged_keeps_every_number_and_leaves_gaps_between_spans(spans: list[Span]) -> None:
    found = merged(spans)
    assert numbers(found) == numbers(spans)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(found))


@given(span=st.tuples(st.integers(1, 60), st.integers(1, 60)), others=span_lists)
def test_overlap_is_a_shared_number(span: Span, others: list[Span]) -> None:
    first, last = min(span), max(span)
    proper = [other for other in others if other[0] <= other[1]]
    assert overlaps((first, last), proper) == bool(numbers([(first, last)]) & numbers(proper))
