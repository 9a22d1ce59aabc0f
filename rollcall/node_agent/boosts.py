"""Boosts: a collector reports more often for a while, and goes back by itself. Pure.

Their time runs on the clock of the boot, so that no step of the wall clock makes one longer. They
are kept nowhere: all of them end with the process.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rollcall.node_agent.options import Options


@dataclass(frozen=True, slots=True)
class Boost:
    """An interval in seconds, and when it ends, in milliseconds since boot."""

    interval_s: int
    until_ms: int


class Boosts:
    """Those that run, at most one for a collector."""

    def __init__(self) -> None:
        self._running: dict[str, Boost] = {}

    def begin(self, collector: str, boost: Boost) -> None:
        """Put a boost in the place of any other of this collector."""
        self._running[collector] = boost

    def end_what_is_over(self, now_ms: int) -> list[str]:
        """Forget the boosts whose time is over; name their collectors."""
        over = [name for name, boost in self._running.items() if now_ms >= boost.until_ms]
        for name in over:
            del self._running[name]
        return over

    def over(self, options: Mapping[str, Options]) -> dict[str, Options]:
        """Lay the boosts over the options in force; none makes an interval longer."""
        laid = dict(options)
        for name, boost in self._running.items():
            if name in laid and boost.interval_s < laid[name].interval:
                laid[name] = boosted(laid[name], boost.interval_s)
        return laid


def boosted(options: Options, interval_s: int) -> Options:
    """Give the options with another interval, and without samples that no longer fit into it."""
    changes: dict[str, object] = {"interval": interval_s}
    if options.sample_s is not None and options.sample_s > interval_s / 2:
        changes["sample"] = None
    return options.model_copy(update=changes)
