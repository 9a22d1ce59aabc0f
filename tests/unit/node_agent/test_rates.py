"""Counters into rates: never negative, never invented."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rollcall.node_agent.rates import Counters, increases, per_second

counts = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2**64), max_size=4)


def test_a_rate_is_growth_by_time() -> None:
    before, now = Counters(10.0, {"x": 100}), Counters(14.0, {"x": 120})
    assert per_second(before, now) == {"x": 5.0}


def test_the_first_reading_gives_no_rate() -> None:
    assert per_second(None, Counters(10.0, {"x": 100})) == {}


def test_a_counter_that_was_reset_gives_no_rate_and_is_the_new_base() -> None:
    first, reset, later = (Counters(t, {"x": n}) for t, n in ((0.0, 900), (1.0, 5), (2.0, 8)))
    assert per_second(first, reset) == {}
    assert per_second(reset, later) == {"x": 3.0}


def test_a_new_thing_gives_no_rate_and_a_vanished_one_leaves() -> None:
    before = Counters(0.0, {("eth0", 2): 10, ("wlan0", 3): 10})
    now = Counters(1.0, {("eth0", 2): 11, ("wlan0", 7): 11})
    assert per_second(before, now) == {("eth0", 2): 1.0}


def test_no_time_between_readings_gives_no_rate() -> None:
    assert per_second(Counters(5.0, {"x": 1}), Counters(5.0, {"x": 2})) == {}


@given(before=counts, now=counts, elapsed_s=st.floats(-10, 1e6))
def test_no_rate_is_ever_negative(
    before: dict[str, int], now: dict[str, int], elapsed_s: float
) -> None:
    rates = per_second(Counters(100.0, before), Counters(100.0 + elapsed_s, now))
    assert all(rate >= 0 for rate in rates.values())
    assert set(rates) <= set(before) & set(now)


@given(steps=st.lists(st.integers(0, 2**40), min_size=1, max_size=20))
def test_increases_add_up_to_what_the_counter_counted(steps: list[int]) -> None:
    readings = [Counters(float(n), {"x": sum(steps[:n])}) for n in range(len(steps) + 1)]
    grown = [increases(*pair)["x"] for pair in itertools.pairwise(readings)]
    assert sum(grown) == sum(steps)
