"""`rollcall db upgrade`, as a user runs it."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.recorder.store import Store
from tests.support.database import ask
from tests.support.old_database import OLD, make_old

Command = Callable[..., subprocess.CompletedProcess[str]]
# Kills the command when it is about to call what is named, as if by somebody else.
KILLED = """
import importlib, os, signal, sys
from rollcall.console.__main__ import main

def die(*_told, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

module, name = sys.argv.pop(1).rsplit(":", 1)
owner = importlib.import_module(module)
*path, last = name.split(".")
for each in path:
    owner = getattr(owner, each)
setattr(owner, last, die)
main()
"""
PLACES = {
    "the copy is whole and has its name not yet": "pathlib:Path.rename",
    "the first step is taken": "alembic.runtime.migration:HeadMaintainer.update_to_step",
    "all steps are taken and nothing is committed": "rollcall.recorder.views:create_all",
}


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "ROLLCALL_RECORDER__DATABASE": url,
    }


@pytest.fixture
def command(tmp_path: Path) -> Command:
    def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "db", "upgrade", *arguments],
            env=environment(tmp_path, url),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def version(url: str) -> str:
    return str(ask(url, "SELECT version_num FROM alembic_version")[0][0])


def test_an_old_database_is_copied_and_upgraded_and_a_second_run_has_nothing_to_do(
    command: Command, database_url: str
) -> None:
    make_old(database_url)
    looked = command(database_url, "--dry-run")
    assert (looked.returncode, version(database_url)) == (0, OLD)
    assert "the copy made before" in looked.stdout
    done = command(database_url, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["from"], told["to"], told["upgraded"]) == (OLD, version(database_url), True)
    assert Path(told["backup"]).stat().st_size > 10_000
    assert Path(told["backup"]).name.endswith((f"before-{told['to']}", ".dump"))
    again = command(database_url)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_a_command_killed_here_and_there_leaves_the_old_database_and_then_ends_right(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    make_old(database_url)
    query = "SELECT ts, series_id, value FROM sample ORDER BY ts, series_id"
    samples = ask(database_url, query)
    for when, place in PLACES.items():
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, place, "db", "upgrade"],
            env=environment(tmp_path, database_url),
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, (when, killed.stderr)
        assert (version(database_url), ask(database_url, query)) == (OLD, samples), when
    finished = command(database_url, "--json")
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert (told["from"], told["to"]) == (OLD, version(database_url))
    seen = ask(database_url, "SELECT ts, value FROM samples ORDER BY ts, value")
    assert seen == sorted((ts, value) for ts, _, value in samples)
    copy = Path(told["backup"])
    assert (copy.exists(), list(copy.parent.glob("*.unfinished"))) == (True, [])


def test_a_terminal_shows_bars_and_a_pipe_does_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rollcall.db'}"
    make_old(url)
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "rollcall.console", "db", "upgrade"]
    done = subprocess.run(
        arguments,
        env={**environment(tmp_path, url), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert "copy" in shown
    assert "━" in shown
    assert "━" not in done.stdout.decode()


def test_what_hinders_an_upgrade_is_said_with_its_code(
    command: Command, database_url: str, tmp_path: Path
) -> None:
    with Store(database_url):
        running = command(database_url)
    assert (running.returncode, "stop the recorder" in running.stderr) == (1, True)
    away = command(f"postgresql://nobody@/none?host={tmp_path}")
    assert (away.returncode, "database cannot be" in away.stderr) == (5, True)
    assert command("mysql://host/db").returncode == 78


def test_a_newer_schema_ends_with_78(command: Command, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rollcall.db'}"
    make_old(url)
    with closing(sqlite3.connect(tmp_path / "rollcall.db")) as other:
        other.execute("UPDATE alembic_version SET version_num = '0999'")
        other.commit()
    newer = command(url)
    assert (newer.returncode, "schema 0999" in newer.stderr) == (78, True)
