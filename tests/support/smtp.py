"""A real SMTP server of the test's own: STARTTLS, TLS or neither, and every bad answer."""

import ssl
from asyncio import Transport
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollcall.broker.mosquitto import free_port

USER, PASSWORD = "rollcall", "correct horse battery"


class Certificate:
    """A self-signed certificate for `names`; `path` is also its own authority."""

    def __init__(self, folder: Path, *, names: tuple[str, ...] = ("127.0.0.1",)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail under test")])
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        begin = datetime.now(UTC) - timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.path = folder / "mail.crt"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_path = folder / "mail.key"
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(self.path, key_path)


class SmtpUnderTest:
    """An SMTP server on loopback; a context manager.

    `answers` replaces an answer (`MAIL`, `RCPT`, `RCPT <address>`, `DATA`, `AUTH`); a mail that
    holds the bytes `spam` is refused; with `drop_after_data` a mail is taken and the connection cut
    before the answer. `received` holds
    (recipient, bytes) of every mail taken, whatever was answered; `logins` counts good ones.
    """

    def __init__(
        self,
        *,
        security: Literal["starttls", "tls", "none"] = "none",
        certificate: Certificate | None = None,
        login: bool = False,
    ) -> None:
        self.port = free_port()
        self.answers: dict[str, str] = {}
        self.drop_after_data = False
        self.spam = b"\0"
        self.received: list[tuple[str, bytes]] = []
        self.attempts = 0
        self.logins = 0
        context = certificate.context if certificate else None
        options: dict[str, Any] = {}
        if security == "starttls":
            options = {"tls_context": context, "require_starttls": True}
        if login:
            options |= {
                "authenticator": self._authenticate,
                # aiosmtpd takes TLS from the first byte for none, and warns of that.
                "auth_required": security == "starttls",
                "auth_require_tls": security == "starttls",
            }
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if security == "tls" else None,
            **options,
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails received, as a mail program reads them."""
        return [message_from_bytes(content, policy=default) for _, content in self.received]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        self.attempts += 1
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get(f"RCPT {address}") or self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.original_content or b""
        if self.spam in content:
            return "554 looks like spam"
        self.received += [(address, content) for address in envelope.rcpt_tos]
        if self.drop_after_data:
            assert isinstance(server.transport, Transport)
            server.transport.abort()
        return self.answers.get("DATA", "250 OK")

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: object
    ) -> AuthResult:
        self.attempts += 1
        if "AUTH" in self.answers:
            return AuthResult(success=False, handled=False, message=self.answers["AUTH"])
        expected = LoginPassword(USER.encode(), PASSWORD.encode())
        self.logins += login == expected
        return AuthResult(success=login == expected, handled=False)
