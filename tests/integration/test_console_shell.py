"""What a shell completes, and the manual page: as the shell and man(1) use them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.mqtt import BrokerUnderTest
from tests.support.nodes import announce

ROLLCALL = [sys.executable, "-m", "rollcall.console"]


def environment(folder: Path, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "PYTHONUTF8": "1",
        "ROLLCALL_BROKER__PORT": str(port),
    }


def completed(typed: str, environment: Mapping[str, str]) -> list[str]:
    """Give what bash would offer for the last word of what was typed."""
    asked = {
        "_ROLLCALL_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }
    done = subprocess.run(
        ROLLCALL, env={**environment, **asked}, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_options_and_nodes_are_completed(broker: BrokerUnderTest, tmp_path: Path) -> None:
    for name in ("nas-1", "nas-2", "pi-1"):
        announce(broker, name)
    there = environment(tmp_path, broker.port)
    assert completed("rollcall st", there) == ["status"]
    assert completed("rollcall fleet ch", there) == ["check"]
    assert completed("rollcall export --ev", there) == ["--every"]
    for typed in ("status", "show", "history", "command", "alerts silence", "node remove"):
        assert completed(f"rollcall {typed} na", there) == ["nas-1", "nas-2"]
    assert completed("rollcall fleet show --effective pi", there) == ["pi-1"]


def test_a_broker_that_is_away_or_silent_keeps_nobody_waiting(tmp_path: Path) -> None:
    begun_s = time.monotonic()
    assert completed("rollcall status na", environment(tmp_path, 1)) == []
    # An address from which nothing ever comes back; a machine may be slow, but not this slow.
    silent = {**environment(tmp_path, 1883), "ROLLCALL_BROKER__HOST": "192.0.2.1"}
    assert completed("rollcall status na", silent) == []
    assert time.monotonic() - begun_s < 20


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_has_to_know_is_printed(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*ROLLCALL, "completion", shell],
        env=environment(tmp_path, 1), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_ROLLCALL_COMPLETE" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=done.stdout, text=True, check=False)
        assert checked.returncode == 0


def test_the_manual_page_has_every_command_and_renders_without_a_warning(tmp_path: Path) -> None:
    made = subprocess.run(
        [*ROLLCALL, "man"], env=environment(tmp_path, 1), capture_output=True, text=True, check=True
    )
    page = made.stdout
    for command in ("status", "fleet apply", "alerts silence", "db upgrade", "man"):
        assert f'.SS "rollcall {command}' in page
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff to render it")
    rendered = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-Kutf8"],
        input=page, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert rendered.stderr == ""
    assert "which machines of a cluster are alive" in rendered.stdout
