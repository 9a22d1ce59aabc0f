"""`rollcall config`, as a user runs it."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]

FILE = """
[broker]
port = 1884
password_file = "/nowhere/password"
[recorder]
database = "postgresql://me:hun/ter2@db.lan/r?sslpassword=hunter2&sslmode=require"
keep.raw = "20d"
[mail.receivers.ops]
webhook = "https://u:hunter2@hooks.lan/T1/hunter2"
[agent.exec.foo]
command = ["/bin/foo", "--token", "hunter2"]
[agent.collectors.x]
api_token = "hunter2"
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    file = tmp_path / "rollcall.toml"
    file.write_text(FILE, "utf-8")

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "config", *words, "--config", str(file)],
            env={**os.environ, "XDG_DATA_HOME": str(tmp_path), **more},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_key_is_shown_as_toml_and_no_secret_with_it(command: Command) -> None:
    done = command("show", ROLLCALL_BROKER__HOST="hub.lan")
    assert done.returncode == 0, done.stderr
    assert "ter2" not in done.stdout
    told = tomllib.loads(done.stdout)
    assert told["broker"]["host"] == "hub.lan"
    assert told["recorder"]["database"] == (
        "postgresql://me:***@db.lan/r?sslpassword=***&sslmode=require"
    )
    assert told["mail"]["receivers"]["ops"]["webhook"] == "https://hooks.lan/***"
    assert told["agent"]["exec"]["foo"]["command"] == ["/bin/foo", "***", "***"]
    assert told["recorder"]["keep"]["daily"] == "forever"


def test_each_value_says_where_it_comes_from(command: Command, tmp_path: Path) -> None:
    told = json.loads(command("show", "--json", ROLLCALL_BROKER__HOST="hub.lan").stdout)
    origins = {each["key"]: each["origin"] for each in told["keys"]}
    file = tmp_path / "rollcall.toml"
    assert origins["broker.host"] == "ROLLCALL_BROKER__HOST"
    assert origins["broker.port"] == f"{file} line 3"
    assert origins["recorder.keep.raw"] == f"{file} line 7"
    assert origins["recorder.keep.hourly"] == "default"
    assert origins["mail.receivers.ops.webhook"] == f"{file} line 9"
    assert f"# {file} line 3" in command("show", "--origin").stdout


def test_a_variable_beats_the_file_in_origin_too(command: Command) -> None:
    told = command("explain", "broker.port", ROLLCALL_BROKER__PORT="1999").stdout
    assert "now       1999 (ROLLCALL_BROKER__PORT)" in told
    assert "a whole number from 1 to 65535" in told
    assert "default   1883" in told


def test_mistakes_end_with_78_and_missing_files_with_3(command: Command) -> None:
    missing = command("check")
    assert missing.returncode == 3
    assert "broker.password_file: /nowhere/password is not there" in missing.stdout
    fine = command("check", "--json", ROLLCALL_BROKER__PASSWORD_FILE=sys.executable)
    assert (fine.returncode, json.loads(fine.stdout)["ok"]) == (0, True)
    faulty = command("check", ROLLCALL_BROKER__PORT="88x3", ROLLCALL_LCD__BUSS="1")
    assert faulty.returncode == 78
    assert "2 mistakes" in faulty.stderr
    assert "88x3" not in faulty.stderr
    told = command("check", "--json", ROLLCALL_BROKER__PORT="88x3")
    assert told.returncode == 78
    assert json.loads(told.stdout)["faults"][0]["origin"] == "ROLLCALL_BROKER__PORT"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param("recorder.keep.raw", "samples as they came", id="a table within"),
        pytest.param("mail.receivers.ops.to", "addresses of the readers", id="a free name"),
        pytest.param("mail.from", "address of the sender", id="a name of its own in the file"),
        pytest.param("lcd", "keys      name, bus, address", id="a section"),
        pytest.param("lcd.size", "one of 20x4, 16x2, 16x4, 20x2", id="one of several"),
    ],
)
def test_a_key_is_explained(command: Command, key: str, said: str) -> None:
    done = command("explain", key)
    assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_key_that_is_not_there_names_the_nearest(command: Command) -> None:
    done = command("explain", "brokr.port")
    assert (done.returncode, done.stdout) == (2, "")
    assert "try: rollcall config explain broker.port" in done.stderr


def test_a_wrong_configuration_does_not_keep_a_key_from_being_explained(command: Command) -> None:
    done = command("explain", "broker.port", ROLLCALL_BROKER__PORT="x")
    assert (done.returncode, "has mistakes" in done.stdout) == (0, True)
