"""When each series last brought a number: what silence is measured from.

Only for the series that somebody asks for; what was silent for a day is forgotten. Silence counts
while the node is online for us: neither its own absence nor ours is the silence of a series.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

_REMEMBERED_S: Final = 86_400.0


class Heard(NamedTuple):
    """The newest number of a series: when (monotonic seconds), and how often it is measured."""

    at_s: float
    interval_s: float


class LastHeard:
    """The newest number of each series that is asked for; `metrics` are those."""

    def __init__(self) -> None:
        self.metrics: frozenset[str] = frozenset()
        self._heard: dict[tuple[str, str], dict[str, Heard]] = {}
        self._online_since_s: dict[str, float] = {}

    def note(self, node: str, metric: str, instance: str, heard: Heard) -> None:
        """Note that a series has brought a number."""
        if metric in self.metrics:
            instances = self._heard.setdefault((node, metric), {})
            known = instances.get(instance)
            if known is None or known.at_s < heard.at_s:
                instances[instance] = heard

    def online(self, node: str, now_s: float) -> None:
        """Note that a node is online for us."""
        self._online_since_s.setdefault(node, now_s)

    def offline(self, node: str) -> None:
        """Note that a node is not online: its silence says nothing about its series."""
        self._online_since_s.pop(node, None)

    def pause(self) -> None:
        """Note that we heard nobody for a while."""
        self._online_since_s.clear()

    def forget(self, node: str) -> None:
        """Forget a node that was removed."""
        self.offline(node)
        for key in [key for key in self._heard if key[0] == node]:
            del self._heard[key]

    def silent_s(
        self, node: str, metric: str, named: Iterable[str], interval_s: float, now_s: float
    ) -> dict[str, tuple[float, float]]:
        """Give (seconds of silence, interval) of each instance heard in the last day, or `named`.

        `interval_s` is taken for what was never heard; seconds are monotonic.
        """
        heard = self._heard.get((node, metric), {})
        for instance in [name for name, at in heard.items() if now_s - at.at_s > _REMEMBERED_S]:
            del heard[instance]
        online_s = self._online_since_s.get(node, now_s)
        never = dict.fromkeys(named, Heard(online_s, interval_s))
        return {
            instance: (now_s - max(at.at_s, online_s), at.interval_s)
            for instance, at in {**never, **heard}.items()
        }
