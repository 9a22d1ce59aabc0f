"""Where the dashboard listens, and whether that is safe.

Plain HTTP leaves this machine under no circumstances: elsewhere than on loopback there is a
certificate, or a proxy that has one and says so in the configuration.
"""

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from rollcall.service.config import ConfigError, Fault
from rollcall.service.settings import Dashboard

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class ListenError(RuntimeError):
    """The address cannot be had; the text says why and what to set."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Address and port, with or without TLS; `hosts` are the names by which it may be asked for."""

    host: str
    port: int
    certificate_file: Path | None
    key_file: Path | None
    hosts: tuple[str, ...]
    secure: bool

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        scheme = "https" if self.certificate_file else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{self.port}"  # noqa: S104 - compared


def listening(settings: Dashboard) -> Listening:
    """Read `[dashboard]`. Raises ConfigError for an address that would be open without TLS."""
    host, _, port = settings.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535 or not host:  # noqa: PLR2004 - ports
        raise _fault('listen is an address and a port, such as "127.0.0.1:8080"')
    if (settings.certificate_file is None) != (settings.key_file is None):
        raise _fault("certificate_file and key_file belong together; set both")
    has_tls = settings.certificate_file is not None
    if not (_is_loopback(host) or has_tls or settings.behind_proxy):
        raise _fault(
            f"{host} is reached from outside, and passwords would cross the network in the open; "
            "set certificate_file and key_file, or behind_proxy = true where a proxy has TLS"
        )
    return Listening(
        host,
        int(port),
        settings.certificate_file,
        settings.key_file,
        hosts=(*_LOOPBACK_NAMES, *settings.allowed_hosts),
        secure=has_tls or settings.behind_proxy,
    )


def listen(place: Listening) -> list[socket.socket]:
    """Open the socket. Raises ListenError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return [socket.create_server((place.host, place.port), family=family, backlog=128)]
    except OSError as error:
        raise ListenError(
            f"cannot listen on {place.host} port {place.port}: {error.strerror}; "
            "set another address or port: [dashboard] listen"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fault(text: str) -> ConfigError:
    return ConfigError("the configuration", [Fault("[dashboard]", text)])
