"""The configuration of the broker: the text, the hashes, the versions."""

import subprocess
from pathlib import Path

import pytest

from rollcall.broker.mosquitto import MosquittoError, require_supported, version_in
from rollcall.broker.mosquitto_conf import (
    Places,
    Profile,
    drop_in_configuration,
    hardened_configuration,
    loopback_configuration,
)
from rollcall.broker.passwords import (
    SALT_BYTES,
    is_password,
    password_line,
    users,
    with_password,
    without_user,
)

GOLDEN = Path(__file__).parents[2] / "golden/broker"
B = Path("/etc/rollcall/broker")
PLACES = Places(
    access_list=B / "acl",
    passwords=B / "passwd",
    authority=B / "pki/ca.crt",
    certificate=B / "pki/broker.crt",
    key=B / "pki/broker.key",
    revocations=B / "pki/crl.pem",
    state=Path("/var/lib/rollcall-broker"),
    pid=Path("/var/lib/rollcall-broker/mosquitto.pid"),
    socket=Path("/var/lib/rollcall-broker/operator.sock"),
    user="mosquitto",
)
SALT = bytes(range(SALT_BYTES))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tls.conf", hardened_configuration(Profile.TLS, 8883, PLACES)),
        ("password.conf", hardened_configuration(Profile.PASSWORD, 8883, PLACES)),
        ("drop-in.conf", drop_in_configuration(Profile.TLS, 8883, PLACES)),
        ("loopback.conf", loopback_configuration(1883)),
    ],
)
def test_each_configuration_is_the_golden_one(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text("utf-8")


def test_a_broker_on_the_network_lets_nobody_in_unnamed() -> None:
    for profile in (Profile.TLS, Profile.PASSWORD):
        lines = hardened_configuration(profile, 8883, PLACES).splitlines()
        assert "allow_anonymous false" in lines
        assert not any(line.startswith("message_size_limit") for line in lines)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("mosquitto version 2.0.11\n\nmosquitto is", (2, 0, 11), id="Debian 12"),
        pytest.param("mosquitto version 2.1.0~rc1\n", (2, 1, 0), id="a candidate"),
        pytest.param("mosquitto: not found", None, id="none"),
    ],
)
def test_the_version_is_read_from_the_help(text: str, version: tuple[int, int, int] | None) -> None:
    assert version_in(text) == version


@pytest.mark.parametrize("version", ["1.5.7", "2.0.10"])
def test_an_older_mosquitto_is_refused_in_words(tmp_path: Path, version: str) -> None:
    with pytest.raises(MosquittoError, match=rf"{version}; 2\.0\.11 or newer is needed"):
        require_supported(_pretended(tmp_path, version))


@pytest.mark.parametrize("version", ["2.0.11", "2.0.21", "2.1.2"])
def test_a_newer_mosquitto_is_taken(tmp_path: Path, version: str) -> None:
    assert require_supported(_pretended(tmp_path, version)) == version


def _pretended(folder: Path, version: str) -> Path:
    program = folder / "mosquitto"
    program.write_text(f"#!/bin/sh\necho mosquitto version {version}\nexit 3\n")
    program.chmod(0o755)
    return program


def test_the_hash_is_that_of_mosquitto_passwd(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", path, "pi-3", "correct horse"], check=True)
    assert is_password(path.read_text(), "pi-3", "correct horse")
    assert not is_password(path.read_text(), "pi-3", "correct house")
    assert not is_password(path.read_text(), "pi-4", "correct horse")


def test_a_password_replaces_an_earlier_one_and_leaves_the_others() -> None:
    text = with_password("", "pi-3", "old", SALT)
    text = with_password(text, "pi-4", "other", SALT)
    text = with_password(text, "pi-3", "new", SALT)
    assert users(text) == {"pi-3", "pi-4"}
    assert is_password(text, "pi-3", "new")
    assert not is_password(text, "pi-3", "old")
    assert is_password(text, "pi-4", "other")


def test_a_removed_user_is_gone_and_no_other() -> None:
    text = with_password(with_password("", "pi", "a", SALT), "pi-3", "b", SALT)
    assert users(without_user(text, "pi")) == {"pi-3"}
    assert without_user(without_user(text, "pi"), "pi-3") == ""


def test_a_line_has_the_shape_that_mosquitto_reads() -> None:
    _, _, hashed = password_line("pi-3", "x", SALT).partition(":")
    assert [len(part) for part in hashed.split("$")] == [0, 1, 5, 16, 88]
