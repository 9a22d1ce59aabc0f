"""What the collectors read of this very host, against what psutil says of it."""

import psutil
import pytest

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.host import LinuxHost
from tests.support.collectors import make_collectors


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


@pytest.mark.parametrize("name", [declaration.name for declaration in DECLARATIONS])
def test_every_field_that_is_collected_is_declared(name: str) -> None:
    (declaration,) = [each for each in DECLARATIONS if each.name == name]
    found = collected(name)
    declared = {each.name for each in (*declaration.fields, *declaration.instance_fields)}
    per_instance = [set(fields) for fields in (found.instances or {}).values()]
    assert set(found.fields or {}).union(*per_instance) <= declared
