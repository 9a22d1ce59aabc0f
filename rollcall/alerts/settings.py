"""The `[mail]` section as a way out for mails: a server, or a folder. All faults at once."""

import ipaddress
from dataclasses import dataclass
from email.utils import parseaddr
from types import MappingProxyType
from typing import Final

from rollcall.alerts import folder
from rollcall.alerts.folder import MailFolder
from rollcall.alerts.smtp import SmtpServer
from rollcall.service.config import ConfigError, Fault, read_secret
from rollcall.service.settings import Mail

_PORTS: Final = MappingProxyType({"starttls": 587, "tls": 465, "none": 25})


@dataclass(frozen=True, slots=True)
class WayOut:
    """How a mail leaves: by `transport`, to each of `recipients`.

    `sender` and `to` stand in the letter, `recipients` are bare addresses for the envelope; a
    folder is one recipient.
    """

    transport: MailFolder | SmtpServer
    recipients: tuple[str, ...]
    sender: str
    to: tuple[str, ...]

    @property
    def told(self) -> str:
        """Where mails go, in words."""
        if isinstance(self.transport, MailFolder):
            return f"mails go as files into {self.transport.path / 'new'}: [mail] host is not set"
        server = self.transport
        return (
            f"mails to {', '.join(self.recipients)} go through {server.host}:{server.port} "
            f"(security {server.security})"
        )


def way_out(mail: Mail) -> WayOut:
    """Give the way out that the settings ask for. Raises ConfigError, without any secret in it."""
    faults = [_bad("from", mail.sender), *(_bad("to", address) for address in mail.to)]
    faults += [_clear_text_password(mail), _half_a_login(mail)]
    found = [Fault("", f"[mail] {text}") for text in faults if text]
    if found:
        raise ConfigError("the settings", found)
    to = tuple(mail.to)
    if not mail.host:
        return WayOut(MailFolder(mail.folder), (folder.RECIPIENT,), mail.sender, to)
    server = SmtpServer(
        host=mail.host,
        port=mail.port or _PORTS[mail.security],
        security=mail.security,
        sender=parseaddr(mail.sender)[1],
        username=mail.username,
        password=read_secret(mail.password_file) if mail.password_file else None,
        ca_file=mail.ca_file,
    )
    bare = dict.fromkeys(parseaddr(address)[1] for address in to)
    return WayOut(server, tuple(bare), mail.sender, to)


def _bad(key: str, written: str) -> str:
    address = parseaddr(written)[1]
    local, at, domain = address.rpartition("@")
    is_plain = written.isprintable() and address.isascii() and " " not in address
    if local and at and domain and is_plain:
        return ""
    return f'{key}: {written[:80]!r} is no mail address; write "name@example.org"'


def _clear_text_password(mail: Mail) -> str:
    if mail.security != "none" or mail.username is None or not mail.host or _is_here(mail.host):
        return ""
    return 'security: "none" would send the password in clear text; use "starttls" or "tls"'


def _half_a_login(mail: Mail) -> str:
    if mail.username is None and mail.password_file is not None:
        return "password_file: there is no username beside it"
    if mail.username is not None and mail.password_file is None:
        return "username: there is no password_file beside it"
    return ""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
