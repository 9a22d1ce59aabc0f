"""The `[mail]` section as ways out: a server or a folder, webhooks, Apprise. All faults at once."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from types import MappingProxyType
from typing import Final

from rollcall.alerts import apprise_channel, folder
from rollcall.alerts.apprise_channel import AppriseChannel
from rollcall.alerts.delivery import MAIL_CHANNEL, Outcome
from rollcall.alerts.folder import MailFolder
from rollcall.alerts.receivers import APPRISE, DEFAULT, WEBHOOK, Receiver
from rollcall.alerts.smtp import SmtpServer
from rollcall.alerts.webhook import Webhook
from rollcall.service.config import ConfigError, Fault, read_secret
from rollcall.service.settings import Mail, per_second
from rollcall.service.settings import Receiver as ReceiverSettings

_PORTS: Final = MappingProxyType({"starttls": 587, "tls": 465, "none": 25})

Deliver = Callable[[str, bytes], Outcome]


@dataclass(frozen=True, slots=True)
class WayOut:
    """How messages leave: mails by `transport`, `others` by their channel; and to whom.

    `sender` stands in the letter; `receivers` are by name, `default` always among them.
    """

    transport: MailFolder | SmtpServer
    others: Mapping[str, Deliver]
    receivers: Mapping[str, Receiver]
    sender: str

    @property
    def told(self) -> str:
        """Where messages go, in words."""
        programs = f"; also {', '.join(sorted(self.others))}" if self.others else ""
        if isinstance(self.transport, MailFolder):
            place = self.transport.path / "new"
            return f"mails go as files into {place}: [mail] host is not set{programs}"
        server = self.transport
        people = {one for receiver in self.receivers.values() for one in receiver.recipients}
        people -= self.others.keys()
        return (
            f"mails to {', '.join(sorted(people))} go through {server.host}:{server.port} "
            f"(security {server.security}){programs}"
        )

    @property
    def routes(self) -> dict[str, Deliver]:
        """How to deliver, by channel."""
        return {MAIL_CHANNEL: self.transport.deliver, **self.others}


def way_out(mail: Mail) -> WayOut:
    """Give the way out that the settings ask for. Raises ConfigError, without any secret in it."""
    found = [Fault("", f"[mail] {text}") for text in _faults(mail) if text]
    if found:
        raise ConfigError("the settings", found)
    others: dict[str, Deliver] = {}
    receivers = {}
    for name, table in {DEFAULT: ReceiverSettings(), **mail.receivers}.items():
        to = tuple(table.to) or (tuple(mail.to) if name == DEFAULT else ())
        programs = _programs(name, table)
        others |= programs
        receivers[name] = _receiver(name, table, to, tuple(programs), mail)
    return WayOut(_transport(mail), others, receivers, mail.sender)


def _receiver(
    name: str, table: ReceiverSettings, to: tuple[str, ...], programs: tuple[str, ...], mail: Mail
) -> Receiver:
    bare = dict.fromkeys(parseaddr(address)[1] for address in to)
    people = tuple(bare) if mail.host else (folder.RECIPIENT,) * bool(to)
    max_rate = table.max_rate or mail.max_rate
    return Receiver(
        name=name,
        to=to or (mail.sender,),
        recipients=(*people, *programs),
        max_rate=max_rate,
        per_second=per_second(max_rate),
        burst=mail.burst,
    )


def _programs(name: str, table: ReceiverSettings) -> dict[str, Deliver]:
    found: dict[str, Deliver] = {}
    if table.webhook is not None:
        secret = table.webhook_secret_file and read_secret(table.webhook_secret_file).encode()
        found[f"{WEBHOOK}{name}"] = Webhook(
            table.webhook, secret or None, table.webhook_ca_file
        ).deliver
    if table.apprise_file is not None:
        lines = (line.strip() for line in read_secret(table.apprise_file).splitlines())
        urls = tuple(line for line in lines if line and not line.startswith("#"))
        found[f"{APPRISE}{name}"] = AppriseChannel(urls).deliver
    return found


def _transport(mail: Mail) -> MailFolder | SmtpServer:
    if not mail.host:
        return MailFolder(mail.folder)
    return SmtpServer(
        host=mail.host,
        port=mail.port or _PORTS[mail.security],
        security=mail.security,
        sender=parseaddr(mail.sender)[1],
        username=mail.username,
        password=read_secret(mail.password_file) if mail.password_file else None,
        ca_file=mail.ca_file,
        ehlo=mail.ehlo,
    )


def _faults(mail: Mail) -> list[str]:
    found = [fault_of_address("from", mail.sender)]
    found += [fault_of_address("to", address) for address in mail.to]
    for name, table in mail.receivers.items():
        found += [fault_of_address(f"receivers.{name}.to", address) for address in table.to]
        found.append(_reaches_nobody(name, table))
        if table.apprise_file is not None and not apprise_channel.is_installed():
            found.append(
                f"receivers.{name}.apprise_file: needs the package apprise; "
                "pip install 'rollcall-mqtt[apprise]'"
            )
    return [*found, _clear_text_password(mail), _half_a_login(mail)]


def _reaches_nobody(name: str, table: ReceiverSettings) -> str:
    if name == DEFAULT or table.to or table.webhook or table.apprise_file:
        return ""
    return f"receivers.{name}: reaches nobody; set to, webhook or apprise_file"


def fault_of_address(key: str, written: str) -> str:
    """Say what is wrong with an address, or nothing."""
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
