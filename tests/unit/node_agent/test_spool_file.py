"""The spool's file: killed, cut off from power, copied, damaged, refused by its disk."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spool_file import SpoolError
from rollcall.node_agent.spooled import Identity, Item, Renewal, Taken
from tests.support.spools import (
    at,
    brought_into_the_file,
    fill_disk,
    held,
    settle,
    take,
    unclean,
)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path) as opened:
        yield opened


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
    ("identity", "reason"),
    [
        pytest.param(HERE, None, id="the same machine"),
        pytest.param(Identity("machine-b", HERE.boards), "reinstalled", id="reinstalled"),
        pytest.param(Identity("machine-b", frozenset()), "copied", id="another that has no board"),
        pytest.param(
            Identity("machine-a", frozenset({"mac-9"})), "copied", id="the disk of another"
        ),
        pytest.param(Identity("machine-a", frozenset({"mac-2"})), None, id="a card taken out"),
        pytest.param(Identity("", frozenset()), None, id="a machine that tells nothing"),
    ],
)
def test_a_copied_disk_gets_a_new_epoch_and_loses_nothing(
    tmp_path: Path, identity: Identity, reason: str | None
) -> None:
    with Spool(tmp_path, identity=HERE) as spool:
        take(spool, 4)
        settle(spool, 2)
        epoch = spool.epoch
    with Spool(tmp_path, identity=identity) as spool:
        assert (spool.epoch != epoch) == (reason is not None)
        assert held(spool) == ([1, 2] if reason else [3, 4])
        # The numbers of a copy are still the original's to answer for.
        forsaken = ((3, 4),) if reason == "reinstalled" else ()
        assert spool.renewals == ([Renewal(reason, epoch, forsaken)] if reason else [])


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
        assert spool.renewals == [Renewal("refused", epoch), Renewal("healed", memory, ((1, 2),))]
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
