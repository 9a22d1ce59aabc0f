"""`rollcall backup` and `rollcall restore`, as a user runs them, on both engines."""

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.recorder.store import Store
from tests.support.database import ask, reading
from tests.support.recorded_story import recorded

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    file = tmp_path / "rollcall.toml"
    file.write_text(f'[recorder]\ndatabase = "{database_url}"\n', "utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", *words, "--config", str(file)],
            env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


def samples(url: str) -> int:
    return int(ask(url, "SELECT count(*) FROM samples")[0][0])


def identity(url: str) -> str:
    return str(ask(url, "SELECT uuid FROM about ORDER BY made_ts DESC")[0][0])


def test_a_backup_made_under_load_restores_to_exactly_what_it_says(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    with Store(database_url) as store:
        recorded(store)
        stop = threading.Event()
        done = []

        def back_up() -> None:
            done.append(command("backup", "all.backup", "--json"))
            stop.set()

        thread = threading.Thread(target=back_up)
        thread.start()
        number = 1000
        while not stop.is_set():
            store.commit([reading(seq) for seq in range(number, number + 20)])
            number += 20
        thread.join()
        store.commit([reading(number)])
        old = store.uuid
    assert done[0].returncode == 0, done[0].stderr
    told = json.loads(done[0].stdout)
    file = tmp_path / "all.backup"
    assert file.stat().st_mode & 0o777 == 0o600
    now = samples(database_url)
    assert 185 <= told["counts"]["samples"] < now

    refused = command("restore", "all.backup")
    assert (refused.returncode, samples(database_url)) == (2, now)
    looked = command("restore", "all.backup", "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert f"{told['counts']['samples']:,}" in looked.stdout
    assert f"{now:,}" in looked.stdout
    assert samples(database_url) == now

    restored = command("restore", "all.backup", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert samples(database_url) == told["counts"]["samples"]
    with Store(database_url) as store:
        assert store.uuid not in {old, told["uuid"]}
        assert old in store.replaced
        store.commit([reading(9_999_999)])
    assert samples(database_url) == told["counts"]["samples"] + 1
    assert "kept" in restored.stdout

    again = command("backup", "second.backup")
    assert again.returncode == 0, again.stderr
    assert command("restore", "second.backup", "--yes").returncode == 0
    assert samples(database_url) == told["counts"]["samples"] + 1
    assert not [file for file in tmp_path.iterdir() if file.name.endswith((".part", ".database"))]


def test_the_one_before_is_kept_whole(command: Command, database_url: str) -> None:
    with Store(database_url) as store:
        recorded(store)
    assert command("backup", "all.backup").returncode == 0
    with Store(database_url) as store:
        store.commit([reading(5000)])
    told = json.loads(command("restore", "all.backup", "--yes", "--json").stdout)
    if database_url.startswith("sqlite"):
        assert samples(f"sqlite:///{told['kept']}") == 186
    else:
        name = told["kept"].removeprefix("schema ")
        assert ask(database_url, f"SELECT count(*) FROM {name}.samples") == [(186,)]
    assert samples(database_url) == 185


def test_while_the_recorder_runs_nothing_is_restored(command: Command, database_url: str) -> None:
    with Store(database_url) as store:
        recorded(store)
        assert command("backup", "all.backup").returncode == 0
        refused = command("restore", "all.backup", "--yes")
    assert refused.returncode == 1
    assert "try: stop the recorder" in refused.stderr
    assert samples(database_url) == 185


def test_a_damaged_backup_changes_nothing(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    with Store(database_url) as store:
        recorded(store)
    assert command("backup", "all.backup").returncode == 0
    file = tmp_path / "all.backup"
    with tarfile.open(file) as tar:
        where = tar.getmember("database").offset_data
    with file.open("r+b") as opened:
        opened.seek(where + 5000)
        opened.write(b"damage")
    before = identity(database_url)
    refused = command("restore", "all.backup", "--yes")
    assert (refused.returncode, "is damaged" in refused.stderr) == (1, True)
    assert (identity(database_url), samples(database_url)) == (before, 185)
    file.write_text("no archive", "utf-8")
    assert "no backup of Rollcall" in command("restore", "all.backup", "--yes").stderr


@pytest.mark.parametrize("database_url", ["sqlite:///rollcall.db"])
def test_the_configuration_is_in_it(command: Command, database_url: str, tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'rollcall.db'}") as store:
        recorded(store)
    assert command("backup", "all.backup").returncode == 0
    assert command("restore", "all.backup", "--configuration", "old.toml").returncode == 0
    text = (tmp_path / "old.toml").read_text("utf-8")
    assert text == (tmp_path / "rollcall.toml").read_text("utf-8")
    assert command("restore", "all.backup", "--configuration", "old.toml").returncode == 2


@pytest.mark.parametrize("database_url", ["sqlite:///rollcall.db"])
def test_what_is_newer_or_not_there_is_refused(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    missing = command("backup", "all.backup")
    assert missing.returncode == 5
    assert not (tmp_path / "all.backup").exists()
    with Store(f"sqlite:///{tmp_path / 'rollcall.db'}") as store:
        recorded(store)
    with closing(sqlite3.connect(tmp_path / "rollcall.db")) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '0999'")
        newer.commit()
    assert command("backup", "all.backup").returncode == 0
    refused = command("restore", "all.backup", "--yes")
    assert (refused.returncode, "schema 0999" in refused.stderr) == (78, True)
    assert (tmp_path / "rollcall.db").exists()
    assert command("backup", "all.backup").returncode == 2
