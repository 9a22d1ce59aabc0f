"""Health: rates of the last minute, and how long the disk lasts."""

from rollcall.recorder.health import Growth, Health, Space
from rollcall.recorder.transaction import Stored

DAY_S = 86_400.0
GIB = 1024**3


def test_rates_are_those_of_the_last_minute() -> None:
    health = Health()
    for second in range(1000, 1601):
        if second < 1540:
            health.stored(Stored(reports=100, samples=500), at_s=second)
        health.look(second, Space)
    assert health.snapshot()["reports_per_second"] == 0
    health.stored(Stored(reports=120, samples=600), at_s=1601)
    health.look(1601, Space)
    told = health.snapshot()
    assert (told["reports_per_second"], told["samples_per_second"]) == (2, 10)
    assert (told["reports"], told["last_commit"]) == (54_120, 1601)


def test_the_space_is_asked_for_twice_a_minute() -> None:
    asked = []
    health = Health()

    def space() -> Space:
        asked.append(1)
        return Space(5, 7)

    for second in range(60):
        health.look(1000 + second, space)
    assert len(asked) == 2
    assert (health.snapshot()["database_bytes"], health.snapshot()["free_bytes"]) == (5, 7)


def test_how_long_the_disk_lasts_is_said_after_an_hour() -> None:
    growth = Growth()
    assert growth.days_until_full(GIB) is None
    for minute in range(60):
        growth.measured(60.0 * minute, minute * 1_000_000)
        assert growth.days_until_full(GIB) is None
    growth.measured(3600.0, GIB // 24)
    assert growth.days_until_full(3 * GIB) is not None
    assert round(growth.days_until_full(3 * GIB) or 0, 2) == 3


def test_a_database_that_does_not_grow_has_no_such_day() -> None:
    growth = Growth()
    growth.measured(0, 500)
    growth.measured(DAY_S, 500)
    assert growth.days_until_full(GIB) is None


def test_growth_is_that_of_the_last_two_days() -> None:
    growth = Growth()
    for hour in range(200):
        growth.measured(3600.0 * hour, min(hour, 100) * GIB)
    assert growth.days_until_full(GIB) is None
