"""Which processes take the most right now: two readings of all of them, a moment apart."""

from collections.abc import Callable
from typing import Final, Literal

from pydantic import JsonValue

from rollcall.node_agent.collectors.memory import parse_meminfo
from rollcall.node_agent.collectors.process import parse_stat, read_all
from rollcall.node_agent.host import Host
from rollcall.node_agent.readings import instance_name

By = Literal["cpu", "memory"]
MOST: Final = 20
_APART_S: Final = 1.0


def largest(host: Host, by: By, top: int, pause: Callable[[float], object]) -> dict[str, JsonValue]:
    """Give the `top` processes by their share of all processors, or of the memory.

    Name, number, user and shares, and never arguments. `pause` waits between the readings, a
    second. Raises OSError, ValueError.
    """
    before, from_s = read_all(host), host.boottime_s()
    pause(_APART_S)
    now, elapsed_s = read_all(host), host.boottime_s() - from_s
    cores, _ = parse_stat(host.read("/proc/stat"))
    could_take = max(elapsed_s, 0.001) * cores * host.ticks_per_second
    memory_bytes = parse_meminfo(host.read("/proc/meminfo"))["MemTotal"]
    shares = {
        key: (
            100 * max(0, each.ticks - (before[key].ticks if key in before else 0)) / could_take,
            each.resident_pages * host.page_bytes,
        )
        for key, each in now.items()
    }
    column = 0 if by == "cpu" else 1
    first = sorted(shares, key=lambda key: (-shares[key][column], key))[:top]
    users = _users(host)
    return {
        "by": by,
        "processes": [
            {
                "pid": key[0],
                "name": instance_name(now[key].name),
                "user": _owner(host, key[0], users),
                "cpu_percent": round(shares[key][0], 2),
                "memory_percent": round(100 * shares[key][1] / memory_bytes, 2),
                "resident_bytes": shares[key][1],
            }
            for key in first
        ],
    }


def _users(host: Host) -> dict[str, str]:
    """Give the local users by number; a directory service is not asked, as it may hang."""
    try:
        lines = host.read("/etc/passwd").splitlines()
    except OSError:
        return {}
    columns = (line.split(":") for line in lines)
    return {each[2]: instance_name(each[0]) for each in columns if len(each) > 2}  # noqa: PLR2004 - passwd(5): name, password, number


def _owner(host: Host, pid: int, users: dict[str, str]) -> str | None:
    """Give the user of a process, by number where the name is not known here."""
    try:
        status = host.read(f"/proc/{pid}/status")
    except OSError:
        return None
    number = next(
        (line.split()[1] for line in status.splitlines() if line.startswith("Uid:")), None
    )
    return None if number is None else users.get(number, number)
