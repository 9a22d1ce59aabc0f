"""Facts of recorded hosts, and the clock's verdict."""

from pathlib import Path

import pytest

from rollcall.broker.messages import Info
from rollcall.node_agent import facts
from rollcall.node_agent.clock import is_synchronized, kernel_error_s
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.host import Host, LinuxHost, clock_is_synchronized
from rollcall.service.settings import Agent
from tests.support.hosts import RecordedHost

NOW_S = 1_795_000_000.0


def info_of(host: Host) -> Info:
    settings = Agent(labels={"role": "web"})
    return facts.read_info(
        host,
        settings,
        groups=["pis"],
        description="rack 2, top",
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
    assert info.groups == ["pis"]


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


def host_with(root: Path, **files: str) -> LinuxHost:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LinuxHost(root)


def test_a_board_is_known_by_its_serial_number(tmp_path: Path) -> None:
    serial = {"sys__firmware__devicetree__base__serial-number": "10000000abcdef01\0"}
    one = facts.identity(host_with(tmp_path / "1", **serial, **{"etc__machine-id": "aa\n"}))
    same = facts.identity(host_with(tmp_path / "2", **serial, **{"etc__machine-id": "aa\n"}))
    serial = dict.fromkeys(serial, "10000000abcdef02\0")
    other = facts.identity(host_with(tmp_path / "3", **serial, **{"etc__machine-id": "aa\n"}))
    assert not same.is_another_than(one)
    assert other.is_another_than(one)
    assert "abcdef" not in one.text()


def test_without_a_serial_number_built_in_interfaces_tell_the_board(tmp_path: Path) -> None:
    def nic(name: str, address: str, assigned: str, *, pci: bool) -> dict[str, str]:
        told = {"addr_assign_type": assigned, "address": address}
        told |= {"device__vendor": "0x1af4"} if pci else {"device__interface": "usb"}
        return {f"sys__class__net__{name}__{key}": text for key, text in told.items()}

    moving = {**nic("usb0", "aa:03", "0", pci=False), **nic("wlan0", "aa:04", "3", pci=True)}
    one = host_with(tmp_path / "1", **nic("eth0", "aa:01", "0", pci=True), **moving)
    other = host_with(tmp_path / "2", **nic("eth0", "aa:02", "0", pci=True), **moving)
    assert len(facts.identity(one).boards) == 1
    assert facts.identity(other).is_another_than(facts.identity(one))


def test_a_host_that_tells_nothing_is_never_taken_for_a_copy(tmp_path: Path) -> None:
    nothing = facts.identity(LinuxHost(tmp_path))
    assert not nothing.is_another_than(facts.identity(LinuxHost()))


def test_a_boot_before_1970_is_not_told() -> None:
    settings = Agent()
    told = facts.read_info(
        RecordedHost("pi4", "t0"), settings, boot_time_s=-3.5, intervals={"cpu": 1}, declarations=()
    )
    assert told.boot_time is None
