"""How the values that rules watch have gone lately: means of two minutes, for the mails' charts."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rollcall.alerts.notice import Trend
from rollcall.broker.cluster import Now
from rollcall.broker.messages import Number, Report

STEP_S: Final = 120.0
_STEPS: Final = 30


@dataclass(slots=True)
class _Way:
    step: int
    total: float = 0.0
    count: int = 0
    newest: float = 0.0
    means: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_STEPS))

    def note(self, step: int, value: Number) -> None:
        if step != self.step:
            self.means.append((self.step, self.total / self.count))
            self.step, self.total, self.count = step, 0.0, 0
        self.total += value
        self.count += 1
        self.newest = value


class Trends:
    """The last hour of every series that a rule watches."""

    def __init__(self) -> None:
        self._ways: dict[str, dict[tuple[str, str], _Way]] = {}
        self._watched: dict[str, list[str]] = {}

    def watch(self, metrics: Iterable[str | None]) -> None:
        """Say which metrics are worth remembering."""
        self._watched = {}
        for metric in sorted({metric for metric in metrics if metric is not None}):
            collector, _, field_name = metric.partition(".")
            self._watched.setdefault(collector, []).append(field_name)

    def note(self, node: str, collector: str, report: Report, now: Now) -> None:
        """Take in the watched fields of one report."""
        watched = self._watched.get(collector)
        if watched is None:
            return
        ways = self._ways.setdefault(node, {})
        step = int(now.monotonic_s // STEP_S)
        for name in watched:
            metric = f"{collector}.{name}"
            for instance, values in _places(report):
                value = values.get(name)
                if value is None:
                    continue
                way = ways.get((metric, instance))
                if way is None:
                    way = ways[metric, instance] = _Way(step)
                way.note(step, value)

    def forget(self, node: str) -> None:
        """Forget a node that was removed."""
        self._ways.pop(node, None)

    def of(self, node: str, metric: str, instance: str, now: Now) -> Trend | None:
        """Give the way of one series, oldest first, the newest value last; None if unknown."""
        way = self._ways.get(node, {}).get((metric, instance))
        if way is None:
            return None
        known = dict(way.means)
        known[way.step] = way.newest
        last = int(now.monotonic_s // STEP_S)
        first = max(last - _STEPS + 1, min(known))
        return Trend(STEP_S, tuple(known.get(step) for step in range(first, last + 1)))


def _places(report: Report) -> Iterable[tuple[str, dict[str, Number | None]]]:
    if report.fields:
        yield "", report.fields
    yield from (report.instances or {}).items()
