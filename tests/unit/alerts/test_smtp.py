"""Every answer of a mail server, from a real one, and what it means."""

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from rollcall.alerts.delivery import (
    Misconfigured,
    Never,
    Outcome,
    Refused,
    Sent,
    TryAgain,
)
from rollcall.alerts.smtp import SmtpServer
from tests.support.smtp import PASSWORD, USER, Certificate, SmtpUnderTest

MAIL = b"Subject: hello\r\n\r\n.a line that begins with a dot\r\n"
SENDER, READER = "rollcall@example.org", "admin@example.org"

Security = Literal["starttls", "tls", "none"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


def server_at(
    port: int,
    security: Security = "none",
    *,
    ca_file: Path | None = None,
    password: str | None = None,
) -> SmtpServer:
    return SmtpServer(
        host="127.0.0.1",
        port=port,
        security=security,
        sender=SENDER,
        username=USER if password else None,
        password=password,
        ca_file=ca_file,
    )


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_is_sent_with_login_over(security: Security, certificate: Certificate) -> None:
    with SmtpUnderTest(security=security, certificate=certificate, login=True) as smtp:
        server = server_at(smtp.port, security, ca_file=certificate.path, password=PASSWORD)
        assert server.deliver(READER, MAIL) == Sent()
    assert smtp.received == [(READER, MAIL)]
    assert smtp.logins == 1


@pytest.mark.parametrize(
    ("command", "answer", "kind"),
    [
        pytest.param("MAIL", "451 busy", TryAgain, id="put off at MAIL"),
        pytest.param("MAIL", "530 authenticate first", Misconfigured, id="refused at MAIL"),
        pytest.param("RCPT", "450 greylisted", TryAgain, id="greylisted"),
        pytest.param("RCPT", "552 mailbox full", TryAgain, id="mailbox full"),
        pytest.param("RCPT", "550 no such user", Never, id="no such user"),
        pytest.param("DATA", "451 try later", TryAgain, id="put off after DATA"),
        pytest.param("DATA", "421 going down", TryAgain, id="server going down"),
        pytest.param("DATA", "554 looks like spam", Refused, id="refused after DATA"),
    ],
)
def test_an_answer_means(command: str, answer: str, kind: type[Outcome]) -> None:
    with SmtpUnderTest() as smtp:
        smtp.answers[command] = answer
        outcome = server_at(smtp.port).deliver(READER, MAIL)
    assert isinstance(outcome, kind)
    assert answer in getattr(outcome, "why", "")


@pytest.mark.parametrize(
    ("command", "answer", "away"),
    [
        pytest.param("MAIL", "451 busy", True, id="nobody gets in"),
        pytest.param("RCPT", "450 greylisted", False, id="this recipient"),
        pytest.param("RCPT", "421 closing", True, id="closing at RCPT"),
        pytest.param("DATA", "451 try later", False, id="this mail"),
        pytest.param("DATA", "421 going down", True, id="closing after DATA"),
    ],
)
def test_whether_the_server_or_only_this_mail_has_to_wait(
    command: str, answer: str, away: object
) -> None:
    with SmtpUnderTest() as smtp:
        smtp.answers[command] = answer
        outcome = server_at(smtp.port).deliver(READER, MAIL)
    assert isinstance(outcome, TryAgain)
    assert outcome.away is away


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_conversation_is_told_without_secrets(
    security: Security, certificate: Certificate
) -> None:
    told: list[str] = []
    with SmtpUnderTest(security=security, certificate=certificate, login=True) as smtp:
        server = server_at(smtp.port, security, ca_file=certificate.path, password=PASSWORD)
        server.deliver(READER, MAIL, told.append)
    secrets = (PASSWORD, b64encode(PASSWORD.encode()).decode())
    both = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    assert not any(secret in line for line in told for secret in (*secrets, both))
    commands = [line for line in told if line.startswith(">")]
    assert commands[-3:] == [f"> rcpt TO:<{READER}>", "> data", "> quit"]
    assert any(line.startswith("> AUTH ") and line.endswith(" ***") for line in commands)
    assert any(line.startswith("* TLSv1") for line in told)
    assert "< 235 2.7.0 Authentication successful" in told


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param("535 wrong password", Misconfigured, id="refused"),
        pytest.param("454 try later", TryAgain, id="put off"),
    ],
)
def test_an_answer_to_a_login_means(
    answer: str, kind: type[Outcome], certificate: Certificate
) -> None:
    with SmtpUnderTest(security="starttls", certificate=certificate, login=True) as smtp:
        smtp.answers["AUTH"] = answer
        server = server_at(smtp.port, "starttls", ca_file=certificate.path, password=PASSWORD)
        outcome = server.deliver(READER, MAIL)
    assert isinstance(outcome, kind)
    assert smtp.received == []


