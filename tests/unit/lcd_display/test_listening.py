"""When the display listens to what very many nodes measure."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.broker.node_view import stale_after_s
from rollcall.lcd_display.listening import Listening

COLLECTORS = ("cpu", "memory", "temperature")
NODES = 600


@dataclass
class Cluster:
    """Very many nodes; `apart_s` moves the first of them, `silent` are never heard again."""

    interval_s: int
    nodes: int = NODES
    apart_s: float = 0.0
    missed: frozenset[int] = frozenset()
    interval_of_memory_s: int | None = None

    def follow(self, listening: Listening, lasts_s: int) -> tuple[list[bool], list[float]]:
        """Give by the second whether it was listened, and when the first node's CPU was heard."""
        listening.begin(0.0)
        for node in range(self.nodes):
            for collector in COLLECTORS:
                interval_s = self._interval_s(collector)
                listening.came((f"n{node}", collector), interval_s, replayed=True)
        listened, heard = [], []
        for second in range(lasts_s):
            is_due = listening.is_due(second)
            listened.append(is_due)
            if is_due and self._hear(listening, second):
                heard.append(second + self.apart_s)
        return listened, heard

    def _hear(self, listening: Listening, second: int) -> bool:
        for node in range(1, self.nodes):
            for collector in COLLECTORS:
                if (second + node) % self._interval_s(collector) == 0:
                    name = (f"n{node}", collector)
                    listening.came(name, self._interval_s(collector), replayed=False)
        first = second % self.interval_s == 0 and second // self.interval_s not in self.missed
        if first:
            for collector in COLLECTORS:
                listening.came(("n0", collector), self._interval_s(collector), replayed=False)
        return first

    def _interval_s(self, collector: str) -> int:
        memory_s = self.interval_of_memory_s if collector == "memory" else None
        return memory_s or self.interval_s


@pytest.mark.parametrize(
    ("cluster", "share"),
    [
        pytest.param(Cluster(10), 1 / 3, id="a third of the time where all report every 10 s"),
        pytest.param(Cluster(5), 1 / 7, id="a seventh where they report every 5 s"),
        pytest.param(Cluster(1), 1 / 42, id="a moment where they report every second"),
        pytest.param(Cluster(15), 1.0, id="always where three intervals are all there is"),
        pytest.param(Cluster(10, nodes=400), 1.0, id="always where nodes are not so many"),
        pytest.param(
            Cluster(10, interval_of_memory_s=60), 1.0, id="always where some report every minute"
        ),
    ],
)
def test_it_listens_no_longer_than_it_takes_to_hear_everything(
    cluster: Cluster, share: float
) -> None:
    lasts_s = 420
    listened, _ = cluster.follow(Listening(), lasts_s)
    assert sum(listened) / lasts_s == pytest.approx(share, abs=0.02)


@settings(max_examples=20)
@given(
    interval_s=st.integers(1, 30),
    missed=st.frozensets(st.integers(1, 60)),
)
def test_a_node_that_never_misses_two_reports_running_is_always_fresh(
    interval_s: int, missed: frozenset[int]
) -> None:
    single = frozenset(number for number in missed if number - 1 not in missed)
    cluster = Cluster(interval_s, nodes=501, missed=single)
    _, heard = cluster.follow(Listening(), 180)
    assert heard[-1] > 180 - stale_after_s(interval_s)
    assert all(later - sooner < stale_after_s(interval_s) for sooner, later in pairwise(heard))


def test_a_node_that_falls_silent_is_waited_for_as_long_as_its_numbers_hold_and_only_once() -> None:
    cluster = Cluster(10, missed=frozenset(range(3, 100)))
    listened, _ = cluster.follow(Listening(), 300)
    assert all(listened[30:75])
    assert sum(listened[75:]) / 225 == pytest.approx(1 / 3, abs=0.05)


def test_a_sensor_that_is_gone_is_not_waited_for() -> None:
    listening = Listening()
    everything = [(f"n{node}", name) for node in range(NODES) for name in COLLECTORS]
    gone = everything[0]

    def is_heard_out(sources: list[tuple[str, str]], began_s: int) -> bool:
        assert listening.is_due(began_s)
        for source in sources:
            listening.came(source, 10, replayed=False)
        return not listening.is_due(began_s + 10)

    assert is_heard_out(everything, 0)
    listening.changed(gone, 3600)
    listening.left(gone)
    assert is_heard_out(everything[1:], 30)


def test_an_interval_that_becomes_longer_is_listened_to_as_long() -> None:
    listening = Listening()
    listened, _ = Cluster(10).follow(listening, 21)
    assert not listened[-1]
    listening.changed(("n0", "cpu"), 60)
    listening.changed(("unknown", "cpu"), 3600)
    Cluster(10)._hear(listening, 30)
    assert all(listening.is_due(second) for second in range(30, 90))
