"""The simulated host: plausible, seeded, readable by the real collectors."""

import itertools

import pytest
from pydantic import JsonValue

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collectors.cpu import Cpu, CpuOptions
from rollcall.node_agent.collectors.declaration import Collector, Found, UnsupportedError
from rollcall.node_agent.host import LinuxHost
from rollcall.node_agent.simulation import SimulatedHost, busy_share, celsius, is_hot
from tests.support.collectors import make_collectors

START_S = 1_767_225_600.0
DAY_S = 86_400


class FastClock(LinuxHost):
    """A clock a test can move, and the files of this very process."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def wall_s(self) -> float:
        return START_S + self.passed_s

    def boottime_s(self) -> float:
        return 1000.0 + self.passed_s


def reports(seed: int) -> dict[str, Found]:
    clocks = FastClock()
    host = SimulatedHost(seed, clocks)
    groups: dict[str, dict[str, JsonValue]] = {"process": {"groups": {"crawlers": "python3"}}}
    collectors = make_collectors(Account(spool_size=lambda: SpoolSize(0, 0, None)), groups)
    for each in collectors.values():
        found_by(each, host)
    clocks.passed_s += 10
    return {name: found_by(each, host) for name, each in collectors.items()}


def found_by(collector: Collector, host: SimulatedHost) -> Found:
    try:
        return collector.collect(host)
    except UnsupportedError as error:
        return Found(error=f"unsupported: {error}")


def host_is_raspberry_pi(seed: int) -> bool:
    return SimulatedHost(seed).read("/proc/device-tree/model").startswith("Raspberry Pi")


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_collector_can_read_it(seed: int) -> None:
    found = reports(seed)
    without = [] if host_is_raspberry_pi(seed) else ["power"]
    assert [name for name, each in found.items() if each.error] == without
    assert 40 < (found["temperature"].fields or {})["cpu_celsius"] < 90
    (disk,) = (found["diskio"].instances or {}).values()
    assert disk["write_bytes_per_second"] > 0
    assert (found["process"].instances or {})["crawlers"]["cpu_percent"] > 0
    assert 0 < (found["cpu"].fields or {})["percent"] < 100
    assert set(found["disk"].instances or {}) == {"/", "/boot/firmware"}
    assert (found["network"].instances or {})["eth0"]["receive_bytes_per_second"] > 0


def test_the_same_seed_is_the_same_host_and_others_differ() -> None:
    def without_process(seed: int) -> dict[str, Found]:
        return {name: each for name, each in reports(seed).items() if name != "agent"}

    assert without_process(2) == without_process(2)
    shares = {(reports(seed)["cpu"].fields or {})["percent"] for seed in range(1, 9)}
    assert len(shares) == 8
    assert SimulatedHost(1).read("/proc/device-tree/model") != SimulatedHost(2).read(
        "/proc/device-tree/model"
    )


def test_one_in_five_is_hot_for_minutes_and_cools_down() -> None:
    hot = {seed for seed in range(10) if any(is_hot(seed, START_S + 60 * n) for n in range(60))}
    assert hot == {3, 8}
    shares = [busy_share(3, START_S + 60 * n) for n in range(120)]
    assert sum(share > 0.9 for share in shares) >= 30
    assert sum(share < 0.8 for share in shares) >= 30


def test_the_collectors_see_the_heat() -> None:
    clocks = FastClock()
    clocks.passed_s = next(float(n) for n in range(2000) if is_hot(3, START_S + n))
    host, cpu = SimulatedHost(3, clocks), Cpu(CpuOptions(interval=10))
    cpu.collect(host)
    clocks.passed_s += 10
    assert (cpu.collect(host).fields or {})["percent"] > 90


def test_hot_ones_pass_80_degrees_and_cool_down_while_others_stay_below() -> None:
    hot = [celsius(3, START_S + 60 * n) for n in range(120)]
    assert sum(degrees >= 80 for degrees in hot) >= 30
    assert sum(degrees < 75 for degrees in hot) >= 30
    assert all(celsius(seed, START_S + 600 * n) < 80 for seed in (1, 2, 4, 5) for n in range(144))


def test_days_have_a_wave() -> None:
    hours = [
        sum(busy_share(1, START_S + 3600 * hour + 10 * n) for n in range(360)) / 360
        for hour in range(24)
    ]
    assert max(hours) > 1.5 * min(hours)


def test_the_disk_fills_slowly_and_never_over() -> None:
    clocks = FastClock()
    host = SimulatedHost(1, clocks)
    used = []
    for hour in range(24 * 6):
        clocks.passed_s = hour * 3600.0
        found = host.file_system("/")
        used.append(found.total_bytes - found.free_bytes)
        assert 0 < found.available_bytes <= found.free_bytes < found.total_bytes
    grew = [later > earlier for earlier, later in itertools.pairwise(used)]
    assert 1 <= grew.count(False) <= 3


def test_a_restarted_agent_finds_the_same_boot() -> None:
    boot = "/proc/sys/kernel/random/boot_id"
    assert SimulatedHost(4).read(boot) == SimulatedHost(4).read(boot)


def test_what_it_does_not_have_is_missing_as_on_a_real_host() -> None:
    with pytest.raises(FileNotFoundError):
        SimulatedHost(1).read("/proc/mdstat")
