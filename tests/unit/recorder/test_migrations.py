"""The way from each older schema to ours, on filled databases, and what interrupts it."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.recorder import store as store_module
from rollcall.recorder.engine import Membership
from rollcall.recorder.errors import RecorderError
from rollcall.recorder.rollups import close_oldest
from rollcall.recorder.store import Store
from rollcall.recorder.upgrade import Upgrade
from rollcall.service.config import ConfigError
from tests.support.database import NOW_MS, ask, message, report
from tests.support.old_database import OLD, OLDER, make_old, make_tables
from tests.support.postgresql import PostgresqlUnderTest

TIMELESS = {
    "series": "SELECT node, metric, instance, unit, kind, first_ts, last_ts FROM series "
    "ORDER BY 1, 2, 3",
    "samples": "SELECT node, metric, instance, time, ts, value, unit FROM samples "
    "ORDER BY ts, 1, 2, 3",
    "nodes": "SELECT node, reason, since, last_seen, address, model, os, agent, description "
    "FROM nodes ORDER BY node",
    "gaps": "SELECT * FROM gaps ORDER BY node, first_seq",
    "events": "SELECT * FROM events",
    "alert_history": "SELECT * FROM alert_history",
    "rejected": "SELECT * FROM rejected",
    "latest": "SELECT node, metric, instance, ts, value FROM latest ORDER BY 1, 2, 3",
    "availability": "SELECT node, state, reason, ts FROM availability "
    "WHERE until_ts IS NOT NULL ORDER BY node, ts",
    "minutely": "SELECT node, metric, instance, ts, min, avg, max, last, samples FROM minutely "
    "ORDER BY 1, 2, 3, 4",
    "hourly": "SELECT node, metric, instance, ts, min, avg, max, last, samples FROM hourly "
    "ORDER BY 1, 2, 3, 4",
    "daily": "SELECT node, metric, instance, ts, min, avg, max, last, samples FROM daily "
    "ORDER BY 1, 2, 3, 4",
}
INTERRUPTED = """
import os, signal, sys
from rollcall.recorder.upgrade import Upgrade
with Upgrade.opened(sys.argv[1]) as work:
    work.apply(lambda step: os.kill(os.getpid(), signal.SIGKILL))
