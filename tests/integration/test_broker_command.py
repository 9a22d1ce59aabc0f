"""`rollcall broker init` and `run`, as people type them, on the real Mosquitto."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.broker_folder import BrokerFolder, BrokerFolderError
from rollcall.broker.broker_reload import is_restricting, reload, try_access_list
from rollcall.broker.client.probe import Door, Probe, RefusedError
from rollcall.broker.mosquitto import find_mosquitto, free_port, is_free
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.private_files import write_private
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.waiting import wait_until

ROOT = os.geteuid() == 0
# Our Python may lie where only root may go: it becomes somebody else when all is loaded.
BECOME_NOBODY = """
import encodings.idna, os, sys
from rollcall.console.__main__ import main
import rollcall.console.app, rollcall.console.broker
os.setgid(65534); os.setuid(65534)
sys.exit(main())
"""
AS_NOBODY = [sys.executable, "-c", BECOME_NOBODY, "broker"]


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that the account `mosquitto` may enter; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[OwnBroker]:
    with OwnBroker() as broker:
        yield broker


def init(folder: Path, *arguments: str) -> str:
    done = rollcall("broker", "init", "--folder", str(folder), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as knocking:
        return knocking.connect_ex(str(path)) == 0


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_makes_nothing_and_says_what_it_would(base: Path) -> None:
    said = init(base / "broker", "--dry-run")
    assert "would make a certificate authority" in said
    assert "would issue a certificate for the service recorder" in said
    assert "Nothing was changed." in said
    assert list(base.iterdir()) == []


def test_a_second_run_changes_nothing_and_says_so(base: Path) -> None:
    init(base / "broker")
    before = contents(base)
    assert "is as it should be; nothing was changed." in init(base / "broker")
    assert contents(base) == before


@pytest.mark.parametrize("profile", Profile)
def test_nobody_but_the_owner_reads_a_file(base: Path, profile: Profile) -> None:
    init(base / "broker", "--profile", profile)
    modes = {name: stat.S_IMODE(mode) for name, (mode, _) in contents(base / "broker").items()}
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
    assert stat.S_IMODE((base / "broker").stat().st_mode) & 0o007 == 0


def test_every_service_gets_what_the_profile_asks_for(base: Path) -> None:
    init(base / "tls")
    assert (base / "tls/identities/recorder/certificate.crt").exists()
    assert not (base / "tls/identities/recorder/password").exists()
    init(base / "password", "--profile", "password")
    assert not (base / "password/identities/recorder/certificate.crt").exists()
    assert (base / "password/identities/recorder/password").exists()


def test_what_is_missing_is_made_again_and_the_rest_is_left(base: Path) -> None:
    init(base / "broker")
    before = contents(base)
    (base / "broker/identities/lcd/certificate.crt").unlink()
    said = init(base / "broker")
    changed = {name for name, found in contents(base).items() if before.get(name) != found}
    assert "issue a certificate for the service lcd" in said
    assert changed == {
        "broker/identities/lcd/certificate.crt",
        "broker/identities/lcd/key.pem",
        "broker/pki/issued.json",
    }


def test_a_further_name_gives_a_new_server_certificate_and_stays(base: Path) -> None:
    init(base / "broker", "--name", "hub.lan")
    authority = (base / "broker/pki/ca.crt").read_bytes()
    said = init(base / "broker", "--name", "10.1.2.3")
    assert "hub.lan" in said
    assert "10.1.2.3" in said
    assert (base / "broker/pki/ca.crt").read_bytes() == authority
    assert "nothing was changed" in init(base / "broker")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--name", "no such/name"), "neither a host name nor an address"),
        (("--service", "pi-3"), "is no service"),
        (("--service", "recorder-+"), "cannot be the <name>"),
    ],
)
def test_a_bad_wish_is_refused_in_words(
    base: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = rollcall("broker", "init", "--folder", str(base / "broker"), *arguments)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "try: " in done.stderr
    assert list(base.iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="only root hands files to another account")
def test_a_folder_that_the_broker_cannot_enter_is_refused_in_words(base: Path) -> None:
    (base / "closed").mkdir(0o700)
    done = rollcall("broker", "init", "--folder", str(base / "closed/broker"))
    assert done.returncode == 1
    assert "the account mosquitto cannot enter" in done.stderr
    assert "try: rollcall broker init --folder /etc/rollcall/broker" in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root hands files to another account")
def test_the_broker_can_change_neither_its_access_list_nor_the_authority(base: Path) -> None:
    init(base / "broker")
    for name in ("pki/ca.key", "pki/issued.json", "broker.json", "identities/admin/key.pem"):
        assert (base / "broker" / name).stat().st_uid == 0
    for folder in (base / "broker", base / "broker/pki"):
        assert folder.stat().st_uid == 0
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_a_user_without_rights_has_a_broker_too(base: Path) -> None:
    os.chown(base, 65_534, 65_534)
    environment = os.environ | {"HOME": str(base)}
    folder, port = str(base / "broker"), free_port()
    done = subprocess.run(
        [*AS_NOBODY, "init", "--folder", folder, "--port", str(port)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    command = [*AS_NOBODY, "run", "--folder", folder]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            wait_until(lambda: listens(base / "broker/state/operator.sock"), what="the broker")
        finally:
            process.terminate()
        assert process.wait(10) == 0


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
@pytest.mark.skipif(not is_free(8883), reason="a broker of this machine has the default port")
def test_run_makes_the_users_own_broker_where_there_is_none(base: Path) -> None:
    os.chown(base, 65_534, 65_534)
    environment = os.environ | {"HOME": str(base), "XDG_DATA_HOME": str(base / "data")}
    made = base / "data/rollcall/broker"
    with subprocess.Popen([*AS_NOBODY, "run"], stdout=subprocess.PIPE, env=environment) as process:
        try:
            wait_until(lambda: listens(made / "state/operator.sock"), what="the broker")
        finally:
            process.terminate()
        said, _ = process.communicate()
        assert process.returncode == 0
    assert b"certificate authority" in said
    named = base / "elsewhere"
    refused = subprocess.run(
        [*AS_NOBODY, "run", "--folder", named],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (refused.returncode, f"{named} holds no broker" in refused.stderr) == (1, True)


def test_json_names_what_was_done(base: Path) -> None:
    answer = json.loads(init(base / "broker", "--dry-run", "--json"))
    assert answer["schema"] == 1
    assert answer["dry_run"] is True
    assert any("certificate authority" in change for change in answer["changes"])


def test_a_second_broker_of_the_folder_refuses_to_start(running: OwnBroker) -> None:
    done = rollcall("broker", "run", "--folder", str(running.folder))
    assert done.returncode == 1
    assert "is already running" in done.stderr


def test_a_taken_port_is_named(running: OwnBroker, base: Path) -> None:
    init(base / "broker", "--port", str(running.port))
    done = rollcall("broker", "run", "--folder", str(base / "broker"))
    assert done.returncode == 1
    assert f"port {running.port} is taken" in done.stderr


def test_a_further_service_is_let_in_by_the_running_broker(running: OwnBroker) -> None:
    said = init(running.folder, "--service", "recorder-2")
    assert "The running broker has read it" in said
    with Probe(running.door("recorder-2")) as probe:
        assert probe.publish("rollcall/v1/service/recorder-2/status") != 0x87
        assert probe.publish("rollcall/v1/service/recorder/status") == 0x87


def test_a_broker_that_was_killed_comes_back_with_its_files() -> None:
    with OwnBroker() as broker:
        broker.restart_killed()
        assert is_restricting(broker.opened)
        assert broker.stop() == 0
        broker.start()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty: denies even what is needed"),
        pytest.param("topik write everything\n", id="unknown word"),
        pytest.param("pattern readwrite #\n", id="allows everything"),
    ],
)
def test_a_broken_access_list_is_found_before_it_is_in_force(text: str) -> None:
    with pytest.raises(BrokerFolderError):
        try_access_list(text, "rollcall")


@pytest.mark.parametrize("text", ["topik nonsense\n", "pattern readwrite #\n"])
def test_a_reload_never_opens_the_broker(running: OwnBroker, text: str) -> None:
    broker = running.opened
    good = broker.access_file.read_text()
    try:
        write_private(broker.access_file, text)
        with pytest.raises(BrokerFolderError):
            reload(broker)
        assert is_restricting(broker)
    finally:
        write_private(broker.access_file, good)
    assert reload(broker)


def test_mosquitto_itself_fails_open_which_is_why_a_list_is_tried_first(
    running: OwnBroker,
) -> None:
    broker = running.opened
    good = broker.access_file.read_text()
    write_private(broker.access_file, "topik nonsense\n")
    broker.hang_up()
    wait_until(lambda: not is_restricting(broker), what="Mosquitto failing open")
    write_private(broker.access_file, good)
    assert reload(broker)
    assert is_restricting(broker)


def test_a_broker_that_cannot_prove_itself_after_a_reload_is_stopped() -> None:
    with OwnBroker() as running:
        broker = running.opened
        broker.password_file.unlink()
        with pytest.raises(BrokerFolderError, match="the broker was stopped"):
            reload(broker)
        wait_until(lambda: broker.running() is None, what="its end")
        running.stop()
        init(running.folder)
        running.start()


def test_a_folder_too_deep_for_a_socket_is_refused_in_words(base: Path) -> None:
    done = rollcall("broker", "init", "--folder", str(base / ("deep" * 25)))
    assert done.returncode == 1
    assert "too long a path for a socket" in done.stderr


def test_an_end_of_mosquitto_ends_the_command_with_words(base: Path) -> None:
    init(base / "broker", "--port", str(free_port()))
    command = [sys.executable, "-m", "rollcall.console", "broker", "run"]
    with subprocess.Popen(
        [*command, "--folder", str(base / "broker")], stderr=subprocess.PIPE, text=True
    ) as process:
        pid = wait_until(lambda: BrokerFolder.open(base / "broker").running())
        os.kill(pid, signal.SIGKILL)
        _, said = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "mosquitto ended with code -9" in said


def test_an_existing_mosquitto_gets_a_drop_in_and_hears_what_it_changes(base: Path) -> None:
    theirs, port, plain = base / "mosquitto", free_port(), free_port()
    (theirs / "conf.d").mkdir(parents=True)
    (theirs / "run").mkdir()
    (theirs / "run").chmod(0o777)
    conf = theirs / "mosquitto.conf"
    conf.write_text(f"pid_file {theirs}/run/pid\ninclude_dir {theirs}/conf.d\nlog_dest stderr\n")
    (theirs / "conf.d/local.conf").write_text(f"listener {plain} 127.0.0.1\n")
    said = init(base / "broker", "--conf-d", str(theirs / "conf.d"), "--port", str(port))
    assert f"write {theirs}/conf.d/rollcall.conf" in said
    assert f"Also restricted from now on: {theirs}/conf.d/local.conf, line 1" in said
    assert "sudo systemctl restart mosquitto" in said
    command = [str(find_mosquitto()), "-c", str(conf)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            broker = BrokerFolder.open(base / "broker")
            wait_until(lambda: broker.running() == process.pid, what="their pid file")
            wait_until(lambda: listens(base / "broker/state/operator.sock"), what="the broker")
            assert is_restricting(broker)
            with pytest.raises(RefusedError), Probe(Door(port=plain)):
                pass
            assert "nothing was changed" in init(base / "broker")
            assert reload(broker)
        finally:
            process.terminate()


def test_a_drop_in_that_would_clash_is_not_written(base: Path) -> None:
    (base / "conf.d").mkdir()
    (base / "conf.d/theirs.conf").write_text("acl_file /etc/mosquitto/acl\n")
    arguments = ["--folder", str(base / "broker"), "--conf-d", str(base / "conf.d")]
    done = rollcall("broker", "init", *arguments)
    assert done.returncode == 1
    assert "theirs.conf, line 1: acl_file /etc/mosquitto/acl" in done.stderr
    assert sorted(path.name for path in base.iterdir()) == ["conf.d"]
