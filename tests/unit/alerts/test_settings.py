"""Which way mails go, and which settings cannot work."""

from pathlib import Path
from typing import Any

import pytest

from rollcall.alerts.folder import MailFolder
from rollcall.alerts.receivers import named
from rollcall.alerts.settings import way_out
from rollcall.alerts.smtp import SmtpServer
from rollcall.service.config import ConfigError
from rollcall.service.settings import Mail


def mail(**keys: Any) -> Mail:
    return Mail.model_validate({"from": "rollcall@example.org", "to": ["a@example.org"], **keys})


def test_without_a_host_mails_go_into_the_folder(tmp_path: Path) -> None:
    way = way_out(mail(folder=tmp_path, to=["a@example.org", "b@example.org"]))
    assert way.receivers["default"].recipients == ("folder",)
    assert way.transport == MailFolder(tmp_path)
    assert way.told == f"mails go as files into {tmp_path}/new: [mail] host is not set"


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_each_security_has_its_port(security: str, port: int) -> None:
    server = way_out(mail(host="mail.example.org", security=security)).transport
    assert isinstance(server, SmtpServer)
    assert server.port == port


def test_an_address_that_stands_there_twice_gets_one_mail() -> None:
    way = way_out(mail(host="mail.example.org", to=["Ann <a@example.org>", "a@example.org"]))
    receiver = way.receivers["default"]
    assert receiver.recipients == ("a@example.org",)
    assert receiver.to == ("Ann <a@example.org>", "a@example.org")


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    way = way_out(mail(host="localhost", username="u", password_file=tmp_path / "secret"))
    assert isinstance(way.transport, SmtpServer)
    assert way.transport.password == "s3cret"
    assert way.told == "mails to a@example.org go through localhost:587 (security starttls)"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param({"to": ["nobody"]}, "to: 'nobody' is no mail address", id="no domain"),
        pytest.param({"to": ["a@b\r\nBcc: c@d"]}, "is no mail address", id="a line end"),
        pytest.param({"from": "Rollcall"}, "from: 'Rollcall' is no", id="no sender"),
        pytest.param({"username": "u"}, "no password_file beside it", id="half a login"),
        pytest.param({"password_file": "/x"}, "no username beside it", id="the other half"),
        pytest.param(
            {"host": "10.0.0.1", "security": "none", "username": "u", "password_file": "/x"},
            "clear text",
            id="clear text",
        ),
    ],
)
def test_what_cannot_work_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        way_out(mail(**keys))


def test_clear_text_on_this_host_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for host in ("localhost", "127.0.0.1", "::1"):
        way_out(mail(host=host, security="none", username="u", password_file=tmp_path / "secret"))


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        way_out(mail(to=["x", "y"], username="u"))
    assert len(refused.value.faults) == 3


def test_receivers_have_names_rates_and_programs(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "urls").write_text("# chats\njson://127.0.0.1/\n")
    ops = {
        "to": ["ops@example.org"],
        "max_rate": "3/m",
        "webhook": "https://example.org/hook",
        "webhook_secret_file": tmp_path / "secret",
        "apprise_file": tmp_path / "urls",
    }
    way = way_out(mail(host="localhost", receivers={"ops": ops}))
    receiver = way.receivers["ops"]
    assert receiver.recipients == ("ops@example.org", "webhook:ops", "apprise:ops")
    assert (receiver.per_second, receiver.burst) == (3 / 60, 5)
    assert set(way.routes) == {"mail", "webhook:ops", "apprise:ops"}
    assert way.told.endswith("; also apprise:ops, webhook:ops")
    assert "s3cret" not in repr(way)


def test_a_receiver_that_reaches_nobody_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"receivers\.ops: reaches nobody"):
        way_out(mail(receivers={"ops": {}}))


def test_an_address_in_two_receivers_gets_one() -> None:
    ops = {"to": ["a@example.org", "b@example.org"]}
    way = way_out(mail(host="localhost", receivers={"ops": ops}))
    found = [(r.name, to) for r, to in named(("default", "ops", "nobody"), way.receivers)]
    assert found == [("default", ("a@example.org",)), ("ops", ("b@example.org",))]
