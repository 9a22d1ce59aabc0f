"""What is SQLite's own: one writer, locks, a full disk, damage, closing; and bad URLs."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.recorder.errors import (
    DatabaseBrokenError,
    DatabaseUnavailableError,
    RecorderError,
)
from rollcall.recorder.store import Store
from rollcall.service.config import ConfigError
from rollcall.service.lock import AlreadyRunningError
from tests.support.database import ask, filled, reading, receipt, url_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollcall.db"


def test_a_batch_that_fails_leaves_nothing_and_may_come_again(path: Path) -> None:
    with filled(path, [reading(1)]) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailableError) as caught:
                store.commit([reading(2)])
            assert caught.value.state == "locked"
        assert store.commit([reading(2)]).reports == 1
        assert receipt(store) == (2, [])


def test_a_full_disk_is_waited_for(path: Path) -> None:
    with filled(path, [reading(1)]) as store:
        assert store._engine is not None
        with closing(store._engine.raw_connection()) as raw:
            pages = raw.cursor().execute("PRAGMA page_count").fetchone()[0]
            raw.cursor().execute(f"PRAGMA max_page_count={pages}").close()
        many = [reading(seq) for seq in range(2, 2000)]
        with pytest.raises(DatabaseUnavailableError) as caught:
            store.commit(many)
        assert caught.value.state == "full"
        assert ask(path, "SELECT count(*), max(last_seq) FROM sample, ledger") == [(1, 1)]
        with closing(store._engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA max_page_count=100000").close()
        assert store.commit(many).reports == 1998
        assert receipt(store) == (1999, [])


def test_a_clean_stop_leaves_a_file_that_a_folder_without_write_permission_can_serve(
    path: Path,
) -> None:
    with filled(path, [reading(1)]):
        assert path.with_name("rollcall.db-wal").exists()
    assert [file.name for file in sorted(path.parent.iterdir())] == [
        "rollcall.db",
        "rollcall.db.lock",
    ]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # not in WAL mode


def test_a_database_has_one_recorder(path: Path) -> None:
    with Store(url_of(path)), pytest.raises(AlreadyRunningError, match="already running"):
        Store(url_of(path)).__enter__()


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE sample (a)")
    with pytest.raises(ConfigError, match="no database of Rollcall"):
        Store(url_of(path)).__enter__()
    assert ask(path, "SELECT name FROM sqlite_master") == [("sample",)]


def test_a_damaged_file_is_never_replaced(path: Path) -> None:
    path.write_bytes(b"this is no database, but somebody's only copy" * 100)
    with pytest.raises(DatabaseBrokenError, match="restore a backup"):
        Store(url_of(path)).__enter__()
    assert path.read_bytes().startswith(b"this is no database")


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecorderError, match="name another file"):
        Store(url_of(tmp_path / "file" / "rollcall.db")).__enter__()


URLS = [
    pytest.param("postgresql://me@host", "names no database", id="no database"),
    pytest.param("sqlite://", "names no file", id="in memory"),
    pytest.param("rollcall.db", "is no URL", id="a plain path"),
    pytest.param("mysql://me:s3cret@host/db", "'mysql' is not supported", id="mysql"),
]


@pytest.mark.parametrize(("url", "said"), URLS)
def test_a_database_that_we_do_not_have_is_a_fault_of_the_configuration(
    url: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Store(url)
    assert "s3cret" not in str(caught.value)
