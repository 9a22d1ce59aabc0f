"""`rollcall dashboard token`: what it says, and with which exit code."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollcall.console.__main__ import main
from rollcall.dashboard.tokens import Tokens


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_DASHBOARD__STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def command(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["rollcall", "dashboard", "token", *words])
        return main()

    return command


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["Bad_Name"], 2, "small letters", id="a-bad-name"),
        pytest.param(["here"], 2, "there is a token here already", id="a-name-that-is-taken"),
        pytest.param(["other", "--remove"], 1, "there is no token other", id="nothing-to-remove"),
        pytest.param(["--remove"], 2, "which token?", id="nothing-named"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_try(
    folder: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    Tokens(folder).make("here", 1.0)
    assert run(*words) == code
    told = capsys.readouterr()
    assert said in told.err
    assert "try: " in told.err
    assert told.out == ""


def test_a_token_is_made_listed_and_taken_back(
    folder: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert "/metrics is off" in capsys.readouterr().err
    assert run("here", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert Tokens(folder).knows(made["token"])
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "tokens": ["here"]}
    assert run("here", "--remove") == 0
    assert "opens nothing any more" in capsys.readouterr().out
    assert Tokens(folder).names() == []
