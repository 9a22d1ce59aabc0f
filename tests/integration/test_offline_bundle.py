"""The offline bundle: what goes into it, and that its `install` needs no network and no pip."""

import ensurepip
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from deploy.locked import NODE, ROOT, locked, plain

INSTALL: Final = ROOT / "deploy/bundle/install"
PIP: Final = sorted(Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"))


def needed(name: str, extra: str = "") -> set[str]:
    """Give the names of the packages that an installed one needs."""
    told = map(Requirement, importlib.metadata.requires(name) or ())
    return {
        plain(each.name)
        for each in told
        if each.marker is None or each.marker.evaluate({"extra": extra})
    }


def test_a_node_gets_all_that_its_packages_need_and_nothing_else() -> None:
    found = needed("rollcall-mqtt", "console") - {"rollcall-mqtt"}
    found |= needed("rollcall-mqtt", "broker")
    while more := {each for name in found for each in needed(name)} - found:
        found |= more
    assert found == NODE
    assert locked().keys() >= NODE


def made_wheel(folder: Path) -> None:
    """Make a wheel of a program that says its version, as `rollcall` does."""
    about = "rollcall_mqtt-1.0.dist-info"
    with zipfile.ZipFile(folder / "rollcall_mqtt-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("told.py", "def main(): print('rollcall, version 1.0')\n")
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: rollcall-mqtt\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\nrollcall = told:main\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "wheels").mkdir(parents=True)
    made_wheel(folder / "wheels")
    (folder / "requirements-node.txt").write_text("rollcall-mqtt\n")
    (folder / "MISSING").write_text("cffi: no wheel\n")
    (folder / "install").write_bytes(INSTALL.read_bytes())
    (folder / PIP[-1].name).write_bytes(PIP[-1].read_bytes())
    return folder


def install(bundle: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(bundle / "install"), *words],
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "HOME": str(bundle)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not PIP, reason="this Python brings no wheel of pip")
def test_it_installs_with_its_own_pip_from_its_own_wheels(bundle: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    done = install(bundle, "node", str(place))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "rollcall, version 1.0",
        f"installed in {place}; its command is {place}/bin/rollcall",
    ]
    assert "include-system-site-packages = false" in (place / "pyvenv.cfg").read_text("utf-8")


@pytest.mark.skipif(not PIP, reason="this Python brings no wheel of pip")
def test_where_a_wheel_is_missing_it_says_so_and_lets_debians_be_seen(
    bundle: Path, tmp_path: Path
) -> None:
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout
    lines = f"rollcall-mqtt\ncffi==2.1.1; platform_machine != '{machine.strip()}'\n"
    (bundle / "requirements-node.txt").write_text(lines)
    done = install(bundle, "node", str(tmp_path / "place"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cffi: no wheel\n")
    about = (tmp_path / "place/pyvenv.cfg").read_text("utf-8")
    assert "include-system-site-packages = true" in about


def test_a_role_that_is_none_installs_nothing(bundle: Path, tmp_path: Path) -> None:
    done = install(bundle, "broker", str(tmp_path / "place"))
    assert (done.returncode, done.stderr) == (2, "error: broker is no role; node or hub\n")
    assert not (tmp_path / "place").exists()
