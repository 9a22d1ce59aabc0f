"""The spool on a real SQLite file."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.messages import Receipt
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Bounds, Item, Memory, Taken
from tests.support.spools import AMPLE, at, held, items, settle, take


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path) as opened:
        yield opened


def test_numbers_run_from_one_without_holes(spool: Spool) -> None:
    assert take(spool, 3) + take(spool, 2) == [1, 2, 3, 4, 5]
    assert spool.last_seq == 5


def test_a_transaction_that_fails_takes_no_number(spool: Spool) -> None:
    take(spool, 2)

    def fail_halfway() -> None:
        with spool.transaction():
            spool.take(items(5), at(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert spool.last_seq == 2
    assert take(spool, 1) == [3]


def test_what_is_taken_comes_back_as_it_was(spool: Spool) -> None:
    event = Item("reboot", '{"detail":{}}', is_event=True)
    with spool.transaction():
        (stored,) = spool.take([event], at(0))
    assert spool.waiting(10, [], 10) == [stored]
    assert stored.item == event


def test_a_restart_keeps_epoch_reports_and_the_next_number(tmp_path: Path) -> None:
    with Spool(tmp_path) as before:
        take(before, 3)
        settle(before, 3)
    with Spool(tmp_path) as after:
        assert after.epoch == before.epoch
        assert take(after, 1) == [4]


def test_every_session_has_a_higher_number_also_on_another_thread(tmp_path: Path) -> None:
    sessions: list[int] = []
    with Spool(tmp_path) as spool:
        sessions.append(spool.next_session())
        thread = threading.Thread(target=lambda: sessions.append(spool.next_session()))
        thread.start()
        thread.join()
    with Spool(tmp_path) as spool:
        sessions.append(spool.next_session())
    assert sessions == [1, 2, 3]


def test_a_session_can_be_counted_while_a_report_is_being_taken(spool: Spool) -> None:
    # The writer's lock is held for milliseconds; the counter waits for it.
    sessions: list[int] = []
    with spool.transaction():
        spool.take(items(1), at(0))
        thread = threading.Thread(target=lambda: sessions.append(spool.next_session()))
        thread.start()
    thread.join()
    assert sessions == [1]


def test_a_receipt_deletes_what_it_covers_and_keeps_what_it_misses(spool: Spool) -> None:
    take(spool, 10)
    assert settle(spool, 8, (3, 4))
    assert held(spool) == [3, 4, 9, 10]
    assert spool.evicted() == []


def test_a_receipt_of_another_epoch_is_ignored(spool: Spool) -> None:
    take(spool, 3)
    assert not settle(spool, 3, epoch="0" * 16)
    assert held(spool) == [1, 2, 3]


def test_numbers_asked_for_and_no_longer_held_are_told_forgotten_until_passed(
    spool: Spool,
) -> None:
    take(spool, 10)
    settle(spool, 9)
    settle(spool, 9, (2, 5))
    assert spool.evicted() == [(2, 5, "forgotten")]
    settle(spool, 9, (2, 3))
    assert spool.evicted() == [(2, 5, "forgotten")]
    settle(spool, 10)
    assert spool.evicted() == []


def test_a_new_database_gets_what_is_left_and_hears_what_is_not(spool: Spool) -> None:
    take(spool, 6)
    settle(spool, 4)
    new = Receipt(database="db-2", epoch=spool.epoch, through=6, missing=[(1, 6)])
    with spool.transaction():
        spool.settle(new)
    assert held(spool) == [5, 6]
    assert spool.evicted() == [(1, 4, "forgotten")]


def test_a_receipt_beyond_our_last_number_begins_a_new_epoch_and_loses_nothing(
    spool: Spool,
) -> None:
    take(spool, 6)
    settle(spool, 4, (2, 2))
    epoch = spool.epoch
    settle(spool, 500)
    assert spool.epoch != epoch
    assert held(spool) == [1, 2, 3]
    assert take(spool, 1) == [4]


def test_what_is_under_way_is_not_given_again(spool: Spool) -> None:
    take(spool, 10)
    assert [stored.seq for stored in spool.waiting(9, [(1, 3), (5, 6)], 3)] == [4, 7, 8]
    assert spool.holds_any((10, 20))
    assert not spool.holds_any((11, 20))


def test_what_was_taken_long_ago_or_in_another_boot_is_old(spool: Spool) -> None:
    take(spool, 2, at(9_000, "boot-0"))
    assert spool.last_taken_before("boot-1", 0) == 2
    take(spool, 2, at(5))
    take(spool, 2, at(50))
    assert spool.last_taken_before("boot-1", 20_000) == 4
    assert spool.last_taken_before("boot-1", 60_000) == 6


def test_what_is_too_old_is_evicted_and_told(spool: Spool) -> None:
    take(spool, 3, at(0))
    take(spool, 2, at(20))
    with spool.transaction():
        assert spool.evict(at(14 * 86_400 + 10), AMPLE) == 3
    assert held(spool) == [4, 5]
    assert spool.evicted() == [(1, 3, "age")]


def test_a_clock_that_is_set_right_does_not_make_what_this_boot_took_old(spool: Spool) -> None:
    take(spool, 3, Taken("boot-1", 1000, 0))
    with spool.transaction():
        assert spool.evict(Taken("boot-1", 61_000, 1_767_225_600_000), AMPLE) == 0
    assert held(spool) == [1, 2, 3]


def test_a_spool_that_grows_too_large_evicts_the_oldest_and_tells_it(tmp_path: Path) -> None:
    with Spool(tmp_path, Bounds(size_bytes=600_000)) as spool:
        take(spool, 3000, size=500)
        with spool.transaction():
            count = spool.evict(at(1), AMPLE)
        assert 1900 <= count < 2300
        assert held(spool) == list(range(count + 1, 3001))
        assert spool.evicted() == [(1, count, "size")]
        assert spool.size(at(1)).size_bytes <= 600_000


def test_a_spool_takes_no_more_than_its_share_of_a_disk_that_is_nearly_full() -> None:
    assert Bounds().allowed_bytes(0, AMPLE) == 256 * 1024**2
    assert Bounds().allowed_bytes(0, 100 * 1024**2) == 10 * 1024**2
    assert Bounds().allowed_bytes(0, 0) == 512 * 1024


def test_the_size_tells_how_much_waits_and_how_long(spool: Spool) -> None:
    assert spool.size(at(0)).oldest_s is None
    take(spool, 2, at(10))
    size = spool.size(at(25))
    assert (size.reports, size.oldest_s) == (2, 15.0)
    assert size.size_bytes > 0


def test_the_last_boot_is_remembered(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        assert spool.recalled(Memory.BOOT) is None
        with spool.transaction():
            spool.remember(Memory.BOOT, "boot-1")
    with Spool(tmp_path) as spool:
        assert spool.recalled(Memory.BOOT) == "boot-1"
