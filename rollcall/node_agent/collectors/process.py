"""Processes: how many there are, and what groups of them take; see proc_pid_stat(5).

A group is patterns on names. The kernel cuts a name at 15 bytes, and every script of one language
has the same; so a pattern that begins with `cmdline:` is held against the arguments, joined by
spaces. Arguments are never published.

A process is known by its number and its start: numbers are used again. What a group took is what
those of its processes took that are still there, and all that new ones took; what those took last
that have ended is lost.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple

from pydantic import BeforeValidator, Field

from rollcall.node_agent.collectors.declaration import (
    OF_LAST,
    OF_MEAN,
    Declaration,
    Found,
    Number,
    gauge,
)
from rollcall.node_agent.collectors.memory import parse_meminfo
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Patterns, SampledOptions
from rollcall.node_agent.rates import Counters, per_second

HIDDEN: Final = (
    "/proc/1/stat: processes of others are hidden (hidepid); a group may be let in (gid=)"
)
_ARGUMENTS: Final = "cmdline:"
# A program may be put in the place of a young process, and its arguments with it.
_YOUNG_S: Final = 10.0
_STATES: Final = {"R": "running", "S": "sleeping", "I": "sleeping", "D": "blocked", "Z": "zombie"}

# After the name, up to the last that is read.
_COLUMNS: Final = 22
_COLUMNS_OF_STATE: Final = 18

Id = tuple[int, int]
Snapshot = dict[Id, "Process"]


def _several(written: object) -> object:
    return [written] if isinstance(written, str) else written


GroupName = Annotated[str, Field(min_length=1, max_length=255)]


class ProcessOptions(SampledOptions):
    """Which groups."""

    groups: dict[GroupName, Annotated[Patterns, BeforeValidator(_several)]] = Field(
        {}, description="groups of processes: patterns on the name, or `cmdline:` and a pattern"
    )


class Process(NamedTuple):
    """A line of `stat`; times in ticks, memory in pages."""

    name: str
    state: str
    ticks: int
    threads: int
    started_ticks: int
    resident_pages: int


class Processes:
    """Counts all processes, and adds up those of each group."""

    declaration = Declaration(
        "process",
        "Processes, and groups of them",
        fields=(
            gauge("total_processes", "processes there are"),
            gauge("running_processes", "processes that run or could run"),
            gauge("sleeping_processes", "processes that wait for something to happen"),
            gauge("blocked_processes", "processes that wait for a device and cannot be woken"),
            gauge("zombie_processes", "processes that ended and were not asked how"),
            gauge("total_threads", "threads of all processes"),
            gauge("forks_per_second", "processes and threads that were started", peaks=OF_MEAN),
        ),
        instance="group of the option `groups`",
        instance_fields=(
            gauge("processes", "processes in it; 0 when there is none", peaks=OF_LAST),
            gauge("threads", "their threads", peaks=OF_LAST),
            gauge("cpu_percent", "their share of all processors together", peaks=OF_MEAN),
            gauge("resident_bytes", "memory they hold; shared pages count in each", peaks=OF_LAST),
            gauge("memory_percent", "the same, as a share of the memory", peaks=OF_LAST),
        ),
        at_least_s=30,
        options=ProcessOptions,
    )

    def __init__(self, options: ProcessOptions) -> None:
        self._groups = options.groups
        self._needs_arguments = any(
            pattern.startswith(_ARGUMENTS)
            for patterns in options.groups.values()
            for pattern in patterns
        )
        self._arguments: dict[Id, str] = {}
        self._before: Counters[Id] | None = None
        self._forks_before: Counters[str] | None = None

    def collect(self, host: Host) -> Found:
        """Read `/proc/<pid>/stat` of all. Raises OSError, ValueError."""
        at_s = host.boottime_s()
        if not sees_all(host):
            return Found(error=f"denied: {HIDDEN}")
        cores, forks = parse_stat(host.read("/proc/stat"))
        forked = Counters(at_s, {"forks": float(forks)})
        forks_before, self._forks_before = self._forks_before, forked
        rates = {f"{name}_per_second": n for name, n in per_second(forks_before, forked).items()}
        if not self._groups:
            return Found(totals(parse_state(text) for _, text in _lines(host)) | rates)
        found = read_all(host)
        now = Counters(at_s, {key: float(each.ticks) for key, each in found.items()})
        before, self._before = self._before, now
        machine = _Machine(
            cores * host.ticks_per_second,
            host.page_bytes,
            parse_meminfo(host.read("/proc/meminfo"))["MemTotal"],
        )
        self._look_at_arguments(host, found, at_s)
        return Found(
            totals((each.state, each.threads) for each in found.values()) | rates,
            {
                name: _sums(self._members(found, patterns), before, now, machine)
                for name, patterns in self._groups.items()
            },
        )

    def _members(self, found: Snapshot, patterns: Patterns) -> Snapshot:
        return {
            key: each
            for key, each in found.items()
            if any(self._fits(key, each, pattern) for pattern in patterns)
        }

    def _fits(self, key: Id, process: Process, pattern: str) -> bool:
        if pattern.startswith(_ARGUMENTS):
            return fnmatchcase(self._arguments.get(key, ""), pattern.removeprefix(_ARGUMENTS))
        return fnmatchcase(process.name, pattern)

    def _look_at_arguments(self, host: Host, found: Snapshot, at_s: float) -> None:
        if not self._needs_arguments:
            return
        kept = {key: text for key, text in self._arguments.items() if key in found}
        for key, each in found.items():
            age_s = at_s - each.started_ticks / host.ticks_per_second
            if key not in kept or age_s < _YOUNG_S:
                kept[key] = _arguments(host, key[0])
        self._arguments = kept


@dataclass(frozen=True, slots=True)
class _Machine:
    ticks_per_second: int
    page_bytes: int
    memory_bytes: int


def parse(text: str) -> Process:
    """Take the `stat` of a process apart. Raises ValueError.

    The name stands in parentheses and may hold anything, parentheses and line ends too.
    """
    before, _, after = text.rpartition(")")
    columns = after.split(maxsplit=_COLUMNS)
    if len(columns) < _COLUMNS:
        raise ValueError("a line of /proc/<pid>/stat is too short")
    return Process(
        name=before.partition("(")[2],
        state=columns[0],
        ticks=int(columns[11]) + int(columns[12]),
        threads=int(columns[17]),
        started_ticks=int(columns[19]),
        resident_pages=int(columns[21]),
    )


def parse_state(text: str) -> tuple[str, int]:
    """Take only the state and the number of threads from the `stat` of a process.

    For a host without groups, where taking all of it apart is for nothing. Raises ValueError.
    """
    columns = text.rpartition(")")[2].split(maxsplit=_COLUMNS_OF_STATE)
    if len(columns) < _COLUMNS_OF_STATE:
        raise ValueError("a line of /proc/<pid>/stat is too short")
    return columns[0], int(columns[17])


def parse_stat(text: str) -> tuple[int, int]:
    """Give from `/proc/stat` how many processors there are, and the forks since the start.

    Raises ValueError.
    """
    forks = re.search(r"^processes (\d+)$", text, re.MULTILINE)
    if forks is None:
        raise ValueError("/proc/stat has no line of processes")
    return len(re.findall(r"^cpu\d+ ", text, re.MULTILINE)) or 1, int(forks[1])


def totals(processes: Iterable[tuple[str, int]]) -> dict[str, Number]:
    """Count processes by their state, and threads; each is given as both."""
    fields: dict[str, Number] = {"total_processes": 0, "total_threads": 0}
    fields |= {f"{state}_processes": 0 for state in _STATES.values()}
    for state, threads in processes:
        fields["total_processes"] += 1
        fields["total_threads"] += threads
        if state in _STATES:
            fields[f"{_STATES[state]}_processes"] += 1
    return fields


def _sums(
    members: Snapshot, before: Counters[Id] | None, now: Counters[Id], machine: _Machine
) -> dict[str, Number]:
    resident_bytes = sum(each.resident_pages for each in members.values()) * machine.page_bytes
    fields: dict[str, Number] = {
        "processes": len(members),
        "threads": sum(each.threads for each in members.values()),
        "resident_bytes": resident_bytes,
        "memory_percent": 100 * resident_bytes / machine.memory_bytes,
    }
    if before is not None and now.at_s > before.at_s:
        taken = sum(
            max(0.0, each.ticks - before.counts.get(key, 0.0)) for key, each in members.items()
        )
        could_take = (now.at_s - before.at_s) * machine.ticks_per_second
        fields["cpu_percent"] = min(100.0, 100 * taken / could_take)
    return fields


def sees_all(host: Host) -> bool:
    """Say whether processes of other users can be read: the first of all belongs to root."""
    try:
        host.read("/proc/1/stat")
    except OSError:
        return False
    return True


def read_all(host: Host) -> Snapshot:
    """Read `/proc/<pid>/stat` of all processes, by number and start. Raises OSError."""
    found = {}
    for pid, text in _lines(host):
        each = parse(text)
        found[pid, each.started_ticks] = each
    return found


def _lines(host: Host) -> Iterator[tuple[int, str]]:
    for name in host.listing("/proc"):
        if name.isdecimal():
            try:
                yield int(name), host.read(f"/proc/{name}/stat")
            except OSError:
                # It has ended meanwhile.
                continue


def _arguments(host: Host, pid: int) -> str:
    try:
        return host.read(f"/proc/{pid}/cmdline").rstrip("\0").replace("\0", " ")
    except OSError:
        return ""
