"""The host as a whole: upgrades that wait, on request."""

import threading
from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.system import System, SystemOptions, parse_upgrades
from rollcall.node_agent.host import LinuxHost
from tests.support.hosts_of_files import HostOfFiles

FILES = {"/proc/uptime": "1000.00 2000.00\n"}
APT = """\
NOTE: This is only a simulation!
      apt-get needs root privileges for real execution.
Reading package lists...
The following packages will be upgraded:
  libc6 tzdata unzip
3 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.
Inst libc6 [2.36-9] (2.36-10 Debian:12.15/old, Debian-Security:12/oldstable-security [amd64]) []
Inst tzdata [2024a] (2025b-0+deb12u1 Debian:12.15/oldstable [all])
Inst unzip [6.0-28] (6.0-28+deb12u1 Debian-Security:12/oldstable-security [amd64])
Conf libc6 (2.36-9+deb12u2 Debian-Security:12/oldstable-security [amd64])
Conf tzdata (2025b-0+deb12u1 Debian:12.15/oldstable [all])
Conf unzip (6.0-28+deb12u1 Debian-Security:12/oldstable-security [amd64])
"""


def told(system: System, host: HostOfFiles) -> Found:
    """Read, let the program end, and read again a minute later."""
    system.collect(host)
    for thread in threading.enumerate():
        if thread.name == "apt-get":
            thread.join(5)
    return system.collect(host.later(60))


@pytest.mark.parametrize(
    ("text", "pending", "security"),
    [
        pytest.param(APT, 3, 2, id="Debian"),
        pytest.param("0 upgraded, 0 newly installed.\n", 0, 0, id="nothing waits"),
        pytest.param(
            "Inst bash [5.2-1] (5.2-2 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [a])",
            1,
            1,
            id="Ubuntu",
        ),
        pytest.param("Inst security-tool [1] (2 Debian:12/stable [all])", 1, 0, id="only a name"),
    ],
)
def test_what_apt_would_do_is_counted(text: str, pending: int, security: int) -> None:
    assert parse_upgrades(text) == {"pending_updates": pending, "security_updates": security}


def test_upgrades_are_told_on_request_and_asked_for_every_six_hours(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, FILES)
    host.answers["apt-get"] = APT
    system = System(SystemOptions(interval=60, updates=True))
    assert (told(system, host).fields or {})["pending_updates"] == 3
    host.answers["apt-get"] = ""
    assert (told(system, host).fields or {})["pending_updates"] == 3
    host.later(6 * 3600)
    assert (told(system, host).fields or {})["pending_updates"] == 0


def test_nobody_is_asked_unless_it_is_wanted(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, FILES)
    host.answers["apt-get"] = APT
    found = told(System(SystemOptions(interval=60)), host)
    assert "pending_updates" not in (found.fields or {})


def test_a_host_without_apt_says_so_beside_what_it_has(tmp_path: Path) -> None:
    found = told(System(SystemOptions(interval=60, updates=True)), HostOfFiles(tmp_path, FILES))
    assert found.error is not None
    assert found.error.startswith("failed: ")
    assert "apt-get" in found.error
    assert (found.fields or {})["uptime_seconds"] == 1000.0


def test_a_program_of_the_system_is_run_and_its_failure_told() -> None:
    host = LinuxHost()
    assert host.ask(["echo", "well"], 5.0) == "well\n"
    assert len(host.ask(["head", "-c", "200000", "/dev/zero"], 5.0)) == 200_000
    with pytest.raises(ChildProcessError, match="sh: no"):
        host.ask(["sh", "-c", "echo no >&2; exit 3"], 5.0)
    with pytest.raises(TimeoutError, match="sleep did not end"):
        host.ask(["sleep", "9"], 0.1)
    with pytest.raises(OSError, match="printed over"):
        host.ask(["head", "-c", "2000000", "/dev/zero"], 5.0)
    with pytest.raises(FileNotFoundError):
        host.ask(["no-such-program"], 5.0)
