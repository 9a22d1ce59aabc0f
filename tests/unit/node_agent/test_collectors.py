"""Collectors on recorded hosts, against golden reports.

With ROLLCALL_WRITE_GOLDEN set, the golden reports are written anew; read the difference.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from rollcall.node_agent.account import Account, SpoolSize, Tally
from rollcall.node_agent.collectors import (
    DECLARATIONS,
    cpu,
    disk,
    load,
    memory,
    network,
    system,
)
from rollcall.node_agent.collectors.agent import parse_ticks
from rollcall.node_agent.collectors.declaration import Collector, Found, UnsupportedError
from rollcall.node_agent.host import FileSystem, LinuxHost
from rollcall.node_agent.rates import Counters
from rollcall.node_agent.readings import fit
from tests.support.collectors import make_collectors
from tests.support.hosts import RecordedHost

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "reports"
HOSTS = ("pi4", "pi_zero", "pi5", "server", "vm", "container")
# What is off by default is switched on here, so that the golden reports show it.
OPTIONS: Mapping[str, Mapping[str, JsonValue]] = {
    "cpu": {"per_core": True},
    "process": {
        "groups": {
            "crawlers": ["cmdline:*crawler*"],
            "python": "python*",
            "database": ["postgres", "mysqld"],
        }
    },
}
NAMES = [declared.name for declared in DECLARATIONS]


def collector(name: str) -> Collector:
    account = Account(spool_size=lambda: SpoolSize(3, 20_480, 12.5))
    account.tallies["cpu"] = Tally(collect_s=0.001, collections=5, skips=1)
    account.tallies["disk"] = Tally()
    return make_collectors(account, {name: OPTIONS.get(name, {})})[name]


def asked(host: LinuxHost, options: disk.DiskOptions | None = None) -> Found:
    return disk.Disk(options or disk.DiskOptions(interval=60)).collect(host)


def report(host: str, name: str) -> Found:
    """What comes of `t1` after `t0`, as the agent would have it."""
    reading = collector(name)
    try:
        reading.collect(RecordedHost(host, "t0"))
        return reading.collect(RecordedHost(host, "t1"))
    except UnsupportedError as error:
        return Found(error=f"unsupported: {error}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_recorded_host_gives_its_golden_report(host: str, name: str) -> None:
    found = report(host, name)
    at = RecordedHost(host, "t1")
    reading, dropped = fit(found, time_s=at.wall_s(), interval_s=10, synchronized=True)
    golden = GOLDEN / host / f"{name}.json"
    text = json.dumps(reading.model_dump(exclude_none=True), indent=2, sort_keys=True) + "\n"
    if "ROLLCALL_WRITE_GOLDEN" in os.environ:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert dropped == 0


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("declared", DECLARATIONS, ids=lambda declared: str(declared.name))
def test_a_collector_finds_nothing_that_it_has_not_declared(host: str, declared: object) -> None:
    declaration = next(each for each in DECLARATIONS if each is declared)
    found = report(host, declaration.name)
    assert set(found.fields or {}) <= {field.name for field in declaration.fields}
    of_instances = {field.name for field in declaration.instance_fields}
    for values in (found.instances or {}).values():
        assert set(values) <= of_instances


def test_no_field_is_declared_twice_and_every_unit_is_the_end_of_its_name() -> None:
    unitless = {"count", "flag", "none"}
    for declared in DECLARATIONS:
        fields = [*declared.fields, *declared.instance_fields]
        assert len({field.name for field in fields}) == len(fields)
        for field in fields:
            assert field.unit in unitless or field.name.endswith(field.unit)
            assert (field.kind == "state") == (field.unit == "flag")


def test_the_shares_of_the_processor_make_a_hundred_together() -> None:
    fields = report("pi4", "cpu").fields or {}
    shares = [v for n, v in fields.items() if n.endswith("_percent")]
    assert sum(shares) == pytest.approx(100)
    idle = fields["idle_percent"] + fields["iowait_percent"]
    assert fields["percent"] == pytest.approx(100 - idle)


def test_a_processor_time_that_runs_backwards_counts_as_none() -> None:
    before = Counters(0.0, {"user": 10.0, "idle": 100.0, "iowait": 50.0})
    now = Counters(1.0, {"user": 20.0, "idle": 190.0, "iowait": 40.0})
    assert cpu.shares(before, now)["iowait_percent"] == 0
    assert cpu.shares(before, now)["percent"] == 10


def test_the_first_reading_of_the_processor_has_no_shares() -> None:
    assert cpu.shares(None, Counters(0.0, {"user": 1.0})) == {}


def test_text_that_is_no_proc_stat_is_refused() -> None:
    with pytest.raises(ValueError, match="all cores"):
        cpu.parse("intr 1 2 3")


def test_memory_without_swap_has_no_swap_fields() -> None:
    assert not [name for name in report("vm", "memory").fields or {} if name.startswith("swap")]


def test_memory_without_a_needed_line_is_refused() -> None:
    with pytest.raises(ValueError, match="MemAvailable"):
        memory.sizes({"MemTotal": 1})


def test_pressure_without_a_total_is_refused() -> None:
    with pytest.raises(ValueError, match="total"):
        load.parse_pressure("full avg10=0.00\n")


def test_a_disk_counts_as_df_does() -> None:
    found = disk.measures(FileSystem(1000, 400, 200, 0, 0), read_only=False)
    assert found["used_percent"] == 75
    assert "used_inodes_percent" not in found


def test_a_file_system_is_read_only_by_its_own_options_not_by_those_of_a_mount() -> None:
    instances = report("pi4", "disk").instances or {}
    assert instances["/"]["read_only"] == 0
    assert instances["/media/usb stick"]["read_only"] == 1


def test_a_file_system_that_fails_is_left_out_and_named() -> None:
    class Broken(RecordedHost):
        def file_system(self, mount_point: str) -> FileSystem:
            if mount_point == "/boot/firmware":
                raise OSError(5, "Input/output error", mount_point)
            return super().file_system(mount_point)

    found = asked(Broken("pi4", "t1"))
    assert found.error == "failed: /boot/firmware: Input/output error"
    assert set(found.instances or {}) == {"/", "/media/usb stick"}


def test_a_host_without_file_systems_says_so(tmp_path: Path) -> None:
    for path in ("proc/self/mountinfo", "proc/filesystems"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    with pytest.raises(UnsupportedError):
        asked(LinuxHost(tmp_path))


def test_a_later_mount_hides_an_earlier_one_on_the_same_point() -> None:
    lines = "1 0 8:1 / /data rw - ext4 /dev/a rw\n2 0 8:2 / /data rw - ext4 /dev/b rw\n"
    ((mount,), _) = disk.parse_mounts(lines)
    assert mount.device == "8:2"


@pytest.mark.parametrize(
    ("operstate", "carrier", "up"),
    [
        pytest.param("up", "1", True, id="up"),
        pytest.param("down", "0", False, id="down"),
        pytest.param("dormant", "1", False, id="waits for something"),
        pytest.param("unknown", "1", True, id="driver leaves it to the carrier"),
        pytest.param("unknown", None, None, id="nothing known"),
        pytest.param(None, None, None, id="no such file"),
    ],
)
def test_a_link_is_up_when_it_works(
    operstate: str | None, carrier: str | None, *, up: bool | None
) -> None:
    assert network.is_up(operstate, carrier) is up


def test_an_adapter_that_was_changed_starts_anew_under_its_name() -> None:
    instances = report("pi4", "network").instances or {}
    assert "receive_bytes_per_second" in instances["eth0"]
    assert "receive_bytes_per_second" not in instances["wlan0"]


def test_the_boot_time_stands_still_while_the_clock_is_corrected() -> None:
    assert system.steady(1000.0, 1001.9) == 1000.0
    assert system.steady(1000.0, 1002.1) == 1002.1
    assert system.steady(None, 5.0) == 5.0


def test_only_sessions_of_people_are_users() -> None:
    assert (report("pi4", "system").fields or {})["users"] == 1


def test_the_name_of_a_process_may_hold_anything() -> None:
    rest = "S 1 1 1 0 -1 0 0 0 0 0 7 5 0 0"
    assert parse_ticks(f"12 (a) b (c)) {rest}") == 12
