"""The host as a whole: how long it runs, who is logged in, whether its clock is right."""

import contextlib
import re
from typing import Final

from rollcall.node_agent.collectors.declaration import (
    Declaration,
    Found,
    Number,
    gauge,
    state,
)
from rollcall.node_agent.host import Host, clock_is_synchronized

_SESSIONS: Final = "/run/systemd/sessions"
_BOOT_TIME_TOLERANCE_S: Final = 2.0


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
        ),
        at_least_s=60,
    )

    def __init__(self) -> None:
        self._boot_time_s: float | None = None

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
        return Found(fields)


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
