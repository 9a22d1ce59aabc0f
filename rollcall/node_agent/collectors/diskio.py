"""What disks do: bytes, operations, waiting; see the kernel's `Documentation/admin-guide/iostats`.

Whole disks only: what a partition does, its disk does too. Memory, images and drives for optical
media are left out.
"""

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from rollcall.node_agent.collectors.declaration import (
    OF_MEAN,
    Declaration,
    Found,
    Number,
    UnsupportedError,
    counter,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Patterns, SampledOptions, fits
from rollcall.node_agent.rates import Column, Counters, by_name, increases

_SECTOR_BYTES: Final = 512
_COLUMNS: Final = {
    "reads": 3,
    "read_sectors": 5,
    "read_ms": 6,
    "writes": 7,
    "written_sectors": 9,
    "write_ms": 10,
    "busy_ms": 12,
}


class DiskioOptions(SampledOptions):
    """Which disks."""

    exclude: Patterns = Field(
        ("loop*", "ram*", "zram*", "sr*"), description="disks to leave out, as patterns"
    )


class Diskio:
    """Rates of each disk, and how long an operation took on average."""

    declaration = Declaration(
        "diskio",
        "What disks do",
        instance="disk",
        instance_fields=(
            gauge("read_bytes_per_second", "bytes read", peaks=OF_MEAN),
            gauge("write_bytes_per_second", "bytes written", peaks=OF_MEAN),
            gauge("reads_per_second", "reads completed", peaks=OF_MEAN),
            gauge("writes_per_second", "writes completed", peaks=OF_MEAN),
            gauge("busy_percent", "time in which it had something to do", peaks=OF_MEAN),
            gauge("read_wait_seconds", "mean time of a read, queue included; absent without one"),
            gauge("write_wait_seconds", "mean time of a write, queue included; absent without one"),
            counter("read_bytes", "bytes read since the disk is there"),
            counter("written_bytes", "bytes written since the disk is there"),
        ),
        options=DiskioOptions,
    )

    def __init__(self, options: DiskioOptions) -> None:
        self._excluded = options.exclude
        self._before: Counters[Column] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/diskstats`. Raises UnsupportedError, OSError, ValueError."""
        disks = self._chosen(host)
        if not disks:
            raise UnsupportedError("no disk")
        at_s = host.boottime_s()
        counts = parse(host.read("/proc/diskstats"), disks)
        before, self._before = self._before, Counters(at_s, counts)
        elapsed_s = at_s - before.at_s if before else 0.0
        grown = by_name(increases(before, self._before))
        return Found(
            instances={
                name: rates(grown.get(name, {}), elapsed_s)
                | {
                    "read_bytes": int(totals["read_sectors"]) * _SECTOR_BYTES,
                    "written_bytes": int(totals["written_sectors"]) * _SECTOR_BYTES,
                }
                for name, totals in by_name(counts).items()
            }
        )

    def _chosen(self, host: Host) -> frozenset[str]:
        if not host.exists("/proc/diskstats") or not host.exists("/sys/block"):
            return frozenset()
        # A slash in the name of a device is an exclamation mark in the name of its folder.
        names = (name.replace("!", "/") for name in host.listing("/sys/block"))
        return frozenset(name for name in names if not fits(name, self._excluded))


def parse(text: str, disks: Iterable[str]) -> dict[Column, int]:
    """Give the counters of these disks by name, device number and column. Raises ValueError.

    Another disk in the place of one has another number, and starts anew.
    """
    found = {}
    for line in text.splitlines():
        columns = line.split()
        major, minor, name, *_ = columns
        if name in disks:
            for column, at in _COLUMNS.items():
                found[name, f"{major}:{minor}", column] = int(columns[at])
    return found


def rates(grown: dict[str, float], elapsed_s: float) -> dict[str, Number]:
    """Make fields of what grew in `elapsed_s`; what did not grow evenly is not among it."""
    fields: dict[str, Number] = {}
    if elapsed_s <= 0:
        return fields
    for column, name, factor in (
        ("read_sectors", "read_bytes_per_second", _SECTOR_BYTES),
        ("written_sectors", "write_bytes_per_second", _SECTOR_BYTES),
        ("reads", "reads_per_second", 1),
        ("writes", "writes_per_second", 1),
    ):
        if column in grown:
            fields[name] = grown[column] * factor / elapsed_s
    if "busy_ms" in grown:
        # The kernel counts in its own ticks, which may run a little ahead.
        fields["busy_percent"] = min(100.0, grown["busy_ms"] / 1000 / elapsed_s * 100)
    for count, waited, name in (
        ("reads", "read_ms", "read_wait_seconds"),
        ("writes", "write_ms", "write_wait_seconds"),
    ):
        if grown.get(count) and waited in grown:
            fields[name] = grown[waited] / 1000 / grown[count]
    return fields
