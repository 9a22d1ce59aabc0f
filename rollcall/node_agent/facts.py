"""What hardly changes about a host: model, system, addresses.

What a host does not tell is absent.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

import rollcall
from rollcall.broker.messages import FieldInfo, Info
from rollcall.node_agent.collectors.declaration import Declaration
from rollcall.node_agent.collectors.memory import parse_meminfo
from rollcall.node_agent.host import Host
from rollcall.node_agent.spooled import Identity
from rollcall.service.settings import Agent

_BOARD: Final = "/proc/device-tree/model"
_FIRMWARE: Final = ("/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name")
_GLOBAL_SCOPE: Final = "00"
_SERIAL: Final = "/sys/firmware/devicetree/base/serial-number"
_INTERFACES: Final = "/sys/class/net"
_PERMANENT: Final = "0"
_MAX_LINE: Final = 1000


def read_info(
    host: Host,
    settings: Agent,
    *,
    groups: Sequence[str] = (),
    description: str | None = None,
    boot_time_s: float,
    intervals: Mapping[str, int],
    declarations: tuple[Declaration, ...],
) -> Info:
    """Read the facts of a host. What cannot be read is left out.

    `groups` and `description` are what people say of it.
    """
    meminfo = parse_meminfo(_text(host, "/proc/meminfo") or "")
    cores = re.findall(r"^cpu\d+ ", _text(host, "/proc/stat") or "", re.MULTILINE)
    return Info(
        hostname=hostname(host),
        model=_model(host),
        os=parse_os_release(_text(host, "/etc/os-release") or ""),
        kernel=_text(host, "/proc/sys/kernel/osrelease"),
        architecture=host.architecture,
        cpus=len(cores) or None,
        memory_bytes=meminfo.get("MemTotal"),
        addresses=_addresses(host),
        boot=boot_id(host) or None,
        # Before a clock without a battery is set, the host seems to have started before 1970.
        boot_time=boot_time_s if boot_time_s >= 0 else None,
        agent=rollcall.__version__,
        groups=list(groups),
        labels=settings.labels,
        description=description,
        interval=min(intervals.values(), default=settings.interval),
        collectors=dict(intervals),
        fields=_fields(declarations),
    )


def hostname(host: Host) -> str:
    """Give the host name as the kernel knows it; `localhost` when it cannot be read."""
    return _text(host, "/proc/sys/kernel/hostname") or "localhost"


def boot_id(host: Host) -> str:
    """Give the kernel's name for this boot; empty when it cannot be read."""
    return _text(host, "/proc/sys/kernel/random/boot_id") or ""


def identity(host: Host) -> Identity:
    """Tell this machine from a copy of its disk in another: system and board, by their hashes."""
    serial = _text(host, _SERIAL)
    boards = {serial} if serial else _fixed_addresses(host)
    machine = _text(host, "/etc/machine-id")
    return Identity(_hashed(machine) if machine else "", frozenset(map(_hashed, boards)))


def parse_os_release(text: str) -> str | None:
    """Give the name for people from os-release(5)."""
    found = re.search(r"^PRETTY_NAME=(['\"]?)(.*)\1$", text, re.MULTILINE)
    return found[2] if found else None


def parse_ipv4(text: str) -> list[str]:
    """Give the host's own IPv4 addresses from `/proc/net/fib_trie`, loopback left out."""
    found = re.findall(r"\|-- ([\d.]+)\n\s+/32 host LOCAL", text)
    return sorted({address for address in found if not address.startswith("127.")})


def parse_ipv6(text: str) -> list[str]:
    """Give the host's global IPv6 addresses from `/proc/net/if_inet6`, short as people write."""
    # Imported here, as few hosts of a home network have one, and every import costs memory.
    from ipaddress import IPv6Address  # noqa: PLC0415 - see above

    lines = (line.split() for line in text.splitlines())
    return [str(IPv6Address(int(line[0], 16))) for line in lines if line[3] == _GLOBAL_SCOPE]


def _fields(declarations: tuple[Declaration, ...]) -> dict[str, FieldInfo]:
    return {
        f"{declared.name}.{field.name}": FieldInfo(unit=field.unit, kind=field.kind)
        for declared in declarations
        for field in (*declared.fields, *declared.instance_fields)
    }


def _model(host: Host) -> str | None:
    board = _text(host, _BOARD)
    if board:
        return board
    return " ".join(filter(None, (_text(host, path) for path in _FIRMWARE))) or None


def _addresses(host: Host) -> list[str]:
    ipv4 = parse_ipv4(_text(host, "/proc/net/fib_trie") or "")
    ipv6 = parse_ipv6(_text(host, "/proc/net/if_inet6") or "")
    return [*ipv4, *ipv6]


def _fixed_addresses(host: Host) -> set[str]:
    """Give the hardware addresses that belong to the board: not of what is plugged in by USB."""
    try:
        names = host.listing(_INTERFACES)
    except OSError:
        return set()
    # Only devices on PCI and virtio tell a vendor here.
    fixed = [
        name
        for name in names
        if host.exists(f"{_INTERFACES}/{name}/device/vendor")
        and _text(host, f"{_INTERFACES}/{name}/addr_assign_type") == _PERMANENT
    ]
    return {_text(host, f"{_INTERFACES}/{name}/address") or "" for name in fixed} - {""}


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _text(host: Host, path: str) -> str | None:
    """Give the text of a file, without what its end and firmware tend to add; None without one."""
    try:
        text = host.read(path)
    except OSError:
        return None
    if "\n" in text.rstrip("\n"):
        return text
    kept = (c for c in text if unicodedata.category(c) not in {"Cc", "Cs"})
    return "".join(kept).strip()[:_MAX_LINE] or None
