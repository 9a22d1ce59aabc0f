"""A collector that fails, hangs or has nothing to read never stops the others."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.collection import Collected, Collection
from rollcall.node_agent.collectors.declaration import (
    OF_LAST,
    AnySource,
    Collector,
    Declaration,
    Found,
    Source,
    UnsupportedError,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Options, Patterns, SampledOptions
from rollcall.node_agent.schedule import Due
from rollcall.node_agent.simulation import SimulatedHost
from tests.support.waiting import wait_until


class Scripted:
    """A collector that does what a test tells it."""

    def __init__(self, name: str, does: Callable[[], Found], *, blocks: bool = False) -> None:
        self.declaration = Declaration(name, "scripted", blocks=blocks)
        self._does = does

    def collect(self, _host: Host) -> Found:
        return self._does()


class StoppedClock(SimulatedHost):
    """A host whose clock for durations is moved by hand."""

    def __init__(self) -> None:
        super().__init__(1)
        self.at_s = 100.0

    def boottime_s(self) -> float:
        return self.at_s


def raising(error: Exception) -> Callable[[], Found]:
    def collect() -> Found:
        raise error

    return collect


def fine() -> Found:
    return Found({"value": 1})


def made(*collectors: Collector, host: Host | None = None) -> tuple[Collection, Account]:
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    sources = [source_of(each) for each in collectors]
    collection = Collection(host or SimulatedHost(1), sources, account)
    collection.apply({each.declaration.name: Options(interval=10) for each in collectors})
    return collection, account


def source_of(collector: Collector) -> AnySource:
    return Source(collector.declaration, lambda _: collector)


def due(name: str, missed: int = 0) -> Due:
    return Due(name, 1_767_225_600_000, 10, missed)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Hold a hanging collector; always let it go at the end."""
    opened = threading.Event()
    yield opened
    opened.set()


class Counting:
    """A collector whose state is how often it was read."""

    declaration = Declaration(
        "counting", "scripted", fields=(gauge("value", "readings", peaks=OF_LAST),)
    )

    def __init__(self) -> None:
        self.readings = 0

    def collect(self, _host: Host) -> Found:
        self.readings += 1
        return Found({"value": self.readings})


class Exclusive(Options):
    exclude: Patterns = ()


def switched(*names: str) -> tuple[Collection, dict[str, list[Counting]]]:
    """A collection of several, and what was made for each."""
    made_so_far: dict[str, list[Counting]] = {name: [] for name in names}

    def source(name: str) -> AnySource:
        def make(_options: Options) -> Collector:
            made_so_far[name].append(Counting())
            return made_so_far[name][-1]

        return Source(replace(Counting.declaration, name=name), make)

    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    return Collection(SimulatedHost(1), [source(name) for name in names], account), made_so_far


def test_new_options_of_one_collector_leave_the_state_of_the_others_alone() -> None:
    collection, made_so_far = switched("one", "two")
    collection.apply({"one": Exclusive(interval=10), "two": Exclusive(interval=10)})
    collection.run([due("one"), due("two")])
    collection.apply({"one": Exclusive(interval=10, exclude=("a",)), "two": Exclusive(interval=5)})
    assert [each.readings for each in made_so_far["one"]] == [2, 1]
    assert [each.readings for each in made_so_far["two"]] == [2]


def test_a_collector_is_switched_off_and_on_while_others_run() -> None:
    collection, made_so_far = switched("one", "two")
    collection.apply({"one": Options(interval=10), "two": Options(interval=10, enabled=False)})
    assert (len(made_so_far["one"]), len(made_so_far["two"])) == (1, 0)
    collection.apply({"one": Options(interval=10), "two": Options(interval=10)})
    collection.apply({"two": Options(interval=10)})
    assert [declared.name for declared in collection.declared] == ["counting"]
    assert (len(made_so_far["one"]), len(made_so_far["two"])) == (1, 1)
    (collected,) = collection.run([due("two")])
    assert collected.found.fields == {"value": 2}


def test_a_reading_on_its_way_when_its_collector_is_switched_off_is_thrown_away(
    gate: threading.Event,
) -> None:
    def hang() -> Found:
        gate.wait()
        return fine()

    collection, account = made(Scripted("disk", hang, blocks=True))
    on = {"disk": Options(interval=10)}
    assert collection.run([due("disk")]) == []
    collection.apply({})
    gate.set()
    assert collection.finished(0.1) == []
    collection.apply(on)
    (collected,) = wait_until(lambda: collection.run([due("disk")]))
    assert collected.found == fine()
    assert account.tallies["disk"].collections == 1


