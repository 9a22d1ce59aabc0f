"""The database stops, dies, fills up, is locked or becomes read-only: the recorder waits.

Nothing is acknowledged or receipted meanwhile, the status topic names the trouble, and afterwards
every report is there once.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.database import url_of
from tests.support.mqtt import BrokerUnderTest
from tests.support.postgresql import PostgresqlUnderTest
from tests.support.publisher import Publisher
from tests.support.recorder import RecorderProcess, check_that_each_number_is_there_once
from tests.support.waiting import wait_until

NODE = "pi-3"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlUnderTest]:
    """A PostgreSQL that these tests may break."""
    with PostgresqlUnderTest() as running:
        yield running


@pytest.fixture
def url(server: PostgresqlUnderTest) -> Iterator[str]:
    with server.databases() as new:
        yield new()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@contextmanager
def recording(
    opened: ExitStack, folder: Path, broker: BrokerUnderTest, url: str
) -> Iterator[tuple[RecorderProcess, Publisher]]:
    """A recorder at work on what a publisher sends; afterwards everything is there once."""
    recorder = opened.enter_context(RecorderProcess(folder, broker, url))
    with Publisher(broker.endpoint, NODE, per_s=100) as publisher:
        wait_until(lambda: recorder.ask("SELECT 1 FROM ledger"), what="the first commit")
        yield recorder, publisher
        publisher.pause()
        wait_until(lambda: publisher.unreceipted == 0, 40, what="every receipt")
        issued = publisher.issued
    assert recorder.stop() == 0
    check_that_each_number_is_there_once(url, issued)


def wait_for_word(recorder: RecorderProcess, word: str) -> None:
    wait_until(lambda: recorder.health().get("database") == word, 20, what=f"the word {word}")


def check_that_nothing_is_receipted(publisher: Publisher) -> None:
    issued = publisher.issued
    wait_until(lambda: publisher.issued > issued + 50)
    assert publisher.unreceipted > 50


def test_postgresql_that_is_stopped_is_waited_for(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
    url: str,
) -> None:
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        server.stop()
        try:
            wait_for_word(recorder, "unreachable")
            check_that_nothing_is_receipted(publisher)
        finally:
            server.start()
        wait_for_word(recorder, "ok")


def test_postgresql_that_is_killed_again_and_again_loses_nothing(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
    url: str,
) -> None:
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        for _ in range(3):
            stored = f"SELECT 1 FROM ledger WHERE last_seq > {publisher.issued + 20}"
            wait_until(lambda query=stored: recorder.ask(query), 30, what="more reports")  # type: ignore[misc]
            server.kill()
            server.start()


def test_a_recorder_that_starts_before_its_database_says_so_and_waits(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
    url: str,
) -> None:
    server.stop()
    try:
        recorder = opened.enter_context(RecorderProcess(tmp_path, broker, url))
        wait_for_word(recorder, "unreachable")
    finally:
        server.start()
    wait_for_word(recorder, "ok")
    wait_until(lambda: recorder.health().get("leads"), 20)
    assert recorder.stop() == 0


def test_postgresql_that_has_become_a_standby_is_waited_for(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
    url: str,
) -> None:
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        server.run("ALTER SYSTEM SET default_transaction_read_only = on")
        server.run("SELECT pg_reload_conf()")
        wait_for_word(recorder, "read_only")
        check_that_nothing_is_receipted(publisher)
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def test_a_table_that_somebody_locks_is_waited_for(
    opened: ExitStack, tmp_path: Path, broker: BrokerUnderTest, url: str
) -> None:
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        with psycopg.connect(url) as somebody:
            somebody.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
            wait_for_word(recorder, "locked")
            check_that_nothing_is_receipted(publisher)
        wait_for_word(recorder, "ok")


def test_a_recorder_that_cannot_do_its_work_ends_and_the_next_one_goes_on(
    opened: ExitStack, tmp_path: Path, broker: BrokerUnderTest, url: str
) -> None:
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        with psycopg.connect(url) as somebody:
            somebody.execute("ALTER TABLE newest RENAME TO something_else")
        assert recorder.ended() == 1
        assert "newest" in recorder.log.read_text("utf-8")
        check_that_nothing_is_receipted(publisher)
        with psycopg.connect(url) as somebody:
            somebody.execute("ALTER TABLE something_else RENAME TO newest")
        recorder.launch()
        wait_for_word(recorder, "ok")


def test_postgresql_without_fsync_is_refused(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
    url: str,
) -> None:
    server.run("ALTER SYSTEM SET fsync = off")
    server.run("SELECT pg_reload_conf()")
    try:
        recorder = opened.enter_context(RecorderProcess(tmp_path, broker, url))
        assert recorder.ended() == 78
        assert "fsync = off" in recorder.log.read_text("utf-8")
    finally:
        server.run("ALTER SYSTEM RESET fsync")
        server.run("SELECT pg_reload_conf()")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own that is quickly full; only root can have one."""
    if os.getuid() != 0:
        pytest.skip("a file system of its own takes root")
    folder.mkdir(mode=0o755, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room; give the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def test_a_full_disk_under_sqlite_is_waited_for(
    opened: ExitStack, tmp_path: Path, broker: BrokerUnderTest
) -> None:
    disk = opened.enter_context(small_disk(tmp_path / "disk", "4m"))
    with recording(opened, tmp_path, broker, url_of(disk / "rollcall.db")) as (recorder, publisher):
        ballast = fill(disk)
        wait_for_word(recorder, "full")
        check_that_nothing_is_receipted(publisher)
        ballast.unlink()
        wait_for_word(recorder, "ok")


def test_a_full_disk_under_postgresql_is_waited_for(
    opened: ExitStack,
    tmp_path: Path,
    broker: BrokerUnderTest,
    server: PostgresqlUnderTest,
) -> None:
    disk = opened.enter_context(small_disk(server.folder / "disk", "24m"))
    shutil.chown(disk, server.folder.owner())
    name = "on_small_disk"
    server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
    server.run(f"CREATE DATABASE {name} TEMPLATE template0 TABLESPACE small")
    try:
        with recording(opened, tmp_path, broker, server.url(name)) as (recorder, publisher):
            ballast = fill(disk)
            wait_for_word(recorder, "full")
            check_that_nothing_is_receipted(publisher)
            ballast.unlink()
            wait_for_word(recorder, "ok")
    finally:
        server.run(f"DROP DATABASE {name} WITH (FORCE)")
        server.run("DROP TABLESPACE small")


def test_a_limit_on_the_size_of_files_is_waited_for(
    opened: ExitStack, tmp_path: Path, broker: BrokerUnderTest
) -> None:
    """As a quota would show, also where nobody is root."""
    url = url_of(tmp_path / "rollcall.db")
    with recording(opened, tmp_path, broker, url) as (recorder, publisher):
        size = (tmp_path / "rollcall.db-wal").stat().st_size
        before: Any = resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (size + 4096, before[1]))
        wait_until(lambda: recorder.health().get("database") in {"full", "input_output_error"}, 20)
        check_that_nothing_is_receipted(publisher)
        resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, before)
        wait_for_word(recorder, "ok")
