"""The Debian package of the agent: what is in it, and that what is in it is enough to run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.mqtt import BrokerUnderTest

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = "usr/lib/systemd/system/rollcall-agent.service"
# Debian's Python with nothing but what the package brings.
ALONE: Final = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    command = [sys.executable, "-m", "deploy.debian.build", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def unpacked(package: Path) -> Path:
    folder = package.with_name("unpacked")
    told("dpkg-deb", "--raw-extract", str(package), str(folder))
    return folder


def alone(unpacked: Path, *words: str) -> list[str]:
    site = next((unpacked / "usr/lib/rollcall-agent/lib").glob("python3.*/site-packages"))
    return [sys.executable, "-I", "-S", "-c", ALONE, str(site), *words]


def test_it_says_for_which_python_and_which_machines_it_is(package: Path) -> None:
    fields = told("dpkg-deb", "--field", str(package))
    minor = sys.version_info.minor
    assert f"Depends: python3 (>= 3.{minor}), python3 (<< 3.{minor + 1}~), libc6\n" in fields
    assert f"Architecture: {told('dpkg', '--print-architecture')}" in fields
    assert "Package: rollcall-agent\n" in fields


def test_everything_belongs_to_root_and_no_other_may_write_it(package: Path) -> None:
    lines = told("dpkg-deb", "--contents", str(package)).splitlines()
    assert {line.split()[1] for line in lines} == {"root/root"}
    assert [line for line in lines if line[5] == "w" or line[8] == "w"] == [
        line for line in lines if line.startswith("l")
    ]
    assert not [line for line in lines if "__pycache__" in line or "/src/" in line]


def test_its_unit_has_no_fault_and_waits_for_the_host_to_be_a_node(
    unpacked: Path, tmp_path: Path
) -> None:
    text = (unpacked / UNIT).read_text("utf-8")
    assert "ExecStart=/usr/bin/rollcall run agent --config %d/rollcall.toml\n" in text
    assert "LoadCredential=broker.key_file:/etc/rollcall/node.key\n" in text
    when = (unpacked / f"{UNIT}.d/when-joined.conf").read_text("utf-8")
    assert "ConditionPathExists=/etc/rollcall/rollcall.toml\n" in when
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "rollcall-agent.service"
    file.write_text(f"{text.replace('/usr/bin/rollcall', '/bin/true')}\n{when}", "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_a_script_of_the_package_is_one_for_any_shell(unpacked: Path, script: str) -> None:
    told("sh", "-n", str(unpacked / "DEBIAN" / script))
    assert os.access(unpacked / "DEBIAN" / script, os.X_OK)


def test_its_agent_runs_with_what_the_package_brings(
    unpacked: Path, tmp_path: Path, broker: BrokerUnderTest
) -> None:
    assert "Join the cluster" in told(
        *alone(unpacked, "rollcall.console", "node", "join", "--help")
    )
    own = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ROLLCALL_BROKER__PORT": str(broker.port),
        "ROLLCALL_AGENT__NODE": "pi-1",
    }
    process = subprocess.Popen(alone(unpacked, "rollcall.node_agent"), env=own)
    try:
        topic = "rollcall/v1/node/pi-1/status"
        assert broker.subscribe_for(topic, 30, first=1)
    finally:
        process.terminate()
        assert process.wait(15) == 0