def test_samples_between_reports_become_peaks_and_do_not_disturb_the_report() -> None:
    collection, _ = switched("one")
    collection.apply({"one": SampledOptions(interval=10, sample=1)})
    for _ in range(9):
        collection.sample(["one"])
    (collected,) = collection.run([due("one")])
    peaks = {"min_value": 2, "max_value": 11, "avg_value": 6.5}
    assert collected.found.fields == {"value": 2, **peaks}
    assert [each.name for each in collection.declared[0].fields] == [
        "value",
        "min_value",
        "avg_value",
        "max_value",
    ]


def test_a_sample_that_fails_is_counted_and_leaves_the_report_whole() -> None:
    calls = iter([fine(), fine(), Found(error="failed: x"), fine(), fine()])
    shaky = Scripted("shaky", lambda: next(calls))
    shaky.declaration = replace(Counting.declaration, name="shaky")
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    collection = Collection(SimulatedHost(1), [source_of(shaky)], account)
    collection.apply({"shaky": SampledOptions(interval=10, sample=1)})
    collection.sample(["shaky"])
    (collected,) = collection.run([due("shaky")])
    assert collected.found.error is None
    assert account.tallies["shaky"].failures == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(UnsupportedError("no sensor"), "unsupported: no sensor", id="has none"),
        pytest.param(
            PermissionError(13, "Permission denied", "/sys/x"), "denied: /sys/x", id="may not"
        ),
        pytest.param(ValueError("odd"), "failed: ValueError: odd", id="cannot read it"),
        pytest.param(ZeroDivisionError("why"), "failed: ZeroDivisionError: why", id="own fault"),
    ],
)
def test_a_failure_is_data_and_the_others_go_on(error: Exception, text: str) -> None:
    collection, account = made(Scripted("broken", raising(error)), Scripted("sound", fine))
    broken, sound = collection.run([due("broken"), due("sound")])
    assert broken.found == Found(error=text)
    assert broken.unsupported == isinstance(error, UnsupportedError)
    assert sound.found == Found({"value": 1})
    assert account.tallies["broken"].failures == (0 if broken.unsupported else 1)
    assert account.tallies["sound"].failures == 0


def test_missed_slots_are_counted() -> None:
    collection, account = made(Scripted("sound", fine))
    collection.run([due("sound", missed=4)])
    assert account.tallies["sound"].skips == 4
    assert account.tallies["sound"].collections == 1


def test_a_fault_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([fine(), Found(error="failed: x"), Found(error="failed: x"), fine(), fine()])
    collection, _ = made(Scripted("shaky", lambda: next(answers)))
    for _ in range(4):
        collection.run([due("shaky")])
    assert [record.getMessage() for record in caplog.records] == [
        "shaky: failed: x",
        "shaky: works again",
    ]


def test_what_blocks_briefly_is_in_the_same_run() -> None:
    collection, _ = made(Scripted("disk", fine, blocks=True))
    (collected,) = collection.run([due("disk")])
    assert collected == Collected(due("disk"), Found({"value": 1}), unsupported=False)


def test_what_hangs_is_given_up_after_its_time_and_skipped_until_it_returns(
    gate: threading.Event,
) -> None:
    def hang() -> Found:
        gate.wait()
        return fine()

    host = StoppedClock()
    collection, account = made(Scripted("disk", hang, blocks=True), host=host)
    assert collection.run([due("disk")]) == []
    host.at_s += 9.9
    assert collection.finished() == []
    host.at_s += 0.2
    (collected,) = collection.finished()
    assert collected.found.error == "timeout: nothing came within 10 s"
    assert collection.run([due("disk")]) == []
    tally = account.tallies["disk"]
    assert (tally.timeouts, tally.skips, tally.failures) == (1, 1, 1)
    gate.set()

    def works_again() -> list[Collected]:
        return collection.run([due("disk")])

    (collected,) = wait_until(works_again)
    assert collected.found == fine()


def test_an_answer_that_comes_after_its_time_is_thrown_away(gate: threading.Event) -> None:
    def hang() -> str:
        gate.wait()
        return "late"

    call: BlockingCall[str] = BlockingCall("test")
    call.start(hang, now_s=0.0, timeout_s=5.0)
    with pytest.raises(StillRunningError):
        call.start(hang, now_s=1.0, timeout_s=5.0)
    assert call.poll(5.0, 0.0) == TimedOut(5.0)
    gate.set()

    def start_again() -> bool:
        try:
            call.start(lambda: "fresh", now_s=6.0, timeout_s=5.0)
        except StillRunningError:
            return False
        return True

    wait_until(start_again)
    assert wait_until(lambda: call.poll(6.0, 0.1)) == "fresh"
