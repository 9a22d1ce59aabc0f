"""What a node gets becomes files that only it reads, and nothing of its own is lost."""

import datetime as dt
import stat
from pathlib import Path

import pytest

from rollcall.broker.certificates import CredentialError, new_request
from rollcall.broker.credentials import Authority
from rollcall.broker.enrolment import EnrolmentError, Welcome
from rollcall.console.node_files import NodeFiles
from rollcall.service import config

NOW = dt.datetime(2026, 11, 21, 14, 0, tzinfo=dt.UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "pki", name="test", now=NOW)


def welcomed(authority: Authority, node: str = "pi-7") -> tuple[Welcome, str]:
    request, key = new_request(node)
    certificate = authority.sign_request(request, node, now=NOW)
    told = {"node": node, "host": "hub.lan", "port": 8883, "certificate": certificate}
    return Welcome.model_validate({**told, "authority": authority.certificate_pem}), key


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    return NodeFiles(tmp_path / "etc/rollcall")


def contents(files: NodeFiles) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in files.folder.iterdir()}


def test_the_agent_can_read_the_configuration_that_a_join_writes(
    authority: Authority, files: NodeFiles
) -> None:
    files.install(*welcomed(authority))
    settings = config.load(files.configuration, {})
    assert settings.agent.node == "pi-7"
    broker = settings.broker
    assert (broker.host, broker.port, broker.prefix) == ("hub.lan", 8883, "rollcall")
    named = [broker.ca_file, broker.certificate_file, broker.key_file]
    assert [path and path.is_file() for path in named] == [True] * 3


def test_another_prefix_is_carried_over(authority: Authority, files: NodeFiles) -> None:
    welcome, key = welcomed(authority)
    files.install(welcome.model_copy(update={"prefix": "attic"}), key)
    assert config.load(files.configuration, {}).broker.prefix == "attic"


def test_a_password_takes_the_place_of_the_certificate(
    authority: Authority, files: NodeFiles
) -> None:
    welcome, key = welcomed(authority)
    changed = {"certificate": None, "password": "s3cret"}
    assert files.install(welcome.model_copy(update=changed), key) is None
    broker = config.load(files.configuration, {}).broker
    assert broker.username == "pi-7"
    assert broker.password_file is not None
    assert broker.password_file.read_text("utf-8") == "s3cret\n"
    assert set(contents(files)) == {"rollcall.toml", "ca.crt", "password"}


def test_only_the_owner_can_read_any_of_it(authority: Authority, files: NodeFiles) -> None:
    files.install(*welcomed(authority))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


def test_a_renewal_replaces_the_credentials_and_keeps_the_configuration(
    authority: Authority, files: NodeFiles
) -> None:
    files.install(*welcomed(authority))
    edited = files.configuration.read_text("utf-8") + 'description = "rack 2"\n'
    files.configuration.write_text(edited, "utf-8")
    before = contents(files)
    files.install(*welcomed(authority))
    after = contents(files)
    assert after["rollcall.toml"] == edited
    assert after["node.key"] != before["node.key"]
    assert after["node.crt"] != before["node.crt"]


@pytest.mark.parametrize(
    "found", ["", '[agent]\nnode = "pi-7"\n', "other"], ids=["empty", "by hand", "another node's"]
)
def test_a_configuration_that_is_not_of_this_node_is_never_touched(
    authority: Authority, files: NodeFiles, found: str
) -> None:
    if found == "other":
        files.install(*welcomed(authority, "pi-8"))
    else:
        files.folder.mkdir(parents=True)
        files.configuration.write_text(found, "utf-8")
    before = contents(files)
    with pytest.raises(EnrolmentError, match="--folder DIR"):
        files.install(*welcomed(authority))
    assert contents(files) == before


def test_a_certificate_for_another_key_is_refused_before_anything_is_written(
    authority: Authority, files: NodeFiles
) -> None:
    welcome, _ = welcomed(authority)
    with pytest.raises(CredentialError, match="not for our key"):
        files.install(welcome, new_request("pi-7")[1])
    assert not files.folder.exists()
