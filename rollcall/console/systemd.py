"""The system's systemd: where its files lie, and its programs."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from rollcall.console.options import CommandError

_RUNNING: Final = Path("/run/systemd/system")
_SHOWN: Final = ("ActiveState", "SubState", "StatusText", "NRestarts")


def is_running() -> bool:
    """Say whether systemd runs this machine, after sd_booted(3)."""
    return _RUNNING.is_dir()


def systemctl(*arguments: str) -> None:
    """Ask systemd to do something. Raises CommandError with what it says."""
    done = _run("systemctl", *arguments)
    if done.returncode:
        command = f"systemctl {' '.join(arguments)}"
        why = done.stderr.strip() or f"exit code {done.returncode}"
        raise CommandError(f"{command}: {why}", f"journalctl --unit '{arguments[-1]}'")


def make_accounts(file: Path) -> bool:
    """Make the accounts that a file of sysusers.d names, where they are missing.

    Gives False where there is no systemd-sysusers. Raises CommandError.
    """
    if shutil.which("systemd-sysusers") is None:
        return False
    done = _run("systemd-sysusers", str(file))
    if done.returncode:
        raise CommandError(f"systemd-sysusers: {done.stderr.strip()}", f"cat {file}")
    return True


def state_of(unit: str) -> dict[str, str]:
    """Give what systemd says of a unit. Raises CommandError."""
    done = _run("systemctl", "show", "--property", ",".join(_SHOWN), unit)
    if done.returncode:
        raise CommandError(f"systemctl show {unit}: {done.stderr.strip()}", "systemctl status")
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs}


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - systemd's own
