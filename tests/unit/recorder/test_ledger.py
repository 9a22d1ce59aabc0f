"""The ledger against a set: whatever is added in whatever order, it knows the same numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.recorder.ledger import MAX_HOLES, Interval, Ledger

SPANS = st.tuples(
    st.integers(1, 60), st.integers(0, 12), st.sampled_from([None, None, "size", "age"])
).map(lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2]))


def model_of(spans: list[tuple[int, int, str | None]]) -> dict[int, str | None]:
    known: dict[int, str | None] = {}
    for first, last, reason in spans:
        for number in range(first, last + 1):
            if reason is None:
                known[number] = None
            else:
                known.setdefault(number, reason)
    return known


def ledger_of(spans: list[tuple[int, int, str | None]]) -> Ledger:
    ledger = Ledger()
    for first, last, reason in spans:
        ledger.add(first, last, reason)
    return ledger


@given(st.lists(SPANS, max_size=40))
def test_a_ledger_knows_what_a_set_would_know(spans: list[tuple[int, int, str | None]]) -> None:
    known = model_of(spans)
    ledger = ledger_of(spans)
    told = {
        number: span.reason
        for span in ledger.intervals
        for number in range(span.first, span.last + 1)
    }
    assert told == known
    assert [ledger.holds(number) for number in range(1, 80)] == [
        number in known and known[number] is None for number in range(1, 80)
    ]


@given(st.lists(SPANS, max_size=40))
def test_intervals_are_disjoint_and_no_two_could_be_one(
    spans: list[tuple[int, int, str | None]],
) -> None:
    intervals = ledger_of(spans).intervals
    for left, right in pairwise(intervals):
        assert left.first <= left.last < right.first
        assert left.last + 1 < right.first or left.reason != right.reason


@given(st.lists(SPANS, max_size=40))
def test_a_receipt_names_exactly_the_numbers_that_are_neither_held_nor_settled(
    spans: list[tuple[int, int, str | None]],
) -> None:
    known = model_of(spans)
    through, missing = ledger_of(spans).receipt()
    named = {number for first, last in missing for number in range(first, last + 1)}
    assert through == max(known, default=0)
    assert named == set(range(1, through + 1)) - set(known)


@given(st.lists(SPANS, max_size=20))
def test_a_ledger_read_back_from_its_intervals_is_the_same(
    spans: list[tuple[int, int, str | None]],
) -> None:
    ledger = ledger_of(spans)
    copy = ledger.copy()
    ledger.add(100)
    assert copy.intervals == ledger_of(spans).intervals
    assert Ledger(reversed(copy.intervals)).intervals == copy.intervals


def test_a_healthy_stream_is_one_interval() -> None:
    ledger = Ledger()
    for number in range(1, 1001):
        ledger.add(number)
    assert ledger.intervals == [Interval(1, 1000)]
    assert ledger.receipt() == (1000, [])


def test_a_receipt_with_too_many_holes_ends_before_the_first_it_leaves_out() -> None:
    ledger = Ledger(Interval(number, number) for number in range(2, 2 * (MAX_HOLES + 5), 2))
    through, missing = ledger.receipt()
    assert len(missing) == MAX_HOLES
    assert through == 2 * MAX_HOLES
    assert missing[-1] == (2 * MAX_HOLES - 1, 2 * MAX_HOLES - 1)


def test_a_number_that_was_declared_lost_and_comes_after_all_is_held() -> None:
    ledger = Ledger()
    ledger.add(1, 10, "size")
    assert not ledger.holds(5)
    ledger.add(5)
    assert ledger.holds(5)
    assert ledger.intervals == [Interval(1, 4, "size"), Interval(5, 5), Interval(6, 10, "size")]


def test_an_empty_ledger_has_received_nothing() -> None:
    assert Ledger().receipt() == (0, [])


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 4), (-1, -1)])
def test_a_span_that_is_none_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no span"):
        Ledger().add(first, last)
