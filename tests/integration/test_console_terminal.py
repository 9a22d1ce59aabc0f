"""How the command line behaves on a terminal, in a pipe, in a poor locale, and when it is left."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from rollcall.console.app import rollcall
from rollcall.console.terminal import progress, waiting
from tests.support.waiting import wait_until

ROLLCALL = [sys.executable, "-m", "rollcall.console"]


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """Nobody's configuration, no broker, and a database that was recorded."""
    return {
        **{key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}},
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "ROLLCALL_BROKER__PORT": "1",
        "PYTHONUTF8": "1",
    }


def on_a_terminal(
    arguments: list[str], environment: Mapping[str, str], *, typed: str = "", code: int = 0
) -> str:
    """Give what a command writes to a terminal, at which `typed` was typed."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    done = subprocess.run(
        [*ROLLCALL, *arguments],
        env=environment, stdout=theirs, stderr=theirs, stdin=theirs, check=False,
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.returncode == code, shown
    return shown


@pytest.fixture
def recorded_night(tmp_path: Path, environment: Mapping[str, str]) -> list[str]:
    """The words of a command that prints in colours where there are some."""
    make = (
        "from rollcall.recorder.store import Store\n"
        "from tests.support.recorded_story import recorded\n"
        "import sys\n"
        "with Store(sys.argv[1]) as store: recorded(store)\n"
    )
    url = f"sqlite:///{tmp_path / 'rollcall' / 'rollcall.db'}"
    (tmp_path / "rollcall").mkdir()
    subprocess.run([sys.executable, "-c", make, url], env=environment, check=True)
    return ["history", "--since", "2025-12-31T20:00Z", "--until", "2026-01-01T03:05Z"]


def test_colours_go_to_a_terminal_that_has_not_asked_for_none(
    environment: Mapping[str, str], recorded_night: list[str]
) -> None:
    def colours(*words: str, **more: str) -> bool:
        told = on_a_terminal([*recorded_night, *words], {**environment, "TERM": "xterm", **more})
        assert "disk is full" in told.replace("disk / is full", "disk is full")
        return "\x1b[" in told

    assert colours()
    assert not colours(NO_COLOR="1")
    assert not colours(TERM="dumb")
    assert not colours("--color", "never")
    assert colours("--color", "always", NO_COLOR="1")


def test_a_pipe_gets_colours_only_when_told(
    environment: Mapping[str, str], recorded_night: list[str]
) -> None:
    for words, expected in (([], False), (["--color", "always"], True)):
        done = subprocess.run(
            [*ROLLCALL, *words, *recorded_night],
            env={**environment, "TERM": "xterm"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert ("\x1b[" in done.stdout) == expected


@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": ""}, id="the locale C"),
        pytest.param({"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, id="an encoding of ASCII"),
    ],
)
def test_without_utf8_there_are_words_for_shapes(
    environment: Mapping[str, str], recorded_night: list[str], locale: Mapping[str, str]
) -> None:
    done = subprocess.run(
        [*ROLLCALL, *recorded_night], env={**environment, **locale}, capture_output=True, check=True
    )
    assert (b"CRIT" in done.stdout, b"OFF" in done.stdout) == (True, True)
    assert done.stdout.isascii() or locale.get("LC_ALL") == "C"


def test_a_reader_who_leaves_hears_no_complaint(
    environment: Mapping[str, str], recorded_night: list[str]
) -> None:
    for words in (["config", "show"], recorded_night):
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run(
            [*ROLLCALL, *words], env=environment, stdout=theirs, stderr=subprocess.PIPE, check=False
        )
        os.close(theirs)
        assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupted_command_ends_with_130(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "top.out"
    with output.open("wb") as opened:
        top = subprocess.Popen(
            [*ROLLCALL, "top"], env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=opened, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_until(lambda: output.stat().st_size > 0, what="the first lines of top")
        top.send_signal(signal.SIGINT)
        _, error = top.communicate(timeout=20)
    assert (top.returncode, b"Traceback" in error) == (130, False)


def test_a_no_is_no_interruption_and_changes_nothing(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "all.csv"
    file.write_text("mine", "utf-8")
    told = on_a_terminal(["export", str(file)], environment, typed="n\n", code=1)
    assert ("Replace it?" in told, "Nothing was changed." in told) == (True, True)
    assert file.read_text("utf-8") == "mine"


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Give every command with its full name, groups too."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


def test_every_command_takes_the_shared_options_after_its_name() -> None:
    lacking = {
        path
        for path, command in commands(rollcall, "rollcall")
        if not {"config", "json", "verbose", "color"} <= {each.name for each in command.params}
    }
    assert lacking == set()


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollcall.console.terminal._LINE_EVERY_S", 0.01)
    with progress("copy", 200) as tell, waiting("opening"):
        wait_until(lambda: (tell(50, "50 rows"), "opening, " in capsys.readouterr().err)[1])
        tell(50, "50 rows")
    monkeypatch.setattr("rollcall.console.terminal._LINE_EVERY_S", 1000)
    with progress("copy", 200) as tell, waiting("opening"):
        capsys.readouterr()
        tell(100, "100 rows")
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_is_not_led_by_a_file_that_another_has_put_where_root_stands(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_text("[agent]\ninterval = 5\n", "utf-8")

    def check(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*ROLLCALL, "config", "check", "--config", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert check("rollcall.toml").returncode == 0
    os.chown(file, 12_345, -1)
    refused = check("rollcall.toml")
    assert (refused.returncode, "root, who runs this, does not own it" in refused.stderr) == (
        78,
        True,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert check(str(file.rename(elsewhere / "rollcall.toml"))).returncode == 0
