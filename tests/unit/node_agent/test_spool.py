"""The spool on a real SQLite file."""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.messages import Receipt
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spool_file import SpoolError
from rollcall.node_agent.spooled import Bounds, Identity, Item, Memory, Renewal, Taken

AMPLE = 10**12
DAY_MS = 86_400_000


def at(seconds: float, boot: str = "boot-1") -> Taken:
    return Taken(boot, round(seconds * 1000), 1_767_225_600_000 + round(seconds * 1000))


def items(count: int, size: int = 20) -> list[Item]:
    return [Item("cpu", f'{{"n":"{"x" * size}"}}') for _ in range(count)]


def take(spool: Spool, count: int, now: Taken | None = None, size: int = 20) -> list[int]:
    with spool.transaction():
        return [stored.seq for stored in spool.take(items(count, size), now or at(0))]


def settle(spool: Spool, through: int, *missing: tuple[int, int], epoch: str = "") -> bool:
    receipt = Receipt(
        database="db-1", epoch=epoch or spool.epoch, through=through, missing=list(missing)
    )
    with spool.transaction():
        return spool.settle(receipt)


def held(spool: Spool) -> list[int]:
    return [stored.seq for stored in spool.waiting(10**9, [], 10**6)]


def unclean(path: Path) -> None:
    """Make a closed file look as if its process had ended with the power."""
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO meta SELECT 'open', ifnull(max(boot), '') FROM report")
    db.close()


def brought_into_the_file(path: Path) -> int:
    """Give the newest number that does not stand in the WAL alone."""
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'report'").fetchone()
        found = db.execute("SELECT max(seq) FROM report").fetchone()[0] if made else None
    db.close()
    return found or 0


def fill_disk(spool: Spool) -> None:
    (pages,) = spool._db.execute("PRAGMA page_count").fetchone()
    spool._db.execute(f"PRAGMA max_page_count = {pages}")


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


def test_a_file_that_is_no_database_is_set_aside_and_one_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "spool.db.damaged"
    for content in (b"rubbish" * 1000, b"other rubbish" * 1000):
        (tmp_path / "spool.db").write_bytes(content)
        with Spool(tmp_path) as spool:
            assert take(spool, 1) == [1]
        assert kept.read_bytes() == content
        assert "begun anew" in caplog.text


def test_a_spool_damaged_inside_is_found_after_an_unclean_end(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        take(spool, 2000, size=200)
        epoch = spool.epoch
    path = tmp_path / "spool.db"
    unclean(path)
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 60 * 4096] = b"\xff" * (40 * 4096)
    path.write_bytes(content)
    with Spool(tmp_path) as spool:
        assert spool.epoch != epoch
        assert take(spool, 1) == [1]


def test_a_spool_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SpoolError, match="99"):
        Spool(tmp_path).__enter__()
    assert not (tmp_path / "spool.db.damaged").exists()


def test_a_disk_that_refuses_is_a_spool_error_and_takes_no_number(spool: Spool) -> None:
    take(spool, 1)
    spool._db.execute("PRAGMA query_only = ON")
    with pytest.raises(SpoolError, match="cannot be written"):
        take(spool, 1)
    spool._db.execute("PRAGMA query_only = OFF")
    assert take(spool, 1) == [2]


