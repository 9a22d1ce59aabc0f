"""Build the Debian package of the agent, from this checkout and its virtual environment.

    ./run --version && .venv/bin/python -m deploy.debian.build [FOLDER]

Everything comes from `.venv`, which holds what requirements.lock names: nothing is downloaded here,
and the same checkout and environment give the same file. The package is for this architecture and
this minor version of Python, which its dependencies say.
"""

import gzip
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import Final

from deploy.locked import NODE, ROOT
from rollcall import __version__
from rollcall.console.unit_credentials import credentials
from rollcall.console.units import Installation, unit, unit_name
from rollcall.service.settings import Settings

HERE: Final = Path(__file__).resolve().parent
NAME: Final = "rollcall-agent"
HOME: Final = Path("usr/lib", NAME)
ETC: Final = Path("/etc/rollcall")
PYTHON: Final = f"3.{sys.version_info.minor}"
PROGRAM: Final = f"""\
#!/{HOME}/bin/python3 -I
import sys
from rollcall.console.__main__ import main
sys.exit(main())
"""
# A unit of the administrator's own in /etc takes the place of ours, and this holds for it too.
WHEN_JOINED: Final = """\
# Skipped, in silence, until `rollcall node join` has written it.
[Unit]
ConditionPathExists=/etc/rollcall/rollcall.toml
"""


def main() -> None:
    """Build the package into the folder that is named, else into the present one."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", _changed())
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        _python(tree)
        _service(tree)
        _documents(tree)
        _control(tree)
        target = folder / f"{NAME}_{__version__}_{_architecture()}.deb"
        build = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(tree), str(target)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    print(target)


def _changed() -> str:
    """Give the time of the last commit: what dpkg-deb is to date the files with."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() or str(int((ROOT / "CHANGELOG.md").stat().st_mtime))


def _python(tree: Path) -> None:
    """Make a virtual environment for Debian's Python, without what would only make it."""
    home = tree / HOME
    (home / "bin").mkdir(parents=True)
    (home / "bin/python3").symlink_to(f"/usr/bin/python{PYTHON}")
    (home / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = false\n"
        f"version = {PYTHON}\nexecutable = /usr/bin/python{PYTHON}\n",
        "utf-8",
    )
    program = home / "bin/rollcall"
    program.write_text(PROGRAM, "utf-8")
    program.chmod(0o755)
    link = tree / "usr/bin/rollcall"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"../lib/{NAME}/bin/rollcall")
    site = home / f"lib/python{PYTHON}/site-packages"
    for name in sorted(NODE):
        _copy_distribution(name, site)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rollcall", site / "rollcall", ignore=without)


def _copy_distribution(name: str, site: Path) -> None:
    found = importlib.metadata.distribution(name)
    for file in found.files or ():
        if file.parts[0] == ".." or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)


def _service(tree: Path) -> None:
    """Write the unit for a node that joined with a certificate, as `service install` would."""
    broker = {
        "ca_file": ETC / "ca.crt",
        "certificate_file": ETC / "node.crt",
        "key_file": ETC / "node.key",
    }
    settings = Settings.model_validate({"broker": broker})
    here = Installation("/usr/bin/rollcall", ETC / "rollcall.toml", credentials("agent", settings))
    lines = unit("agent", here).split("\n")
    told = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    lines[:told] = [
        f"# Changes of your own belong in a drop-in: systemctl edit {unit_name('agent')}"
    ]
    units = tree / "usr/lib/systemd/system"
    when = units / f"{unit_name('agent')}.d/when-joined.conf"
    when.parent.mkdir(parents=True)
    (units / unit_name("agent")).write_text("\n".join(lines), "utf-8")
    when.write_text(WHEN_JOINED, "utf-8")


def _documents(tree: Path) -> None:
    folder = tree / "usr/share/doc" / NAME
    (folder / "examples").mkdir(parents=True)
    shutil.copyfile(ROOT / "docs/rollcall.sample.toml", folder / "examples/rollcall.toml")
    shutil.copyfile(ROOT / "docs/nodes.md", folder / "nodes.md")
    (folder / "copyright").write_text(_copyright(), "utf-8")
    changes = (ROOT / "CHANGELOG.md").read_bytes()
    (folder / "CHANGELOG.md.gz").write_bytes(gzip.compress(changes, mtime=0))


def _copyright() -> str:
    """Say whose work lies in the package: our licence, and where each package's own stands."""
    lines = [
        "Files: *",
        "Copyright: the authors of Rollcall",
        "License: Apache-2.0",
        " On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.",
    ]
    for name in sorted(NODE):
        about = importlib.metadata.metadata(name)
        folder = f"{re.sub('[-_.]+', '_', name)}*"
        lines += ["", f"Files: {HOME}/lib/python{PYTHON}/site-packages/{folder}"]
        lines += [f"Copyright: {_first(about, 'Author-email', 'Author') or 'its authors'}"]
        # Where a package names none, its metadata and its licence's text are in its folder.
        lines += [f"License: {_first(about, 'License-Expression', 'License') or 'see-its-folder'}"]
    return "\n".join((*lines, ""))


def _first(about: PackageMetadata, *keys: str) -> str:
    """Give the first line of the first of these keys that is there."""
    return next((about[key].splitlines()[0] for key in keys if key in about), "")


def _control(tree: Path) -> None:
    folder = tree / "DEBIAN"
    folder.mkdir()
    for script in ("postinst", "prerm", "postrm"):
        shutil.copyfile(HERE / script, folder / script)
        (folder / script).chmod(0o755)
    size_kib = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    above = f"3.{sys.version_info.minor + 1}"
    fields = {
        "Package": NAME,
        "Version": __version__,
        "Architecture": _architecture(),
        "Maintainer": "The authors of Rollcall <rollcall@rollcall.invalid>",
        "Section": "admin",
        "Priority": "optional",
        "Installed-Size": str(size_kib),
        "Depends": f"python3 (>= {PYTHON}), python3 (<< {above}~), libc6",
        "Description": "tells a Rollcall cluster how this host fares, over MQTT\n"
        " The agent reads this host's processor, memory, disks, network and sensors, keeps every\n"
        " report until it is safely stored, and publishes it to the Mosquitto of the cluster. It\n"
        " starts once `rollcall node join` has let this host in.",
    }
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (folder / "control").write_text(text, "utf-8")
    (folder / "md5sums").write_text(_digests(tree), "utf-8")


def _digests(tree: Path) -> str:
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    paths = sorted(str(path.relative_to(tree)) for path in files)
    inside = [path for path in paths if not path.startswith("DEBIAN/")]
    done = subprocess.run(["md5sum", *inside], cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout


def _architecture() -> str:
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
