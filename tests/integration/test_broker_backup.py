"""A broker's folder in `rollcall backup`, and `rollcall restore --broker`."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.client.probe import Probe
from rollcall.console.broker_copy import files_of
from rollcall.recorder.store import Store
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.recorded_story import recorded


@pytest.fixture(scope="module")
def running() -> Iterator[OwnBroker]:
    with OwnBroker() as broker:
        broker.let_in("pi-1")
        yield broker


@pytest.fixture(scope="module")
def archive(running: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that was made while the broker runs."""
    folder = tmp_path_factory.mktemp("hub")
    database = folder / "rollcall.db"
    with Store(f"sqlite:///{database}") as store:
        recorded(store)
    file = folder / "rollcall.toml"
    file.write_text(f'[recorder]\ndatabase = "sqlite:///{database}"\n', "utf-8")
    done = command(folder, "backup", str(folder / "all.backup"), "--folder", str(running.folder))
    assert done.returncode == 0, done.stderr
    assert "The broker's keys and rules are in it" in done.stdout
    return folder / "all.backup"


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    configuration = folder / "rollcall.toml"
    return rollcall(*words, "--config", str(configuration), stdin=subprocess.DEVNULL)


def restore(archive: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    asked = ["restore", str(archive), "--broker", "--folder", str(folder), *words]
    return command(archive.parent, *asked)


def test_the_backup_holds_every_key_and_is_its_owners_alone(
    archive: Path, running: OwnBroker
) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        names = set(tar.getnames())
    assert {f"broker/{path}" for path in manifest["broker"]} < names
    for path in ("pki/ca.key", "acl", "broker.json", "identities/pi-1/key.pem", "mosquitto.conf"):
        assert path in manifest["broker"]
    assert not [path for path in manifest["broker"] if path.startswith(("state", "run.lock", "."))]


def test_a_broker_that_runs_is_not_replaced_and_one_that_is_the_same_is_left(
    archive: Path, running: OwnBroker
) -> None:
    same = restore(archive, running.folder, "--yes")
    assert (same.returncode, same.stderr) == (0, "Nothing was changed.\n")
    file = running.folder / "mosquitto.conf"
    text = file.read_text("utf-8")
    file.write_text(f"{text}# by hand\n", "utf-8")
    refused = restore(archive, running.folder, "--yes")
    assert (refused.returncode, "is already running" in refused.stderr) == (1, True)
    assert "differs            mosquitto.conf" in refused.stdout
    assert file.read_text("utf-8").endswith("# by hand\n")
    file.write_text(text, "utf-8")


def test_on_a_new_disk_the_same_nodes_get_in_with_what_they_have(
    archive: Path, running: OwnBroker
) -> None:
    before = files_of(running.folder)
    door = running.door("pi-1")
    running.stop()
    kept = running.folder.with_name("gone")
    running.folder.rename(kept)
    try:
        looked = restore(archive, running.folder, "--dry-run")
        assert "only in the backup pki/ca.key" in looked.stdout
        assert not running.folder.exists()
        assert restore(archive, running.folder).returncode == 2
        done = restore(archive, running.folder, "--yes")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("Restored.\n")
        found = files_of(running.folder)
        # Signed anew.
        assert {path for path in before if before[path] != found[path]} <= {"pki/crl.pem"}
        assert (running.folder / "pki/ca.key").stat().st_mode & 0o777 == 0o600
    finally:
        running.start()
    with Probe(door) as probe:
        assert probe.publish("rollcall/v1/node/pi-1/event", b"{}") in {0, 0x10}


def test_what_was_there_is_kept_and_what_has_come_since_is_told(
    archive: Path, running: OwnBroker
) -> None:
    running.let_in("pi-2")
    running.stop()
    try:
        done = restore(archive, running.folder, "--yes")
        assert done.returncode == 0, done.stderr
        assert "differs            pki/issued.json" in done.stdout
        assert "gets in again: rollcall node remove NAME" in done.stdout
        assert "only there now     identities/pi-2/key.pem" in done.stdout
        assert not (running.folder / "identities/pi-2").exists()
        (kept,) = running.folder.parent.glob("broker.before-*")
        assert (kept / "identities/pi-2/key.pem").is_file()
        assert kept.stat().st_mode & 0o777 == 0o700
        shutil.rmtree(kept)
    finally:
        running.start()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"acl": None}, "is damaged", id="a file that was changed"),
        pytest.param({"../../etc/cron.d/x": "x"}, "no backup of ours", id="a path that leads out"),
    ],
)
def test_an_archive_that_was_tampered_with_changes_nothing(
    archive: Path, tmp_path: Path, change: dict[str, str | None], said: str
) -> None:
    shutil.copy(archive.parent / "rollcall.toml", tmp_path)
    with tarfile.open(archive) as tar:
        parts = {
            name: tar.extractfile(name).read()  # type: ignore[union-attr]
            for name in tar.getnames()
        }
    manifest = json.loads(parts["manifest.json"])
    for path, digest in change.items():
        manifest["broker"][path] = digest or "0" * 64
        parts[f"broker/{path}"] = b"x"
    parts["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(tmp_path / "bad.backup", "w") as tar:
        for name, content in parts.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    target = tmp_path / "broker"
    done = restore(tmp_path / "bad.backup", target, "--yes")
    assert (done.returncode, said in done.stderr) == (1, True)
    assert not target.exists()


def test_a_backup_without_a_broker_says_so(archive: Path, tmp_path: Path) -> None:
    none = archive.with_name("none.backup")
    made = command(archive.parent, "backup", str(none), "--folder", str(tmp_path / "nothing"))
    assert made.returncode == 0, made.stderr
    done = restore(none, tmp_path / "nothing", "--yes")
    assert (done.returncode, "holds no broker's folder" in done.stderr) == (1, True)
