"""How the values that rules watch have gone lately: means of two minutes, for the mails' charts."""

import math
from array import array
from collections.abc import Iterable
from typing import Final

from rollcall.alerts.notice import Trend
from rollcall.broker.messages import Number, Report
from rollcall.broker.node_view import Now

STEP_S: Final = 120.0
_STEPS: Final = 30


class _Way:
    """One series: the open step, and the means of the steps before it (NaN where nothing came).

    There are many of these: what they hold is packed.
    """

    __slots__ = ("count", "means", "newest", "step", "total")

    def __init__(self, step: int) -> None:
        self.step = step
        self.total = 0.0
        self.count = 0
        self.newest = 0.0
        self.means = array("d")

    def note(self, step: int, value: Number) -> None:
        if step != self.step:
            self.means.append(self.total / self.count)
            self.means.extend([math.nan] * min(step - self.step - 1, _STEPS))
            del self.means[: max(len(self.means) - _STEPS + 1, 0)]
            self.step, self.total, self.count = step, 0.0, 0
        self.total += value
        self.count += 1
        self.newest = value

    def values(self, last: int) -> list[float | None]:
        known = [None if math.isnan(mean) else mean for mean in self.means]
        silent = [None] * min(max(last - self.step, 0), _STEPS)
        return [*known, self.newest, *silent][-_STEPS:]


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
        return Trend(STEP_S, tuple(way.values(int(now.monotonic_s // STEP_S))))


def _places(report: Report) -> Iterable[tuple[str, dict[str, Number | None]]]:
    if report.fields:
        yield "", report.fields
    yield from (report.instances or {}).items()
