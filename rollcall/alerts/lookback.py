"""What the kinds that look back have seen of each series: for forecast and anomaly.

Keeps means over hours and days for each alert that could be, and judges each sample against them.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from rollcall.alerts import anomaly, forecast, rule_words
from rollcall.alerts.anomaly import Usual
from rollcall.alerts.evaluation import Observation
from rollcall.alerts.means import Mean, Means
from rollcall.alerts.rules import Anomaly, Forecast, Rule
from rollcall.alerts.state import Key
from rollcall.broker.messages import Number
from rollcall.broker.node_view import Now


class Sample(NamedTuple):
    """A number that arrived, measured each `interval_s`; `also`: the second condition holds."""

    key: Key
    value: Number
    interval_s: float
    also: bool


class Lookback:
    """The means of every series that a forecast or an anomaly rule is about."""

    def __init__(self) -> None:
        self._means: dict[Key, Means] = {}
        self._newest: dict[Key, deque[tuple[float, float]]] = {}
        self._usual: dict[Key, tuple[float, Usual | None]] = {}
        self._restored: dict[Key, list[Mean]] = {}

    def restore(self, means: dict[Key, list[Mean]]) -> None:
        """Take up what was stored before a restart, each oldest first."""
        self._restored = dict(means)

    def forget(self, node: str) -> None:
        """Forget a node that was removed."""
        for known in (self._means, self._newest, self._usual, self._restored):
            for key in [key for key in known if key.node == node]:
                del known[key]

    def closed(self) -> Iterator[tuple[Key, Mean]]:
        """Hand out, once, the means that no sample changes any more."""
        for key, means in self._means.items():
            for mean in means.closed_since_stored():
                yield key, mean

    def ask_again(self) -> None:
        """Note that the rules have changed, and with them perhaps what is a breach."""
        self._usual.clear()

    def observe(self, rule: Rule, sample: Sample, now: Now) -> Observation | None:
        """Take in a sample and judge it; None while too little is known."""
        match rule.question:
            case Forecast() as asked:
                return self._forecast(rule, asked, sample, now)
            case Anomaly() as asked:
                return self._anomaly(rule, asked, sample, now)
        return None

    def _forecast(
        self, rule: Rule, asked: Forecast, sample: Sample, now: Now
    ) -> Observation | None:
        key, value, interval_s, also = sample
        width_s = max(interval_s, asked.window_s / forecast.SPANS)
        means = self._means_of(key, width_s, asked.window_s)
        means.add(value, now.wall_s)
        outlook = forecast.outlook(asked, means, now.wall_s)
        if outlook is None:
            return None
        found = {"value": value, "eta": rule_words.eta_in_words(outlook.eta_s)}
        own_words = rule_words.filled(rule, key.node, key.instance, found)

        def words(_lasted_s: float) -> str:
            return rule_words.forecast_summary(rule, asked, key.instance, outlook.eta_s)

        return Observation(
            breached=also and outlook.breached,
            cleared=not also or outlook.cleared,
            value=value,
            words=own_words or words,
            since=now.wall_s,
            longest_span_s=rule.series.silence_s(interval_s) if rule.series else 0.0,
        )

    def _anomaly(self, rule: Rule, asked: Anomaly, sample: Sample, now: Now) -> Observation | None:
        key, value, interval_s, also = sample
        means = self._means_of(key, anomaly.SPAN_S, asked.window_s)
        usual = self._usual_of(asked, key, means, now.wall_s)
        means.add(value, now.wall_s)
        level = self._level(key, value, now.monotonic_s)
        if usual is None:
            return None
        breached = usual.is_breached_by(level, asked.direction)
        if breached:
            means.mark_odd()
        found = {"value": level, "low": usual.low, "high": usual.high}
        own_words = rule_words.filled(rule, key.node, key.instance, found)

        def words(_lasted_s: float) -> str:
            return rule_words.anomaly_summary(rule, usual, key.instance, level)

        return Observation(
            breached=also and breached,
            cleared=not also or usual.is_cleared_by(level, asked.direction),
            value=level,
            words=own_words or words,
            since=now.wall_s,
            longest_span_s=rule.series.silence_s(interval_s) if rule.series else 0.0,
        )

    def _means_of(self, key: Key, width_s: float, keep_s: float) -> Means:
        means = self._means.get(key)
        if means is not None and means.width_s == width_s:
            means.keep_s = keep_s
            return means
        made = self._means[key] = Means(width_s, keep_s)
        for mean in self._restored.pop(key, ()):
            made.put(mean)
            made.stored_to_s = mean.at // width_s * width_s + width_s
        return made

    def _usual_of(self, asked: Anomaly, key: Key, means: Means, wall_s: float) -> Usual | None:
        """Say what is usual; asked once in each span, since it takes hundreds of values."""
        span = wall_s // anomaly.SPAN_S
        known = self._usual.get(key)
        if known is None or known[0] != span:
            known = self._usual[key] = (span, anomaly.usual(asked, means, wall_s))
        return known[1]

    def _level(self, key: Key, value: Number, monotonic_s: float) -> float:
        """Give the mean of the last five minutes, as the usual is made of such means."""
        newest = self._newest.setdefault(key, deque())
        newest.append((monotonic_s, float(value)))
        while newest[0][0] <= monotonic_s - anomaly.SPAN_S:
            newest.popleft()
        return sum(each for _, each in newest) / len(newest)
