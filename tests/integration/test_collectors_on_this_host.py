"""What the collectors read of this very host, against what psutil says of it."""

from pathlib import Path

import psutil
import pytest

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Found, UnsupportedError
from rollcall.node_agent.host import LinuxHost
from tests.support.collectors import make_collectors

MOUNTED = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
SKIP_WITHOUT_DISKS = pytest.mark.skipif("/" not in MOUNTED, reason="/ is no mount point here")


def collected(name: str) -> Found:
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    collector = make_collectors(account)[name]
    return collector.collect(LinuxHost())


def field(name: str) -> float:
    collector, _, key = name.partition(".")
    number = (collected(collector).fields or {})[key]
    assert number is not None
    return number


def test_memory_agrees_with_psutil() -> None:
    assert field("memory.total_bytes") == psutil.virtual_memory().total
    assert field("memory.available_bytes") == pytest.approx(
        psutil.virtual_memory().available, rel=0.05
    )


def test_load_agrees_with_psutil() -> None:
    assert field("load.load1") == pytest.approx(psutil.getloadavg()[0], abs=0.5)


def test_boot_time_agrees_with_psutil() -> None:
    assert field("system.boot_time_seconds") == pytest.approx(psutil.boot_time(), abs=3)


@SKIP_WITHOUT_DISKS
def test_the_root_file_system_agrees_with_psutil() -> None:
    root = (collected("disk").instances or {})["/"]
    usage = psutil.disk_usage("/")
    assert root["total_bytes"] == usage.total
    assert root["used_percent"] == pytest.approx(usage.percent, abs=1)


def test_interfaces_agree_with_psutil() -> None:
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    instances = collected("network").instances or {}
    assert instances
    for name, fields in instances.items():
        received = fields["received_bytes"]
        assert received is not None
        assert received <= counters[name].bytes_recv <= received + 50_000_000


def test_disks_agree_with_psutil() -> None:
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
    instances = collected("diskio").instances or {}
    for name, fields in instances.items():
        assert counters[name].read_bytes == pytest.approx(fields["read_bytes"], abs=50_000_000)
        assert counters[name].write_bytes == pytest.approx(fields["written_bytes"], abs=50_000_000)


def test_processes_agree_with_psutil() -> None:
    assert field("process.total_processes") == pytest.approx(len(psutil.pids()), abs=10)
    threads = sum(each.info["num_threads"] or 0 for each in psutil.process_iter(["num_threads"]))
    assert field("process.total_threads") == pytest.approx(threads, abs=30)


def test_the_memory_of_this_process_agrees_with_psutil() -> None:
    own = psutil.Process()
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    pattern = f"cmdline:{' '.join(own.cmdline())[:200].replace('[', '?')}*"
    reading = make_collectors(account, {"process": {"groups": {"us": pattern}}})["process"]
    us = (reading.collect(LinuxHost()).instances or {})["us"]
    assert us["processes"] >= 1
    assert us["resident_bytes"] >= 0.8 * own.memory_info().rss


@pytest.mark.parametrize("name", [declaration.name for declaration in DECLARATIONS])
def test_every_field_that_is_collected_is_declared(name: str) -> None:
    (declaration,) = [each for each in DECLARATIONS if each.name == name]
    try:
        found = collected(name)
    except UnsupportedError as error:
        pytest.skip(f"this host has none: {error}")
    declared = {each.name for each in (*declaration.fields, *declaration.instance_fields)}
    per_instance = [set(fields) for fields in (found.instances or {}).values()]
    assert set(found.fields or {}).union(*per_instance) <= declared
