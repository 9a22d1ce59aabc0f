"""Slots: aligned, drift-free, never in bursts."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.node_agent.schedule import Due, Moment, Schedule, phase_ms

PHASE_MS = 123
WALL_MS = 1_767_225_600_000


class Clocks:
    """Both clocks of a host; the wall clock may be stepped."""

    def __init__(self) -> None:
        self.boottime_ms = 50_000
        self.offset_ms = WALL_MS - self.boottime_ms

    @property
    def now(self) -> Moment:
        return Moment(self.boottime_ms + self.offset_ms, self.boottime_ms)

    def pass_ms(self, milliseconds: int) -> Moment:
        self.boottime_ms += milliseconds
        return self.now


def started(intervals: Mapping[str, int], clocks: Clocks) -> Schedule:
    return Schedule(intervals, PHASE_MS, clocks.now)


def first_done(intervals: Mapping[str, int], clocks: Clocks) -> Schedule:
    schedule = started(intervals, clocks)
    schedule.due(clocks.pass_ms(1000))
    return schedule


def sleep_until_due(schedule: Schedule, clocks: Clocks) -> list[Due]:
    return schedule.due(clocks.pass_ms(round(schedule.wait_s(clocks.now) * 1000)))


def test_the_phase_is_the_nodes_own_and_below_a_second() -> None:
    assert phase_ms("pi-3") == phase_ms("pi-3")
    assert len({phase_ms(f"pi-{n}") for n in range(50)}) > 40
    assert all(0 <= phase_ms(f"pi-{n}") < 1000 for n in range(50))


def test_the_first_run_comes_one_second_after_the_start_with_the_time_it_is_made() -> None:
    clocks = Clocks()
    schedule = started({"cpu": 10}, clocks)
    assert schedule.wait_s(clocks.now) == 1.0
    assert schedule.due(clocks.now) == []
    assert sleep_until_due(schedule, clocks) == [Due("cpu", WALL_MS + 1000, 10, 0)]


def test_later_runs_carry_the_time_of_their_slot_however_late_the_wake_up() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    times = []
    for _ in range(5):
        wait_ms = round(schedule.wait_s(clocks.now) * 1000)
        times += [due.time_ms for due in schedule.due(clocks.pass_ms(wait_ms + 300))]
    assert times == [WALL_MS + PHASE_MS + 10_000 * n for n in range(1, 6)]


def test_all_collectors_of_a_node_share_their_slots() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10, "disk": 60, "load": 10}, clocks)
    together = [sleep_until_due(schedule, clocks) for _ in range(6)]
    assert [len(dues) for dues in together] == [2, 2, 2, 2, 2, 3]


def test_what_comes_late_runs_once_with_its_own_time_and_counts_what_was_missed() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    sleep_until_due(schedule, clocks)
    late = clocks.pass_ms(34_000)
    assert schedule.due(late) == [Due("cpu", late.wall_ms, 10, 2)]
    assert schedule.due(late) == []


def test_a_host_that_slept_for_eight_hours_runs_once() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    sleep_until_due(schedule, clocks)
    (due,) = schedule.due(clocks.pass_ms(8 * 3600 * 1000))
    assert due.missed == 8 * 360 - 1


def test_a_slot_soon_after_a_late_run_is_left_out() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    sleep_until_due(schedule, clocks)
    schedule.due(clocks.pass_ms(17_000))
    assert schedule.wait_s(clocks.now) == 13.0


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 777, -777], ids=str)
def test_a_step_of_the_clock_rebuilds_the_grid(step_ms: int) -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    sleep_until_due(schedule, clocks)
    clocks.pass_ms(9_000)
    clocks.offset_ms += step_ms
    due = schedule.due(clocks.now) or sleep_until_due(schedule, clocks)
    assert (due[0].time_ms - PHASE_MS) % 10_000 == 0
    assert abs(due[0].time_ms - clocks.now.wall_ms) < 100


def test_a_wall_clock_that_is_slewed_a_little_moves_nothing() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    before_s = schedule.wait_s(clocks.now)
    clocks.offset_ms += 400
    assert schedule.due(clocks.now) == []
    assert schedule.wait_s(clocks.now) == before_s


def test_another_interval_holds_from_the_last_run_on() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    schedule.change("cpu", 60)
    assert schedule.intervals == {"cpu": 60}
    (due,) = sleep_until_due(schedule, clocks)
    assert due.time_ms == WALL_MS + PHASE_MS + 60_000


@given(interval_s=st.integers(1, 600), pauses_ms=st.lists(st.integers(0, 2_000_000), max_size=60))
def test_no_slot_ever_runs_twice(interval_s: int, pauses_ms: list[int]) -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": interval_s}, clocks)
    times = [due.time_ms for pause in pauses_ms for due in schedule.due(clocks.pass_ms(pause))]
    slots = [(time - PHASE_MS) // (interval_s * 1000) for time in times]
    assert slots == sorted(set(slots))


@given(
    interval_s=st.integers(1, 600),
    turns=st.lists(
        st.tuples(st.integers(0, 1_000_000), st.integers(-5_000_000, 5_000_000)), max_size=60
    ),
)
def test_two_runs_are_never_closer_than_half_an_interval_whatever_the_clock_does(
    interval_s: int, turns: list[tuple[int, int]]
) -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": interval_s}, clocks)
    last_run_ms = clocks.boottime_ms
    for pause_ms, step_ms in turns:
        clocks.offset_ms += step_ms
        for _ in schedule.due(clocks.pass_ms(pause_ms)):
            assert clocks.boottime_ms - last_run_ms >= interval_s * 500
            last_run_ms = clocks.boottime_ms
    assert schedule.wait_s(clocks.now) <= 1.5 * interval_s + 1


@given(interval_s=st.integers(1, 600), latenesses=st.lists(st.integers(0, 1000), max_size=40))
def test_waking_up_a_little_late_never_adds_up(interval_s: int, latenesses: list[int]) -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": interval_s}, clocks)
    for lateness_ms in latenesses:
        wait_ms = round(schedule.wait_s(clocks.now) * 1000)
        late_ms = min(lateness_ms, interval_s * 400)
        (due,) = schedule.due(clocks.pass_ms(wait_ms + late_ms))
        assert due.missed == 0
        assert (due.time_ms - PHASE_MS) % (interval_s * 1000) == 0


def sampled(clocks: Clocks, sample_s: float = 1) -> Schedule:
    schedule = first_done({"cpu": 10, "load": 10}, clocks)
    schedule.change("cpu", 10, sample_s)
    return schedule


def wake(schedule: Schedule, clocks: Clocks, late_ms: int = 0) -> tuple[list[str], list[Due]]:
    now = clocks.pass_ms(round(schedule.wait_s(clocks.now) * 1000) + late_ms)
    return schedule.samples(now), schedule.due(now)


def test_between_reports_lie_samples_on_the_grid_however_late_the_wake_ups() -> None:
    clocks = Clocks()
    schedule = sampled(clocks)
    sleep_until_due(schedule, clocks)
    while not wake(schedule, clocks)[1]:
        pass
    at_ms = []
    for _ in range(20):
        samples, dues = wake(schedule, clocks, late_ms=40)
        at_ms.append(clocks.now.wall_ms)
        assert samples == ([] if dues else ["cpu"])
    assert [(ms - PHASE_MS - 40) % 1000 for ms in at_ms] == [0] * 20
    assert at_ms[-1] - at_ms[0] == 19_000


def test_samples_that_were_missed_are_not_made_up() -> None:
    clocks = Clocks()
    schedule = sampled(clocks)
    wake(schedule, clocks)
    clocks.pass_ms(4_200)
    assert schedule.samples(clocks.now) == ["cpu"]
    assert schedule.samples(clocks.now) == []


def test_samples_go_on_after_a_step_of_the_clock() -> None:
    clocks = Clocks()
    schedule = sampled(clocks)
    wake(schedule, clocks)
    clocks.offset_ms -= 3_600_000
    schedule.samples(clocks.now)
    assert schedule.wait_s(clocks.now) <= 1.5


def test_a_sample_time_is_taken_back() -> None:
    clocks = Clocks()
    schedule = sampled(clocks)
    schedule.change("cpu", 10)
    assert schedule.samples(clocks.pass_ms(3_000)) == []


def test_a_collector_comes_and_goes_while_others_run() -> None:
    clocks = Clocks()
    schedule = first_done({"cpu": 10}, clocks)
    schedule.add("disk", 60, clocks.now)
    assert [due.collector for due in sleep_until_due(schedule, clocks)] == ["disk"]
    schedule.drop("disk")
    assert schedule.intervals == {"cpu": 10}
    schedule.drop("cpu")
    assert schedule.wait_s(clocks.now) == float("inf")


@given(pauses_ms=st.lists(st.integers(0, 3_000), max_size=60), sample_ms=st.integers(500, 5_000))
def test_two_samples_are_never_closer_than_half_their_time(
    pauses_ms: list[int], sample_ms: int
) -> None:
    clocks = Clocks()
    schedule = sampled(clocks, sample_ms / 1000)
    before_ms = -sample_ms
    for pause_ms in pauses_ms:
        now = clocks.pass_ms(pause_ms)
        read = [*schedule.samples(now), *(due.collector for due in schedule.due(now))]
        if "cpu" in read:
            assert read.count("cpu") == 1
            assert now.boottime_ms - before_ms >= sample_ms // 2
            before_ms = now.boottime_ms