"""


def answers(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {view: ask(url, query) for view, query in TIMELESS.items()}


def schema_of(url: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        query = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        return [(*row[:2], " ".join((row[2] or "").split())) for row in ask(url, query)]
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name NOT LIKE 'sample_%' ORDER BY 1, 2"
    )
    indexes = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' "
        "AND tablename NOT LIKE 'sample_%' ORDER BY 1"
    )
    return ask(url, columns) + ask(url, indexes)


def version(url: str) -> str:
    ((found,),) = ask(url, "SELECT version_num FROM alembic_version")
    return str(found)


@pytest.fixture
def old(database_url: str) -> str:
    make_old(database_url)
    return database_url


@pytest.mark.parametrize("revision", OLDER)
def test_a_schema_is_still_the_one_that_was_released(tmp_path: Path, revision: str) -> None:
    released, ours = (f"sqlite:///{tmp_path / name}" for name in ("released.db", "ours.db"))
    make_old(released, revision)
    make_tables(ours, revision)
    tables = [row for row in schema_of(released) if row[0] != "view"]
    assert tables == [row for row in schema_of(ours) if row[0] != "view"]


def test_everything_an_old_database_holds_is_there_after_the_upgrade(old: str) -> None:
    uuid = ask(old, "SELECT uuid FROM about")
    with Store(old) as store:
        assert [(store.uuid,)] == uuid
        assert store.nodes() == ["pi-3", "pi-4"]
        receipt = store.receipt("pi-3")
        assert receipt is not None
        assert (receipt.through, receipt.missing) == (34, [(32, 32)])
        found = answers(old)
        assert len(found["samples"]) == 33
        assert found["samples"][-1][:3] == ("pi-3", "disk.used_percent", "/boot é")
        assert [row[2:] for row in found["gaps"]] == [
            (31, 31, 1, "size"),
            (32, 32, 1, "open"),
            (35, 40, 6, "open"),
        ]
        assert [row[3:] for row in found["events"]] == [("reboot", "agent", r'{"boot":"b\u0000"}')]
        assert [row[3] for row in found["alert_history"]] == ["firing"]
        assert found["rejected"][0][-1] == r"what\xff"
        again = message("node/pi-3/metrics/cpu", report(30, NOW_MS, {"percent": 1}), NOW_MS)
        new = message("node/pi-3/metrics/cpu", report(35, NOW_MS + 1, {"percent": 1}), NOW_MS + 1)
        stored = store.commit([again, new])
        assert (stored.duplicates, stored.samples) == (1, 1)


def test_what_was_rolled_up_and_forgotten_is_after_the_upgrade_as_it_was(
    database_url: str,
) -> None:
    make_old(database_url, "0002")
    before = answers(database_url)
    kept = "SELECT node, groups FROM nodes ORDER BY node", "SELECT * FROM fleet_history"
    known = [ask(database_url, query) for query in kept]
    with Store(database_url) as store:
        assert answers(database_url) == before
        assert [ask(database_url, query) for query in kept] == known
        assert known[0] == [("pi-3", '["pis", "web"]'), ("pi-4", '["pis"]')]
        # Two days of samples are kept, and what is older only as roll-ups.
        assert (len(before["samples"]), len(before["minutely"])) == (34, 45)
        assert ask(database_url, "SELECT min(ts) FROM samples") == [(1_767_220_200_000,)]
        assert ask(database_url, "SELECT min(ts), sum(samples) FROM daily") == [
            (1_766_966_400_000, 36)
        ]
        # A late sample, whose hour waits to be rolled up again, is not lost on the way.
        due_ms = 1_767_218_400_000
        assert (due_ms,) in ask(database_url, "SELECT hour FROM rollup_due")
        while store.apply(lambda connection: close_oldest(connection, NOW_MS)):
            pass
        again = ask(database_url, f"SELECT samples, max FROM hourly WHERE ts = {due_ms}")
        assert again == [(9, 50.0)]


@pytest.mark.parametrize("revision", OLDER)
def test_both_engines_answer_alike_after_the_upgrade(
    postgresql: PostgresqlUnderTest, tmp_path: Path, revision: str
) -> None:
    with postgresql.databases() as new:
        urls = [new(), f"sqlite:///{tmp_path / 'beside.db'}"]
        for url in urls:
            make_old(url, revision)
            with Store(url):
                pass
        assert answers(urls[0]) == answers(urls[1])


@pytest.mark.parametrize("revision", OLDER)
def test_an_upgraded_database_has_the_schema_of_a_new_one(
    new_database: Callable[[], str], revision: str
) -> None:
    upgraded, made = new_database(), new_database()
    make_old(upgraded, revision)
    for url in (upgraded, made):
        with Store(url):
            pass
    assert schema_of(upgraded) == schema_of(made)


def test_an_upgrade_that_is_killed_leaves_the_old_database_and_finishes_when_run_again(
    old: str,
) -> None:
    before = answers_before(old)
    killed = subprocess.run([sys.executable, "-c", INTERRUPTED, old], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert version(old) == OLD
    assert answers_before(old) == before
    with Upgrade.opened(old) as work:
        work.apply()
        assert work.estimate().steps == ()
    assert version(old) != OLD


def answers_before(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT ts, value FROM sample ORDER BY ts, series_id")


def test_the_recorder_copies_a_file_before_it_upgrades_it(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.db"
    make_old(f"sqlite:///{path}")
    with Store(f"sqlite:///{path}"):
        pass
    (copy,) = tmp_path.glob("rollcall.db.before-*")
    assert version(f"sqlite:///{copy}") == OLD
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_copy_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.db"
    make_old(f"sqlite:///{path}")
    target = tmp_path / "copy"
    target.with_name("copy.unfinished").write_bytes(b"half a database")
    with Upgrade.opened(f"sqlite:///{path}") as work:
        work.back_up(target)
    assert version(f"sqlite:///{target}") == OLD


def test_postgresql_is_backed_up_by_its_own_dump(
    postgresql: PostgresqlUnderTest, tmp_path: Path
) -> None:
    with postgresql.databases() as new:
        url = new()
        make_old(url)
        with Upgrade.opened(url) as work:
            work.back_up(tmp_path / "dump")
    assert (tmp_path / "dump").read_bytes().startswith(b"PGDMP")


def test_nobody_upgrades_under_other_recorders(postgresql: PostgresqlUnderTest) -> None:
    with postgresql.databases() as new:
        url = new()
        with Store(url, Membership("recorder", shared=True)):
            with psycopg.connect(url) as connection:
                connection.execute("UPDATE alembic_version SET version_num = '0001'")
            with pytest.raises(RecorderError, match="stop all of them"):
                Store(url, Membership("recorder-2", shared=True)).__enter__()


def test_a_large_database_is_left_to_the_command(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SMALL_BYTES", 0)
    with pytest.raises(ConfigError, match="run: rollcall db upgrade"):
        Store(old).__enter__()
    assert version(old) == OLD


def test_a_newer_schema_is_refused_with_both_versions(database_url: str) -> None:
    with Store(database_url):
        pass
    newest = version(database_url)
    change = "UPDATE alembic_version SET version_num = '0999'"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as other:
            other.execute(change)
            other.commit()
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute(change)
    with pytest.raises(ConfigError, match=rf"schema 0999.*up to {newest}"):
        Store(database_url).__enter__()
