"""What the spool makes of clocks that were wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Item, Taken
from tests.support.spools import AMPLE, DAY_MS, held, take


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path) as opened:
        yield opened


# Clocks that were wrong


def test_what_was_taken_before_the_clock_was_right_is_set_right_when_it_is_sent(
    spool: Spool,
) -> None:
    body = '{"time":12.5,"clock":"unsynchronized"}'
    with spool.transaction():
        (stored,) = spool.take([Item("cpu", body)], Taken("boot-1", 60_000, 12_500, synced=False))
    assert spool.content(stored) == {"seq": 1, "time": 12.5, "clock": "unsynchronized"}
    with spool.transaction():
        spool.note_offset("boot-1", 1_767_225_600_000)
    assert spool.content(stored) == {"seq": 1, "time": 1_767_225_660.0}
    assert spool.waiting(10, [], 10) == [stored]


def test_what_another_boot_took_is_set_right_by_its_own_offset_alone(tmp_path: Path) -> None:
    with Spool(tmp_path, boot="boot-1") as spool:
        for boot in ("boot-0", "boot-1"):
            with spool.transaction():
                spool.take([Item("cpu", '{"time":3}')], Taken(boot, 5000, 3000, synced=False))
        with spool.transaction():
            spool.note_offset("boot-1", 1_767_225_600_000)
    with Spool(tmp_path, boot="boot-2") as spool:
        times = [spool.content(stored)["time"] for stored in spool.waiting(10, [], 10)]
    assert times == [3, 1_767_225_605.0]


NOW_MS = 1_767_225_600_000 + 15 * DAY_MS


@pytest.mark.parametrize(
    ("taken", "now", "evicted"),
    [
        pytest.param(
            Taken("boot-0", 0, 0, synced=False), Taken("boot-1", 0, NOW_MS), 0, id="taken in 1970"
        ),
        pytest.param(
            Taken("boot-0", 0, NOW_MS - DAY_MS),
            Taken("boot-1", 0, 0, synced=False),
            0,
            id="now 1970",
        ),
        pytest.param(
            Taken("boot-0", 0, NOW_MS - DAY_MS),
            Taken("boot-1", 0, 4_070_908_800_000, synced=False),
            0,
            id="now 2099",
        ),
        pytest.param(
            Taken("boot-0", 0, 4_070_908_800_000, synced=False),
            Taken("boot-1", 0, NOW_MS),
            0,
            id="taken in 2099",
        ),
        pytest.param(
            Taken("boot-0", 0, NOW_MS - 15 * DAY_MS), Taken("boot-1", 0, NOW_MS), 1, id="both right"
        ),
    ],
)
def test_a_wrong_clock_makes_nothing_old(
    spool: Spool, taken: Taken, now: Taken, evicted: int
) -> None:
    take(spool, 1, taken)
    with spool.transaction():
        assert spool.evict(now, AMPLE) == evicted


def test_what_was_taken_before_something_old_is_old_too(spool: Spool) -> None:
    take(spool, 2, Taken("boot-0", 0, 0, synced=False))
    take(spool, 1, Taken("boot-0", 0, NOW_MS - 15 * DAY_MS))
    take(spool, 1, Taken("boot-1", 0, NOW_MS))
    with spool.transaction():
        assert spool.evict(Taken("boot-1", 0, NOW_MS), AMPLE) == 3
    assert held(spool) == [4]
