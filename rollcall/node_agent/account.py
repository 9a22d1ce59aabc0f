"""The agent's own account of how it fares; its collector `agent` reports it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What became of one collector's runs since the agent started."""

    collect_s: float | None = None
    collections: int = 0
    failures: int = 0
    timeouts: int = 0
    skips: int = 0
    dropped_values: int = 0


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """How much waits for a receipt; `oldest_s` is the age of the oldest, None when none waits."""

    reports: int
    size_bytes: int
    oldest_s: float | None


@dataclass(slots=True)
class Account:
    """The agent's own account of how it fares.

    `since_boot` are the flags of `power` seen since the host started. The agent that keeps them
    puts in what it knows from before it started, and looks here for more.
    """

    spool_size: Callable[[], SpoolSize]
    tallies: dict[str, Tally] = field(default_factory=dict)
    since_boot: set[str] = field(default_factory=set)
    evicted_reports: int = 0
    reconnects: int = 0
    publish_failures: int = 0