WRITER = """
import sys
from pathlib import Path
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Item, Taken
with Spool(Path(sys.argv[1])) as spool:
    spool.next_session()
    while True:
        with spool.transaction():
            stored = spool.take([Item("cpu", "{}")] * 7, Taken("boot", 0, 0))
        print(stored[-1].seq, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_it_has_committed(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told += [int(next(writer.stdout)) for _ in range(30)]
            writer.send_signal(signal.SIGKILL)
    with Spool(tmp_path) as spool:
        assert held(spool) == list(range(1, spool.last_seq + 1))
        assert spool.last_seq >= told[-1]
        assert told == sorted(set(told))
        assert spool.next_session() == 3


# Power


def test_after_a_power_cut_no_number_is_given_twice_and_the_void_is_told(tmp_path: Path) -> None:
    with Spool(tmp_path, boot="boot-1") as spool:
        take(spool, 5)
        epoch = spool.epoch
    unclean(spool.path)
    with Spool(tmp_path, boot="boot-2") as spool:
        assert spool.epoch == epoch
        assert take(spool, 1) == [10_006]
        assert held(spool) == [1, 2, 3, 4, 5, 10_006]
        assert spool.evicted() == [(6, 10_005, "power_cut")]
        settle(spool, 10_006)
        assert spool.evicted() == []


def test_a_power_cut_before_the_first_report_leaves_a_void_too(tmp_path: Path) -> None:
    with Spool(tmp_path, boot="boot-1"):
        pass
    with sqlite3.connect(tmp_path / "spool.db") as db:
        db.execute("INSERT INTO meta VALUES ('open', 'boot-1')")
    db.close()
    with Spool(tmp_path, boot="boot-2") as spool:
        assert take(spool, 1) == [10_001]


@pytest.mark.parametrize(
    ("boot", "clean"),
    [
        pytest.param("boot-1", False, id="killed, and started again in the same boot"),
        pytest.param("boot-2", True, id="closed in good order before the reboot"),
    ],
)
def test_what_is_no_power_cut_leaves_no_void(tmp_path: Path, boot: str, clean: bool) -> None:  # noqa: FBT001 - a column of the table
    with Spool(tmp_path, boot="boot-1") as spool:
        take(spool, 5)
    if not clean:
        unclean(spool.path)
    with Spool(tmp_path, boot=boot) as spool:
        assert take(spool, 1) == [6]
        assert spool.evicted() == []


def test_the_mark_of_a_clean_end_is_gone_on_disk_as_soon_as_the_spool_is_open(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path, boot="boot-1") as spool:
        take(spool, 5)
    with Spool(tmp_path, boot="boot-2") as spool:
        # A power cut keeps at least what the start has synced: the WAL as it is now.
        copy = tmp_path / "after"
        copy.mkdir()
        for name in ("spool.db", "spool.db-wal"):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
        take(spool, 3)
    with Spool(copy, boot="boot-3") as spool:
        assert take(spool, 1) == [10_006]


def test_the_disk_is_synced_before_so_many_numbers_are_taken_that_a_void_could_not_hold_them(
    tmp_path: Path,
) -> None:
    synced = 0
    with Spool(tmp_path, boot="boot-1") as spool:
        for _ in range(24):
            take(spool, 500, size=1)
            spool.checkpoint()
            synced = max(synced, brought_into_the_file(spool.path))
            assert spool.last_seq - synced < 10_000
    assert synced >= 9_000


def test_a_checkpoint_that_a_reader_held_up_is_made_up_for(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        take(spool, 1)
        with sqlite3.connect(spool.path, isolation_level=None) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM report").fetchone()
            take(spool, 9500, size=1)
            spool.checkpoint()
            reader.execute("COMMIT")
        reader.close()
        assert brought_into_the_file(spool.path) < 9500
        spool.checkpoint()
        assert brought_into_the_file(spool.path) == 9501


# Another machine


HERE = Identity("machine-a", frozenset({"mac-1", "mac-2"}))


@pytest.mark.parametrize(
    ("identity", "copied"),
    [
        pytest.param(HERE, False, id="the same machine"),
        pytest.param(Identity("machine-b", HERE.boards), True, id="reinstalled"),
        pytest.param(Identity("machine-a", frozenset({"mac-9"})), True, id="the disk of another"),
        pytest.param(Identity("machine-a", frozenset({"mac-2"})), False, id="a card taken out"),
        pytest.param(Identity("", frozenset()), False, id="a machine that tells nothing"),
    ],
)
def test_a_copied_disk_gets_a_new_epoch_and_loses_nothing(
    tmp_path: Path,
    identity: Identity,
    copied: bool,  # noqa: FBT001 - a column of the table
) -> None:
    with Spool(tmp_path, identity=HERE) as spool:
        take(spool, 4)
        settle(spool, 2)
        epoch = spool.epoch
    with Spool(tmp_path, identity=identity) as spool:
        assert (spool.epoch != epoch) == copied
        assert held(spool) == ([1, 2] if copied else [3, 4])
        assert spool.renewals == ([Renewal("copied", epoch)] if copied else [])


def test_a_spool_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        take(spool, 3)
        epoch = spool.epoch
    with sqlite3.connect(spool.path) as db:
        db.execute("DROP TABLE boots")
        db.execute("ALTER TABLE report DROP COLUMN synced")
        db.execute("INSERT INTO meta VALUES ('closed', '1')")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with Spool(tmp_path) as spool:
        assert spool.epoch == epoch
        assert held(spool) == [1, 2, 3]
        assert take(spool, 1) == [4]


# A disk that refuses


def test_a_full_disk_is_a_spool_error_and_memory_takes_its_place_until_it_heals(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path, boot="boot-1") as spool:
        take(spool, 3)
        epoch, session = spool.epoch, spool.next_session()
        fill_disk(spool)
        with pytest.raises(SpoolError, match="full") as refused:
            take(spool, 1000)
        spool.fall_back(refused.value)
        assert spool.epoch != epoch
        assert take(spool, 2, at(7)) == [1, 2]
        memory = spool.epoch
        assert spool.heal()
        assert (spool.epoch, spool.last_seq) == (epoch, 5)
        assert held(spool) == [1, 2, 3, 4, 5]
        assert spool.renewals == [Renewal("refused", epoch), Renewal("healed", memory)]
        assert spool.next_session() == session + 1
    with Spool(tmp_path, boot="boot-1") as spool:
        assert held(spool) == [1, 2, 3, 4, 5]


def test_what_memory_has_learnt_of_the_clock_comes_to_disk_too(tmp_path: Path) -> None:
    with Spool(tmp_path, boot="boot-1") as spool:
        spool.fall_back(SpoolError("the disk is full"))
        with spool.transaction():
            spool.take([Item("cpu", '{"time":3}')], Taken("boot-1", 5000, 3000, synced=False))
            spool.note_offset("boot-1", 1_767_225_600_000)
        assert spool.heal()
    with Spool(tmp_path, boot="boot-2") as spool:
        (stored,) = spool.waiting(10, [], 10)
        assert spool.content(stored)["time"] == 1_767_225_605.0


def test_a_folder_that_cannot_be_made_is_no_reason_not_to_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("in the way")
    with Spool(tmp_path / "state") as spool:
        assert spool.in_memory
        assert "going on in memory" in caplog.text
        assert spool.renewals == [Renewal("refused", None)]
        assert [spool.next_session() for _ in range(3)] == [1, 2, 3]
        assert take(spool, 2) == [1, 2]
        assert not spool.heal()
        assert held(spool) == [1, 2]
        (tmp_path / "state").unlink()
        assert spool.heal()
        assert spool.next_session() == 4
    with Spool(tmp_path / "state") as spool:
        assert held(spool) == [1, 2]


def test_a_spool_in_memory_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with Spool(tmp_path / "state") as spool:
        take(spool, 12_000, size=1000)
        with spool.transaction():
            assert spool.evict(at(1), spool.free_bytes()) > 0
        assert spool.size(at(1)).size_bytes <= 8 * 1024 * 1024


def test_a_file_that_breaks_while_it_is_used_is_set_aside_when_it_heals(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        take(spool, 2000, size=200)
        fill_disk(spool)
        spool.fall_back(SpoolError("it broke"))
        take(spool, 3)
        content = bytearray(spool.path.read_bytes())
        content[20 * 4096 : 60 * 4096] = b"\xff" * (40 * 4096)
        spool.path.write_bytes(content)
        assert spool.heal()
        assert held(spool) == [1, 2, 3]
        assert (tmp_path / "spool.db.damaged").exists()


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
