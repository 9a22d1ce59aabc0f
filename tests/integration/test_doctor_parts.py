"""What cannot be ill together: certificates, a broker away, configurations, databases."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.broker.certificates import Purpose
from rollcall.broker.mosquitto import free_port
from rollcall.console.doctor.findings import exit_code
from rollcall.recorder.store import Store
from tests.support.doctor import (
    TlsBroker,
    authority,
    configured,
    credential,
    findings,
    found,
    require_runnable,
)
from tests.support.old_database import make_old


@pytest.mark.parametrize(
    ("hosts", "valid_for_days", "text", "remedy"),
    [
        pytest.param(["127.0.0.1"], -3, "has expired, or this clock is ahead",
                     "rollcall broker init", id="expired"),
        pytest.param(["hub.lan"], 300, "does not name 127.0.0.1",
                     "rollcall broker init --name 127.0.0.1", id="wrong host name"),
    ],
)  # fmt: skip
def test_a_certificate_of_the_broker_that_cannot_be_used_is_found(
    tmp_path: Path, hosts: list[str], valid_for_days: int, text: str, remedy: str
) -> None:
    ca = authority()
    server = credential(ca, "hub", Purpose.SERVER, valid_for_days=valid_for_days, hosts=hosts)
    with TlsBroker(tmp_path / "broker", ca, server) as broker:
        section = {"port": broker.port, "ca_file": str(broker.ca_file)}
        told = findings(configured(tmp_path, broker=section))
    finding = found(told, "broker", text)
    require_runnable(finding.remedy)
    assert finding.remedy.startswith(remedy)
    assert exit_code(told) == 5


def test_certificates_near_their_end_are_found(tmp_path: Path) -> None:
    ca = authority()
    server = credential(ca, "hub", Purpose.SERVER, valid_for_days=20, hosts=["127.0.0.1"])
    own = credential(ca, "admin", Purpose.CLIENT, valid_for_days=-2)
    (tmp_path / "own.crt").write_text(own.certificate_pem)
    (tmp_path / "own.key").write_text(own.key_pem)
    (tmp_path / "own.key").chmod(0o600)
    with TlsBroker(tmp_path / "broker", ca, server) as broker:
        section = {
            "port": broker.port,
            "ca_file": str(broker.ca_file),
            "certificate_file": str(tmp_path / "own.crt"),
            "key_file": str(tmp_path / "own.key"),
        }
        told = findings(configured(tmp_path, broker=section))
    assert "is valid for 20 days only" in found(told, "certificate", "the broker's").text
    expired = found(told, "certificate", "the certificate of admin has expired")
    assert (expired.verdict, expired.why or "", expired.code) == ("critical", "", None)
    require_runnable(expired.remedy)


def test_a_broker_that_is_not_there_is_found(tmp_path: Path) -> None:
    file = configured(tmp_path, broker={"port": free_port()})
    told = findings(file)
    finding = found(told, "broker", "nobody listens on 127.0.0.1:")
    assert finding.remedy == "sudo systemctl restart mosquitto"
    assert exit_code(told) == 5


@pytest.mark.parametrize(
    ("text", "fault", "remedy"),
    [
        pytest.param('[broker]\nhots = "hub"\n', 'did you mean "host"?',
                     "rollcall config explain broker.host", id="unknown key"),
        pytest.param("[broker]\nport = 99999\n", "[broker] port:",
                     "rollcall config explain broker.port", id="wrong value"),
        pytest.param("[broker\n", "is not TOML", "rollcall config check", id="no TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_configuration_is_found(
    tmp_path: Path, text: str, fault: str, remedy: str
) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_text(text)
    told = findings(file)
    finding = found(told, "configuration", fault)
    require_runnable(finding.remedy)
    assert finding.remedy.startswith(remedy)
    assert exit_code(told) == 78


def _newer(path: Path) -> None:
    with Store(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _older(path: Path) -> None:
    make_old(f"sqlite:///{path}")


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def _corrupt(path: Path) -> None:
    with Store(f"sqlite:///{path}"):
        pass
    content = bytearray(path.read_bytes())
    content[4096:40960] = b"\xa5" * (40960 - 4096)
    path.write_bytes(content)


def _rotten(path: Path) -> None:
    """Damage a table that nobody reads to look whether the database is there."""
    with Store(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'event'"
        ((page,),) = connection.execute(query).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(content)


def _absent(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("plant", "text", "remedy", "code"),
    [
        pytest.param(_newer, "has schema 9999", "pip install --upgrade", 78, id="newer schema"),
        pytest.param(_older, "has schema 0001", "rollcall db upgrade --dry-run", 5,
                     id="older schema"),
        pytest.param(_foreign, "is no database of Rollcall", "rollcall config explain", 78,
                     id="another program's"),
        pytest.param(_corrupt, "", "rollcall restore --help", 5, id="corrupt"),
        pytest.param(_rotten, "is damaged:", "rollcall restore --help", 5, id="damaged page"),
        pytest.param(_absent, "there is no", "rollcall config explain recorder.database", 5,
                     id="missing"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_found(
    tmp_path: Path, plant: object, text: str, remedy: str, code: int
) -> None:
    path = tmp_path / "other.db"
    assert callable(plant)
    plant(path)
    url = f"sqlite:///{path}"
    # No broker either, which is code 5.
    file = configured(tmp_path, broker={"port": free_port()}, recorder={"database": url})
    told = findings(file)
    finding = found(told, "database", text)
    assert finding.verdict != "ok"
    require_runnable(finding.remedy)
    assert finding.remedy.startswith(remedy)
    assert exit_code(told) == code
