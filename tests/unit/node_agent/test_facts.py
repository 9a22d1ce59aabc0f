"""Facts of recorded hosts, and the clock's verdict."""

import pytest

from rollcall.broker.messages import Info
from rollcall.node_agent import facts
from rollcall.node_agent.clock import is_synchronized, kernel_error_s
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.host import Host, clock_is_synchronized
from rollcall.service.settings import Agent
from tests.support.hosts import RecordedHost

NOW_S = 1_795_000_000.0


def info_of(host: Host) -> Info:
    settings = Agent(labels={"role": "web"}, description="rack 2, top")
    return facts.read_info(
        host,
        settings,
        boot_time_s=1.5,
        intervals={"cpu": 10, "disk": 60},
        declarations=DECLARATIONS,
    )


def test_a_raspberry_pi_tells_what_it_is() -> None:
    info = info_of(RecordedHost("pi4", "t0"))
    assert info.hostname == "pi-3"
    assert info.model == "Raspberry Pi 4 Model B Rev 1.5"
    assert info.os == "Debian GNU/Linux 12 (bookworm)"
    assert info.kernel == "6.6.31+rpt-rpi-v8"
    assert (info.cpus, info.memory_bytes) == (4, 3930932 * 1024)
    assert info.addresses == ["192.168.1.13", "2001:db8::13"]
    assert info.boot == "6d1e3c52-7b0a-4a8e-9f50-2f0f6f4f2a11"
    assert (info.interval, info.collectors) == (10, {"cpu": 10, "disk": 60})
    assert (info.labels, info.description) == ({"role": "web"}, "rack 2, top")


def test_what_a_host_does_not_tell_is_absent() -> None:
    assert info_of(RecordedHost("vm", "t0")).model is None


def test_every_declared_field_is_in_the_facts_with_unit_and_kind() -> None:
    fields = info_of(RecordedHost("vm", "t0")).fields
    assert fields["disk.used_percent"].unit == "percent"
    assert fields["memory.oom_kills"].kind == "counter"
    assert fields["network.up"].kind == "state"
    count = sum(len(each.fields) + len(each.instance_fields) for each in DECLARATIONS)
    assert len(fields) == count


@pytest.mark.parametrize(
    ("error_s", "marked", "wall_s", "verdict"),
    [
        pytest.param(0.01, False, NOW_S, True, id="disciplined"),
        pytest.param(16.0, True, NOW_S, False, id="the kernel knows better than a mark"),
        pytest.param(None, True, NOW_S, True, id="not allowed to ask, marked"),
        pytest.param(None, False, NOW_S, False, id="not allowed to ask, no mark"),
        pytest.param(0.01, True, 1000.0, False, id="in 1970"),
    ],
)
def test_a_clock_is_judged(
    error_s: float | None, wall_s: float, *, marked: bool, verdict: bool
) -> None:
    assert is_synchronized(error_s, marked=marked, wall_s=wall_s) is verdict


def test_the_kernel_tells_the_error_of_its_clock() -> None:
    assert 0 <= kernel_error_s() <= 16


def test_a_host_that_may_not_be_asked_is_judged_by_its_mark() -> None:
    class Denied(RecordedHost):
        def clock_error_s(self) -> float:
            raise PermissionError(1, "Operation not permitted", "adjtimex")

    assert not clock_is_synchronized(Denied("pi4", "t0"))
    assert clock_is_synchronized(RecordedHost("pi4", "t0"))
