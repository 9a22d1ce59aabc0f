"""Look at this machine: files and their permissions, units, memory limits, listening sockets."""

import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rollcall.broker.broker_folder import BrokerFolder
from rollcall.console import config_words
from rollcall.console.doctor.configuration_checks import FileSeen
from rollcall.console.doctor.host_checks import HostSeen
from rollcall.console.units import ROLES, unit_name
from rollcall.node_agent.host import LinuxHost, clock_is_synchronized
from rollcall.service.settings import Settings

_UNITS: Final = "etc/systemd/system"
_CONTROLLERS: Final = "sys/fs/cgroup/cgroup.controllers"
_COMMAND_LINE: Final = "proc/cmdline"
_LISTENING: Final = "0A"
_SECRETS: Final = ("key_file", "password_file", "secret_file", "apprise_file")


def configuration_files(file: Path | None, settings: Settings) -> list[FileSeen]:
    """Look at the configuration and at every file that it names."""
    values = config_words.values(settings)
    named = [
        look(
            "[{}] {}".format(path[0], ".".join(path[1:])),
            Path(value),
            holds_secret=_is_secret(path),
        )
        for path, value in values.items()
        if path[-1].endswith("_file") and value is not None
    ]
    if file is None:
        return named
    bears = any(config_words.shown(path, value) != value for path, value in values.items())
    return [look("", file, holds_secret=bears), *named]


def folder_files(folder: BrokerFolder) -> list[FileSeen]:
    """Look at the keys and passwords of a broker of our own."""
    secrets = [folder.folder / "pki" / "ca.key", folder.authority.server_key_file]
    for name in folder.plan.services:
        identity = folder.identity(name)
        secrets += [identity.key, identity.password]
    seen = [look("the broker's folder", path, holds_secret=True) for path in secrets]
    # Which of them exist depends on the profile.
    return [one for one in seen if one.mode is not None]


def look(key: str, path: Path, *, holds_secret: bool) -> FileSeen:
    """Look at one file; never raises."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return FileSeen(key, path, holds_secret, None, error.strerror or str(error))
    readable = os.access(path, os.R_OK)
    return FileSeen(key, path, holds_secret, mode, "" if readable else "Permission denied")


def host(root: Path, state_of: Callable[[str], Mapping[str, str]] | None) -> HostSeen:
    """Look at the machine whose files lie below `root`; `state_of` asks systemd, where it runs."""
    installed = [unit_name(role) for role in ROLES if (root / _UNITS / unit_name(role)).is_file()]
    return HostSeen(
        units={name: dict(state_of(name)) if state_of else {} for name in installed},
        memory_limits=_memory_limits(root),
        clock_is_set=_clock_is_set(),
    )


def installed_roles(root: Path) -> frozenset[str]:
    """Give the roles whose units are installed."""
    return frozenset(role for role in ROLES if (root / _UNITS / unit_name(role)).is_file())


def only_loopback_listens(host: str, port: int, proc: Path = Path("/proc")) -> bool:
    """Say whether the program that has `port` of this machine listens on loopback alone.

    False for a `host` elsewhere, and where the kernel does not tell.
    """
    if not is_loopback_name(host):
        return False
    listening = [*_listening(proc / "net/tcp", port), *_listening(proc / "net/tcp6", port)]
    return bool(listening) and all(_is_loopback(address) for address in listening)


def _is_secret(path: Sequence[str]) -> bool:
    return path[-1].endswith(_SECRETS)


def _memory_limits(root: Path) -> bool | None:
    if "cgroup_disable=memory" in _text(root / _COMMAND_LINE).split():
        # The last word counts, and Raspberry Pi OS puts this one first.
        return "cgroup_enable=memory" in _text(root / _COMMAND_LINE).split()
    controllers = _text(root / _CONTROLLERS).split()
    return "memory" in controllers if controllers else None


def _clock_is_set() -> bool | None:
    try:
        return clock_is_synchronized(LinuxHost())
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


def is_loopback_name(host: str) -> bool:
    """Say whether a host name or address means this machine alone."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _listening(table: Path, port: int) -> Iterator[bytes]:
    """Give the addresses, in network order, that listen on `port`; format: proc(5)."""
    for line in _text(table).splitlines()[1:]:
        columns = line.split()
        address, _, hexadecimal = columns[1].partition(":")
        if columns[3] == _LISTENING and int(hexadecimal, 16) == port:
            words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
            yield b"".join(struct.pack("<I", word) for word in words)


def _is_loopback(address: bytes) -> bool:
    if len(address) == len(socket.inet_aton("127.0.0.1")):
        return address[0] == socket.inet_aton("127.0.0.1")[0]
    return address == socket.inet_pton(socket.AF_INET6, "::1")
