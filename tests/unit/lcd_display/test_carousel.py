"""Whose turn it is: alerts before pages, pages in rotation, nobody left out."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.messages import Flag, Severity
from rollcall.lcd_display.attention import Call
from rollcall.lcd_display.carousel import (
    INFO_TURN_S,
    TURNS_IN_A_CYCLE,
    URGENT_FOR_S,
    Carousel,
    cycle_of,
    shares,
)

PAGES = {"overview": 1, "nodes": 2}


def call(node: str, severity: Severity = "critical", quiet: Flag | None = None) -> Call:
    return Call(node, "disk_full", severity, quiet, None, "")


def watched(
    carousel: Carousel,
    calls: Sequence[Call],
    pages: dict[str, int],
    seconds: Iterable[float],
) -> list[str]:
    """What is on the glass at each of these seconds, as `nodes/2` or as the node that calls."""
    shown = []
    for now_s in seconds:
        turn = carousel.turn(calls, pages, now_s)
        shown.append(turn.call[0] if turn.call else f"{turn.page}/{turn.part + 1}")
    return shown


def test_pages_take_turns_of_five_seconds_part_after_part() -> None:
    seconds = [0, 4.9, 5, 9.9, 10, 14.9, 15, 19.9, 20]
    assert watched(Carousel(), [], PAGES, seconds) == [
        *["overview/1"] * 2,
        *["nodes/1"] * 2,
        *["nodes/2"] * 2,
        *["overview/1"] * 2,
        "nodes/1",
    ]


def test_urgent_calls_push_all_pages_aside_and_every_fourth_turn_is_the_overview() -> None:
    carousel = Carousel()
    carousel.turn([], PAGES, 0)
    calls = [call("a"), call("b"), call("c"), call("d")]
    shown = watched(carousel, calls, PAGES, range(1, 41, 4))
    assert shown == ["a", "b", "c", "overview/1", "d", "a", "b", "overview/1", "c", "d"]
    assert carousel.alerting


def test_a_single_urgent_call_stays_and_lets_the_overview_through() -> None:
    shown = watched(Carousel(), [call("a")], PAGES, range(0, 32, 4))
    assert shown == ["a", "a", "a", "overview/1"] * 2


def test_a_new_call_is_shown_at_once_wherever_it_stands() -> None:
    carousel = Carousel()
    assert watched(carousel, [call("a"), call("b")], PAGES, [0, 1]) == ["a", "a"]
    assert watched(carousel, [call("a"), call("b"), call("c")], PAGES, [1.5, 5.5]) == ["c", "a"]


def test_calls_that_come_one_after_another_leave_the_overview_its_turn() -> None:
    carousel, calls, shown = Carousel(), [], []
    for second in range(20):
        calls.append(call(f"n{second:02}"))
        shown += watched(carousel, calls, PAGES, [second])
    assert shown[:8] == ["n00", "n01", "n02", *["overview/1"] * 4, "n07"]
    assert shown[8:15] == ["n08", "n09", *["overview/1"] * 4, "n14"]


def test_a_call_that_is_over_leaves_the_glass_at_once() -> None:
    carousel = Carousel()
    watched(carousel, [call("a"), call("b")], PAGES, [0])
    assert watched(carousel, [call("b")], PAGES, [1]) == ["b"]
    assert watched(carousel, [], PAGES, [2]) == ["overview/1"]
    assert not carousel.alerting


def test_a_call_that_stands_unchanged_for_ten_minutes_becomes_a_notice() -> None:
    carousel = Carousel()
    assert watched(carousel, [call("a")], PAGES, [0, URGENT_FOR_S - 1])[-1] != "nodes/1"
    first = URGENT_FOR_S + 1
    seconds = [first + turn * INFO_TURN_S for turn in range(6)]
    assert watched(carousel, [call("a")], PAGES, seconds) == [
        "overview/1",
        "nodes/1",
        "nodes/2",
        "a",
        "overview/1",
        "nodes/1",
    ]


@pytest.mark.parametrize(
    "quieter",
    [call("a", "warning"), call("a", quiet="acknowledged"), call("a", quiet="silenced")],
    ids=["a warning", "acknowledged", "silenced"],
)
def test_what_is_not_urgent_has_one_turn_a_cycle(quieter: Call) -> None:
    shown = watched(Carousel(), [quieter], PAGES, [turn * INFO_TURN_S for turn in range(5)])
    assert shown == ["overview/1", "nodes/1", "nodes/2", "a", "overview/1"]


def test_a_call_that_grows_worse_is_urgent_anew() -> None:
    carousel = Carousel()
    watched(carousel, [call("a", "warning")], PAGES, [0])
    assert watched(carousel, [call("a", "critical")], PAGES, [1]) == ["a"]


def test_several_notices_take_turns_from_cycle_to_cycle() -> None:
    notices = [call("a", "warning"), call("b", "warning")]
    shown = watched(Carousel(), notices, {"overview": 1}, [turn * INFO_TURN_S for turn in range(6)])
    assert shown == ["overview/1", "a", "overview/1", "b", "overview/1", "a"]


def test_a_page_that_shrinks_under_its_turn_gives_way_to_one_that_is_there() -> None:
    carousel = Carousel()
    watched(carousel, [], {"overview": 1, "nodes": 3}, [0, 5, 10, 15])
    assert watched(carousel, [], {"overview": 1, "nodes": 1}, [16]) == ["nodes/1"]


def test_where_no_page_has_anything_to_tell_the_overview_stays() -> None:
    assert watched(Carousel(), [], {}, [0, 6, 12]) == ["overview/1"] * 3


@given(parts=st.lists(st.integers(0, 700), max_size=9), turns=st.integers(9, 12))
def test_a_cycle_is_shared_fairly_and_never_too_long(parts: list[int], turns: int) -> None:
    given_turns = shares(parts, turns)
    assert sum(given_turns) == min(turns, sum(parts))
    for mine, my_parts in zip(given_turns, parts, strict=True):
        assert mine >= min(my_parts, 1)
        assert mine == my_parts or mine >= max(given_turns) - 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_every_part_of_every_page_has_its_turn_in_the_end(parts: list[int]) -> None:
    pages = {str(place): count for place, count in enumerate(parts)}
    wanted = {(name, part) for name, count in pages.items() for part in range(count)}
    seen = set()
    for cycle in range(max(parts)):
        turns = cycle_of(pages, [call("a", "warning")], cycle)
        assert len(turns) <= TURNS_IN_A_CYCLE
        seen |= {(turn.page, turn.part) for turn in turns}
    assert wanted <= seen
