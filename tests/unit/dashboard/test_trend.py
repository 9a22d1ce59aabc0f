"""The last hour as whole minutes: means, and holes where nothing came."""

from hypothesis import given
from hypothesis import strategies as st

from rollcall.dashboard.trend import MINUTES, Trend

HOUR = 1_767_225_600.0


def test_a_minute_is_shown_once_it_is_over() -> None:
    trend = Trend()
    assert not trend.take(10, HOUR)
    assert not trend.take(30, HOUR + 30)
    assert trend.points(HOUR + 59) == []
    assert trend.take(50, HOUR + 60)
    assert trend.points(HOUR + 60) == [20]


def test_a_minute_without_a_report_stays_empty() -> None:
    trend = Trend()
    trend.take(10, HOUR)
    trend.take(20, HOUR + 120)
    trend.settle(HOUR + 180)
    assert trend.points(HOUR + 180) == [10, None, 20]


def test_a_minute_ends_without_a_further_report_too() -> None:
    trend = Trend()
    trend.take(10, HOUR)
    assert not trend.settle(HOUR + 59)
    assert trend.settle(HOUR + 60)
    assert not trend.settle(HOUR + 61)


def test_what_was_recorded_before_fills_what_was_not_heard() -> None:
    trend = Trend()
    minute = int(HOUR // 60)
    trend.take(10, HOUR)
    trend.take(30, HOUR + 60)
    trend.seed({minute - 2: 40.0, minute: 99.0, minute + 1: 99.0})
    assert trend.points(HOUR + 60) == [40, None, 10]
    trend.settle(HOUR + 120)
    assert trend.points(HOUR + 120) == [40, None, 10, 30]


@given(st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 100))))
def test_no_mean_leaves_the_range_of_what_came_and_the_memory_is_bounded(
    taken: list[tuple[int, float]],
) -> None:
    trend = Trend()
    for second, value in sorted(taken):
        trend.take(value, HOUR + second)
    points = trend.points(HOUR + 20_060)
    assert len(points) <= MINUTES
    assert len(trend.means) <= MINUTES + 1
    known = [point for point in points if point is not None]
    assert all(
        min(value for _, value in taken) - 0.5 <= point <= max(value for _, value in taken) + 0.5
        for point in known
    )
