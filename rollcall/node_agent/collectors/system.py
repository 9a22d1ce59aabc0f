"""The host as a whole: how long it runs, who is logged in, whether its clock is right.

On request, how many packages wait to be upgraded; `apt-get -s` only says what it would do.
"""

import contextlib
import re
from typing import Final

from pydantic import Field

from rollcall.node_agent.collectors.declaration import (
    Declaration,
    Found,
    Number,
    gauge,
    state,
)
from rollcall.node_agent.host import Host, clock_is_synchronized
from rollcall.node_agent.in_background import InBackground
from rollcall.node_agent.options import Options

_SESSIONS: Final = "/run/systemd/sessions"
_BOOT_TIME_TOLERANCE_S: Final = 2.0
_APT: Final = ("apt-get", "-s", "-o", "Debug::NoLocking=true", "upgrade")
_ASKED_EVERY_S: Final = 6 * 3600.0
_APT_WITHIN_S: Final = 300.0
_UPGRADE: Final = re.compile(r"^Inst \S.*$", re.MULTILINE)
# The archive it comes from: Debian-Security:12/stable-security, Ubuntu:24.04/noble-security.
_SECURITY: Final = re.compile(r"\(.*security", re.IGNORECASE)


class SystemOptions(Options):
    """What else is told."""

    updates: bool = Field(
        False, strict=True, description="count pending upgrades (Debian), every 6 h"
    )


class System:
    """Uptime, sessions, clock. The boot time is held still while the clock is being corrected."""

    declaration = Declaration(
        "system",
        "The host as a whole",
        fields=(
            gauge("uptime_seconds", "time since the host started"),
            gauge("boot_time_seconds", "when the host started, Unix time"),
            gauge("users", "sessions of users logged in; absent without systemd-logind"),
            state("clock_synchronized", "whether a time service disciplines the clock"),
            gauge("clock_error_seconds", "largest error of the clock, by the kernel's account"),
            state("reboot_required", "whether an upgrade waits for a restart (Debian)"),
            gauge("pending_updates", "packages that can be upgraded; option `updates`"),
            gauge("security_updates", "those of them from a security archive"),
        ),
        at_least_s=60,
        options=SystemOptions,
    )

    def __init__(self, options: SystemOptions) -> None:
        self._boot_time_s: float | None = None
        self._apt = (
            InBackground(_APT, every_s=_ASKED_EVERY_S, timeout_s=_APT_WITHIN_S)
            if options.updates
            else None
        )

    def collect(self, host: Host) -> Found:
        """Read it all. Raises OSError, ValueError."""
        uptime_s = parse_uptime(host.read("/proc/uptime"))
        self._boot_time_s = steady(self._boot_time_s, host.wall_s() - uptime_s)
        fields: dict[str, Number] = {
            "uptime_seconds": uptime_s,
            "boot_time_seconds": self._boot_time_s,
            "clock_synchronized": int(clock_is_synchronized(host)),
        }
        with contextlib.suppress(OSError):
            fields["clock_error_seconds"] = host.clock_error_s()
        if host.exists(_SESSIONS):
            fields["users"] = _users(host)
        if host.exists("/etc/debian_version"):
            fields["reboot_required"] = int(host.exists("/run/reboot-required"))
        if self._apt is None:
            return Found(fields)
        self._apt.look(host)
        if self._apt.answer is not None:
            fields |= parse_upgrades(self._apt.answer)
        complaint = self._apt.complaint
        return Found(fields, error=f"failed: {complaint}" if complaint else None)


def parse_upgrades(text: str) -> dict[str, Number]:
    """Count the lines of `apt-get -s upgrade` that would install something."""
    lines = _UPGRADE.findall(text)
    security = sum(1 for line in lines if _SECURITY.search(line))
    return {"pending_updates": len(lines), "security_updates": security}


def parse_uptime(text: str) -> float:
    """Give the first number of `/proc/uptime`, in seconds. Raises ValueError."""
    return float(text.split(maxsplit=1)[0])


def steady(known_s: float | None, computed_s: float) -> float:
    """Give the known boot time, unless the computed one has moved away from it."""
    if known_s is not None and abs(computed_s - known_s) <= _BOOT_TIME_TOLERANCE_S:
        return known_s
    return computed_s


def _users(host: Host) -> int:
    """Count the sessions of people: each is a file, beside it a pipe named `<session>.ref`."""
    count = 0
    for name in host.listing(_SESSIONS):
        if not name.endswith(".ref"):
            try:
                text = host.read(f"{_SESSIONS}/{name}")
            except FileNotFoundError:
                continue
            count += re.search(r"^CLASS=user$", text, re.MULTILINE) is not None
    return count
