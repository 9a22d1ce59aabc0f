"""Memory and swap; see proc_meminfo(5) and the kernel's `vmstat`."""

import re
from typing import Final

from rollcall.node_agent.collectors.declaration import (
    OF_MEAN,
    Declaration,
    Found,
    Number,
    counter,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import SampledOptions
from rollcall.node_agent.rates import Counters, per_second

# Of some 200 lines, three: all of them would take longer to read than everything else here.
_EVENTS: Final = re.compile(r"^(pswpin|pswpout|oom_kill) (\d+)$", re.MULTILINE)


class Memory:
    """What is used, what is free, what moves to and from swap. Without swap, no swap fields."""

    declaration = Declaration(
        "memory",
        "Memory and swap",
        fields=(
            gauge("total_bytes", "memory the kernel manages"),
            gauge("available_bytes", "what programs can get without swapping"),
            gauge("free_bytes", "memory nobody uses at all"),
            gauge("cached_bytes", "page cache and what else can be given back"),
            gauge("used_bytes", "total less available"),
            gauge("used_percent", "used share of the total"),
            gauge("swap_total_bytes", "swap space"),
            gauge("swap_used_bytes", "swap space in use"),
            gauge("swap_used_percent", "used share of the swap space"),
            gauge("swap_in_bytes_per_second", "read back from swap", peaks=OF_MEAN),
            gauge("swap_out_bytes_per_second", "written to swap", peaks=OF_MEAN),
            counter("oom_kills", "processes killed for want of memory"),
        ),
        options=SampledOptions,
    )

    def __init__(self) -> None:
        self._before: Counters[str] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/meminfo` and `/proc/vmstat`. Raises OSError, ValueError."""
        fields = sizes(parse_meminfo(host.read("/proc/meminfo")))
        at_s = host.boottime_s()
        events = parse_vmstat(host.read("/proc/vmstat"))
        if "swap_total_bytes" in fields:
            fields |= self._swap_rates(Counters(at_s, events), host.page_bytes)
        if "oom_kill" in events:
            fields["oom_kills"] = events["oom_kill"]
        return Found(fields)

    def _swap_rates(self, now: Counters[str], page_bytes: int) -> dict[str, Number]:
        before, self._before = self._before, now
        pages = per_second(before, now)
        names = {"pswpin": "swap_in_bytes_per_second", "pswpout": "swap_out_bytes_per_second"}
        return {name: pages[key] * page_bytes for key, name in names.items() if key in pages}


def parse_meminfo(text: str) -> dict[str, int]:
    """Give the sizes in `/proc/meminfo`, in bytes, by the kernel's names."""
    found = re.findall(r"^(\S+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(kibibytes) * 1024 for name, kibibytes in found}


def parse_vmstat(text: str) -> dict[str, int]:
    """Give the counters in `/proc/vmstat` that are reported, by the kernel's names."""
    return {name: int(count) for name, count in _EVENTS.findall(text)}


def sizes(kernel: dict[str, int]) -> dict[str, Number]:
    """Make fields of the kernel's sizes. Raises ValueError when a needed one is not there."""
    try:
        total, available = kernel["MemTotal"], kernel["MemAvailable"]
        fields: dict[str, Number] = {
            "total_bytes": total,
            "available_bytes": available,
            "free_bytes": kernel["MemFree"],
            "cached_bytes": kernel["Cached"] + kernel.get("SReclaimable", 0),
            "used_bytes": total - available,
            "used_percent": 100 * (total - available) / total,
        }
    except KeyError as error:
        raise ValueError(f"/proc/meminfo has no line {error}") from error
    swap = kernel.get("SwapTotal", 0)
    if swap:
        used = swap - kernel["SwapFree"]
        fields |= {
            "swap_total_bytes": swap,
            "swap_used_bytes": used,
            "swap_used_percent": 100 * used / swap,
        }
    return fields
