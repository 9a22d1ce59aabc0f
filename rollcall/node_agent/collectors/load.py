"""The run queue, and how long tasks wait for a resource; see proc_loadavg(5), and PSI."""

import re
from typing import Final

from rollcall.node_agent.collectors.declaration import Declaration, Found, Number, gauge
from rollcall.node_agent.host import Host
from rollcall.node_agent.rates import Counters, per_second

_RESOURCES: Final = ("cpu", "memory", "io")


class Load:
    """The load averages as the kernel gives them; pressure where the kernel measures it."""

    declaration = Declaration(
        "load",
        "How much wants to run, and what it waits for",
        fields=(
            gauge("load1", "tasks that run or wait, averaged over 1 minute", unit="none"),
            gauge("load5", "the same over 5 minutes", unit="none"),
            gauge("load15", "the same over 15 minutes", unit="none"),
            gauge("runnable_threads", "threads that run or could run now"),
            gauge("cpu_pressure_percent", "time in which some task waited for a processor"),
            gauge("memory_pressure_percent", "time in which some task waited for memory"),
            gauge("io_pressure_percent", "time in which some task waited for a disk"),
        ),
    )

    def __init__(self) -> None:
        self._before: Counters[str] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/loadavg` and `/proc/pressure`. Raises OSError, ValueError."""
        fields = parse(host.read("/proc/loadavg"))
        now = Counters(host.boottime_s(), _pressure(host))
        before, self._before = self._before, now
        for name, waited_us in per_second(before, now).items():
            fields[f"{name}_pressure_percent"] = min(100.0, waited_us / 1e6 * 100)
        return Found(fields)


def parse(text: str) -> dict[str, Number]:
    """Take `/proc/loadavg` apart. Raises ValueError."""
    load1, load5, load15, threads, _ = text.split()
    return {
        "load1": float(load1),
        "load5": float(load5),
        "load15": float(load15),
        "runnable_threads": int(threads.partition("/")[0]),
    }


def parse_pressure(text: str) -> int:
    """Give the microseconds in which some task waited. Raises ValueError."""
    found = re.search(r"^some .*total=(\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("a file in /proc/pressure has no line of 'some' with a total")
    return int(found[1])


def _pressure(host: Host) -> dict[str, float]:
    totals = {}
    for name in _RESOURCES:
        try:
            totals[name] = float(parse_pressure(host.read(f"/proc/pressure/{name}")))
        except OSError:
            # Not built in, or built in and not switched on (psi=1): then reading is refused.
            continue
    return totals
