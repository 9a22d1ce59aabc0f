"""What this machine is called and where it can be reached: what the broker's certificate names."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Final

from rollcall.node_agent.facts import parse_ipv4, parse_ipv6
from rollcall.node_agent.host import LinuxHost

_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_LOCAL: Final = ("localhost",)
_LOOPBACK: Final = ("127.0.0.1", "::1")


def this_machine(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give host names and addresses, those of `names` first, each once.

    Raises ValueError for one of `names` that is neither a host name nor an address.
    """
    hosts, addresses = sort_names(names)
    host = LinuxHost()
    hostname = socket.gethostname()
    found = [hostname, socket.getfqdn(), f"{hostname.partition('.')[0]}.local"]
    hosts += [name for name in found if _HOST_NAME.fullmatch(name) and "arpa" not in name]
    for read, path in ((parse_ipv4, "/proc/net/fib_trie"), (parse_ipv6, "/proc/net/if_inet6")):
        try:
            addresses += read(host.read(path))
        except OSError:
            # A kernel without this version of IP has no such file.
            continue
    return tuple(dict.fromkeys((*hosts, *_LOCAL))), tuple(dict.fromkeys((*addresses, *_LOOPBACK)))


def sort_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part names from addresses. Raises ValueError for what is neither."""
    hosts: list[str] = []
    addresses: list[str] = []
    for name in names:
        try:
            addresses.append(str(ipaddress.ip_address(name)))
        except ValueError:
            if _HOST_NAME.fullmatch(name) is None:
                raise ValueError(f"{name[:80]!r} is neither a host name nor an address") from None
            hosts.append(name)
    return hosts, addresses
