"""Watching the clock."""

from rollcall.node_agent.clock import ClockWatch, Seen
from rollcall.node_agent.schedule import Moment

NOW_MS = 1_767_300_000_000


def test_a_step_is_told_once_and_slewing_is_none() -> None:
    watch = ClockWatch()
    assert watch.look(Moment(NOW_MS, 1000), synchronized=True) == Seen(None, NOW_MS - 1000)
    for second in range(1, 5000):
        now = Moment(NOW_MS + 1001 * second, 1000 + 1000 * second)
        assert watch.look(now, synchronized=True) == Seen(None, None)
    stepped = Moment(now.wall_ms - 60_000, now.boottime_ms)
    assert watch.look(stepped, synchronized=True).step_s == -60.0
    assert watch.look(stepped, synchronized=True) == Seen(None, None)


def test_a_suspend_is_no_step() -> None:
    watch = ClockWatch()
    watch.look(Moment(NOW_MS, 1000), synchronized=True)
    eight_hours_ms = 8 * 3_600_000
    woken = Moment(NOW_MS + eight_hours_ms, 1000 + eight_hours_ms)
    assert watch.look(woken, synchronized=True) == Seen(None, None)


def test_the_offset_is_news_when_the_clock_becomes_right_stepped_or_not() -> None:
    watch = ClockWatch()
    assert watch.look(Moment(1000, 1000), synchronized=False) == Seen(None, None)
    assert watch.look(Moment(1100, 1000), synchronized=True) == Seen(None, 100)
    assert watch.look(Moment(1100, 1000), synchronized=False) == Seen(None, None)
    assert watch.look(Moment(9000, 1000), synchronized=False) == Seen(7.9, None)
    assert watch.look(Moment(9000, 1000), synchronized=True) == Seen(None, 8000)