def test_a_drop_after_the_mail_was_handed_over_is_uncertain() -> None:
    with SmtpUnderTest() as smtp:
        smtp.drop_after_data = True
        outcome = server_at(smtp.port).deliver(READER, MAIL)
    assert isinstance(outcome, TryAgain)
    assert outcome.uncertain
    assert len(smtp.received) == 1


def test_a_server_out_of_reach_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = server_at(unused.getsockname()[1]).deliver(READER, MAIL)
    assert isinstance(outcome, TryAgain)
    assert not outcome.uncertain


def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    server = SmtpServer("no-such-host.invalid", 25, "none", SENDER)
    assert isinstance(server.deliver(READER, MAIL), TryAgain)


@contextmanager
def _greeting(text: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(text)
                if text:
                    connection.recv(100)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        pytest.param(b"554 go away\r\n", Misconfigured, id="refused at the greeting"),
        pytest.param(b"421 too many\r\n", TryAgain, id="put off at the greeting"),
        pytest.param(b"", TryAgain, id="closed before the greeting"),
    ],
)
def test_a_greeting_means(greeting: bytes, kind: type[Outcome]) -> None:
    with _greeting(greeting) as port:
        assert isinstance(server_at(port).deliver(READER, MAIL), kind)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_unknown_authority_gets_no_mail(security: Security, certificate: Certificate) -> None:
    with SmtpUnderTest(security=security, certificate=certificate, login=True) as smtp:
        outcome = server_at(smtp.port, security, password=PASSWORD).deliver(READER, MAIL)
    assert isinstance(outcome, Misconfigured)
    assert "certificate" in outcome.why
    assert (smtp.received, smtp.attempts) == ([], 0)


def test_a_certificate_of_another_name_gets_no_mail(tmp_path: Path) -> None:
    other = Certificate(tmp_path, names=("mail.example.org",))
    with SmtpUnderTest(security="tls", certificate=other) as smtp:
        outcome = server_at(smtp.port, "tls", ca_file=other.path).deliver(READER, MAIL)
    assert isinstance(outcome, Misconfigured)


def test_a_server_without_starttls_gets_no_mail_in_clear_text() -> None:
    with SmtpUnderTest() as smtp:
        outcome = server_at(smtp.port, "starttls").deliver(READER, MAIL)
    assert isinstance(outcome, Misconfigured)
    assert smtp.received == []


def test_a_server_that_knows_no_login_gets_no_mail_without_one(certificate: Certificate) -> None:
    with SmtpUnderTest(security="tls", certificate=certificate) as smtp:
        server = server_at(smtp.port, "tls", ca_file=certificate.path, password=PASSWORD)
        assert isinstance(server.deliver(READER, MAIL), Misconfigured)


def test_a_missing_ca_file_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    outcome = server_at(25, "tls", ca_file=tmp_path / "none.pem").deliver(READER, MAIL)
    assert isinstance(outcome, Misconfigured)
    assert "ca_file" in outcome.why


def test_the_password_does_not_show_in_the_server_s_description() -> None:
    assert PASSWORD not in repr(server_at(25, "tls", password=PASSWORD))
