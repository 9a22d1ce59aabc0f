"""Does this machine let our services run as they should: units, memory limits, its clock? Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from rollcall.console.doctor.findings import Finding

_SET_CLOCK: Final = "sudo timedatectl set-ntp true"
_LIMIT_MEMORY: Final = "sudo sed -i '1s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt"


@dataclass(frozen=True, slots=True)
class HostSeen:
    """This machine.

    `units` are our units that are installed, by their names, with what systemd says of each
    (nothing where it does not run). `memory_limits`: whether MemoryMax= can work; None: unknown.
    `clock_is_set`: whether a time service keeps the clock right; None: it cannot be asked.
    """

    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    memory_limits: bool | None = None
    clock_is_set: bool | None = None


def host(seen: HostSeen) -> Iterator[Finding]:
    """Judge this machine."""
    yield from _units(seen)
    if seen.units and seen.memory_limits is False:
        yield Finding(
            "memory",
            "warning",
            "the kernel keeps no account of memory (cgroup_disable=memory)",
            why="MemoryMax= of our units has no effect: a fault could take all memory; "
            "it holds again after a restart of the machine",
            remedy=_LIMIT_MEMORY,
        )
    if seen.clock_is_set is False:
        yield Finding(
            "clock",
            "warning",
            "no time service keeps the clock of this machine right",
            why="ages, certificates and alerts go by it",
            remedy=_SET_CLOCK,
        )
    elif seen.clock_is_set:
        yield Finding("clock", "ok", "the clock of this machine is kept right")


def _units(seen: HostSeen) -> Iterator[Finding]:
    states = {name: told.get("ActiveState", "") for name, told in seen.units.items()}
    wrong = {name: state for name, state in states.items() if state not in {"active", ""}}
    for name, state in wrong.items():
        text = seen.units[name].get("StatusText", "")
        yield Finding(
            "unit",
            "critical" if state == "failed" else "warning",
            f"{name} is {state}" + (f": {text}" if text else ""),
            remedy=f"journalctl --unit {name} --lines 50",
        )
    running = [name for name, state in states.items() if state == "active"]
    if running and not wrong:
        yield Finding("unit", "ok", f"{len(running)} units run")
