"""From samples to a report: a short spike is seen, and sampling does not drift."""

from pathlib import Path

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collection import Collected, Collection
from rollcall.node_agent.collectors import sources
from rollcall.node_agent.options import Options
from rollcall.node_agent.schedule import Moment, Schedule
from tests.support.collectors import options_of
from tests.support.hosts_of_files import HostOfFiles

WALL_S = 1_767_225_600


class Ticking(HostOfFiles):
    """A host with one processor, of which a share is busy that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.busy_ticks = 1000.0
        self.idle_ticks = 1000.0
        self.reads = 0
        super().__init__(folder, {})

    def read(self, path: str) -> str:
        if path != "/proc/stat":
            return super().read(path)
        self.reads += 1
        ticks = f"{self.busy_ticks:.0f} 0 0 {self.idle_ticks:.0f} 0 0 0 0"
        return f"cpu  {ticks}\ncpu0 {ticks}\nintr 0\nctxt 0\n"

    def spend(self, seconds: float, busy: float) -> Moment:
        self.at_s += seconds
        self.busy_ticks += 100 * seconds * busy
        self.idle_ticks += 100 * seconds * (1 - busy)
        return self.moment()

    def moment(self) -> Moment:
        return Moment(round((WALL_S + self.at_s) * 1000), round(self.at_s * 1000))


def started(host: Ticking, sample: str | None) -> tuple[Collection, Schedule, Options]:
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    options = options_of(account, {"cpu": {"sample": sample} if sample else {}})["cpu"]
    collection = Collection(host, sources(account), account)
    collection.apply({"cpu": options})
    schedule = Schedule({"cpu": options.interval}, 0, host.moment())
    schedule.change("cpu", options.interval, options.sample_s)
    return collection, schedule, options


def run(host: Ticking, sample: str | None, spike_s: range) -> list[Collected]:
    """Run for 30 s, waking up 13 ms late each time; in `spike_s` the processor is busy."""
    collection, schedule, _ = started(host, sample)
    began_s = host.at_s
    collected = []
    while host.at_s < began_s + 30:
        busy = 1.0 if int(host.at_s - began_s) in spike_s else 0.1
        now = host.spend(min(0.5, schedule.wait_s(host.moment())) + 0.013, busy)
        collection.sample(schedule.samples(now))
        collected += collection.run(schedule.due(now))
    return collected


def test_a_spike_of_two_seconds_between_two_reports_is_seen(tmp_path: Path) -> None:
    reports = run(Ticking(tmp_path), "1s", range(14, 16))
    fields = [each.found.fields or {} for each in reports[1:]]
    spiked = [each for each in fields if each["max_percent"] > 90]
    assert len(spiked) == 1
    assert spiked[0]["percent"] < 40
    assert spiked[0]["min_percent"] < 15
    assert all("avg_percent" not in each for each in fields)


def test_without_samples_the_same_spike_drowns_in_the_mean(tmp_path: Path) -> None:
    reports = run(Ticking(tmp_path), None, range(14, 16))
    fields = [each.found.fields or {} for each in reports[1:]]
    assert max(each["percent"] for each in fields) < 40
    assert not [name for each in fields for name in each if name.startswith(("min_", "max_"))]


def test_samples_leave_the_plain_value_as_it_is_without_them(tmp_path: Path) -> None:
    plain = [
        [(each.due.time_ms, (each.found.fields or {})["percent"]) for each in reports]
        for reports in (
            run(Ticking(tmp_path / "a"), "1s", range(0)),
            run(Ticking(tmp_path / "b"), None, range(0)),
        )
    ]
    assert [round(percent, 1) for _, percent in plain[0]] == [
        round(percent, 1) for _, percent in plain[1]
    ]
    assert [time for time, _ in plain[0]] == [time for time, _ in plain[1]]


def test_a_sample_a_second_is_one_reading_a_second(tmp_path: Path) -> None:
    host = Ticking(tmp_path)
    reports = run(host, "1s", range(0))
    primed = 2
    reports_read_twice = len(reports)
    assert abs(host.reads - primed - reports_read_twice - 30) <= 1
