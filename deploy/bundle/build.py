"""Build the offline bundle: wheels for each architecture, and what installs them without a network.

    ./run --version && .venv/bin/python -m deploy.bundle.build [FOLDER]

This machine needs the network, the target does not. Wheels are those of requirements.lock, for
Python 3.11 and 3.13 (Debian 12 and 13). What no wheel exists for is said, and stands in MISSING.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.locked import NODE, ROOT, locked

PYTHONS: Final = ("3.11", "3.13")
ARCHITECTURES: Final = ("x86_64", "aarch64", "armv7l")
# The versions of the C library for which wheels are made, up to Debian 12's.
LIBRARIES: Final = ("2_17", "2_26", "2_27", "2_28", "2_31", "2_34", "2_36")
REMEDIES: Final = {
    "cffi": "apt-get install python3-cffi-backend there; `install` lets the environment see it",
    "psycopg-binary": "not needed where Debian's libpq5 is installed, and only for PostgreSQL",
}


def main() -> None:
    """Build the bundle in the folder that is named, else in ./rollcall-bundle."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "rollcall-bundle").resolve()
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    _pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), "pip")
    lines = {name: line.partition(";")[0].strip() for name, line in locked().items()}
    missing: dict[str, set[str]] = {}
    for architecture in ARCHITECTURES:
        for python in PYTHONS:
            for name in _download(lines, architecture, python, wheels):
                missing.setdefault(name, set()).add(architecture)
    _requirements(folder, lines, missing)
    _tell(folder, missing)
    shutil.copy(Path(__file__).with_name("install"), folder / "install")


def _download(lines: dict[str, str], architecture: str, python: str, wheels: Path) -> list[str]:
    """Fetch all wheels for one kind of machine; give the names of those that do not exist."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines.values()))
        file.flush()
        if _fetched(["--requirement", file.name], architecture, python, wheels):
            return []
    return [
        name for name, line in lines.items() if not _fetched([line], architecture, python, wheels)
    ]


def _fetched(what: list[str], architecture: str, python: str, wheels: Path) -> bool:
    tags = [f"manylinux_{library}_{architecture}" for library in LIBRARIES]
    tags += [f"manylinux2014_{architecture}", f"linux_{architecture}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    asked = ["--no-deps", "--only-binary=:all:", "--python-version", python, *platforms]
    command = [sys.executable, "-m", "pip", "--quiet", "download", *asked]
    done = subprocess.run(
        [*command, "--dest", str(wheels), *what], capture_output=True, text=True, check=False
    )
    if done.returncode and "No matching distribution" not in done.stderr:
        sys.exit(done.stderr)
    return done.returncode == 0


def _requirements(folder: Path, lines: dict[str, str], missing: dict[str, set[str]]) -> None:
    """Write what each role installs; what a machine has no wheel of is left out there."""
    for role, names in (("node", sorted(NODE)), ("hub", sorted(lines))):
        chosen = ["rollcall-mqtt"]
        for name in names:
            without = "".join(
                f" and platform_machine != '{each}'" for each in sorted(missing.get(name, ()))
            )
            chosen.append(lines[name] + (f"; {without.removeprefix(' and ')}" if without else ""))
        (folder / f"requirements-{role}.txt").write_text("\n".join((*chosen, "")), "utf-8")


def _tell(folder: Path, missing: dict[str, set[str]]) -> None:
    told = [
        f"{name}: no wheel for {', '.join(sorted(machines))}; "
        f"{REMEDIES.get(name, 'build it there, from its source')}"
        for name, machines in sorted(missing.items())
    ]
    (folder / "MISSING").write_text("\n".join((*told, "")), "utf-8")
    count = len(list((folder / "wheels").glob("*.whl")))
    print("\n".join((f"{folder}: {count} wheels, made on {platform.machine()}", *told)))


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True)


if __name__ == "__main__":
    main()
