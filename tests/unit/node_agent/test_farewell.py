"""Why the agent stops, as systemd tells it."""

from pathlib import Path

import pytest

from rollcall.node_agent.farewell import reason_in, reason_now


@pytest.mark.parametrize(
    ("jobs", "reason"),
    [
        pytest.param("", "stopped", id="no jobs"),
        pytest.param("No jobs running.\n", "stopped", id="no jobs, in words"),
        pytest.param(
            " 812 reboot.target start waiting\n 813 shutdown.target start waiting\n",
            "reboot",
            id="reboot",
        ),
        pytest.param(
            "1234 poweroff.target start waiting\n1240 rollcall-agent.service stop running\n",
            "shutdown",
            id="poweroff",
        ),
        pytest.param("7 halt.target              start waiting", "shutdown", id="halt"),
        pytest.param("7 rollcall-agent.service restart running\n", "stopped", id="restart"),
        pytest.param("7 reboot.target stop waiting\n", "stopped", id="a reboot that is cancelled"),
        pytest.param("7 not-reboot.target start waiting\n", "stopped", id="another target"),
    ],
)
def test_the_jobs_of_systemd_tell_why(jobs: str, reason: str) -> None:
    assert reason_in(jobs) == reason


def systemctl(folder: Path, script: str) -> None:
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_systemctl_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, 'test "$1" = list-jobs && echo "5 reboot.target start waiting"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert reason_now() == "reboot"


def test_without_systemd_it_is_just_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reason_now() == "stopped"
    systemctl(tmp_path, "echo 'Failed to connect to bus' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert reason_now() == "stopped"


def test_a_systemd_that_does_not_answer_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("rollcall.node_agent.farewell._WITHIN_S", 0.1)
    assert reason_now() == "stopped"
