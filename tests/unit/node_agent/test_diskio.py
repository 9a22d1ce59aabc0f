"""What disks do, from two readings of their counters."""

from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Number, UnsupportedError
from rollcall.node_agent.collectors.diskio import Diskio, DiskioOptions, rates
from tests.support.hosts_of_files import HostOfFiles

BEFORE = "8 0 sda 100 0 2000 500 50 0 1000 700 0 3000 1200"


def host(folder: Path, line: str = BEFORE) -> HostOfFiles:
    return HostOfFiles(folder, {"/proc/diskstats": f"{line}\n", "/sys/block/sda/dev": "8:0\n"})


def after(folder: Path, line: str, before: str = BEFORE) -> dict[str, Number]:
    reading, seen = Diskio(DiskioOptions(interval=10)), host(folder, before)
    reading.collect(seen)
    found = reading.collect(seen.later(10, {"/proc/diskstats": f"{line}\n"}))
    return (found.instances or {})["sda"]


def test_rates_are_per_second_and_waits_per_operation(tmp_path: Path) -> None:
    fields = after(tmp_path, "8 0 sda 110 0 2200 600 50 0 1000 700 0 8000 1300")
    assert fields == {
        "read_bytes_per_second": 200 * 512 / 10,
        "write_bytes_per_second": 0.0,
        "reads_per_second": 1.0,
        "writes_per_second": 0.0,
        "busy_percent": 50.0,
        "read_wait_seconds": 0.01,
        "read_bytes": 2200 * 512,
        "written_bytes": 1000 * 512,
    }


def test_the_first_reading_has_totals_and_no_rates(tmp_path: Path) -> None:
    found = Diskio(DiskioOptions(interval=10)).collect(host(tmp_path))
    assert found.instances == {"sda": {"read_bytes": 2000 * 512, "written_bytes": 1000 * 512}}


def test_a_counter_that_wrapped_gives_no_rate_and_the_others_do(tmp_path: Path) -> None:
    before = "8 0 sda 100 0 4294967290 500 50 0 1000 700 0 3000 1200"
    fields = after(tmp_path, "8 0 sda 110 0 300 600 50 0 1000 700 0 8000 1300", before)
    assert "read_bytes_per_second" not in fields
    assert fields["reads_per_second"] == 1.0
    assert fields["read_bytes"] == 300 * 512


def test_another_disk_under_the_same_name_starts_anew(tmp_path: Path) -> None:
    fields = after(tmp_path, "8 16 sda 5000 0 90000 500 50 0 1000 700 0 3000 1200")
    assert set(fields) == {"read_bytes", "written_bytes"}


def test_a_disk_is_never_busy_for_more_than_all_of_the_time() -> None:
    assert rates({"busy_ms": 10_020}, 10.0) == {"busy_percent": 100.0}


def test_no_time_gives_no_rates() -> None:
    assert rates({"reads": 5}, 0.0) == {}


def test_a_slash_in_a_name_is_an_exclamation_mark_in_sys(tmp_path: Path) -> None:
    files = {"/proc/diskstats": f"{BEFORE.replace('sda', 'cciss/c0d0')}\n"}
    seen = HostOfFiles(tmp_path, files | {"/sys/block/cciss!c0d0/dev": "8:0\n"})
    found = Diskio(DiskioOptions(interval=10)).collect(seen)
    assert set(found.instances or {}) == {"cciss/c0d0"}


def test_disks_are_left_out_on_request(tmp_path: Path) -> None:
    seen = host(tmp_path)
    with pytest.raises(UnsupportedError):
        Diskio(DiskioOptions(interval=10, exclude=("sd*",))).collect(seen)


def test_a_host_without_disks_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        Diskio(DiskioOptions(interval=10)).collect(HostOfFiles(tmp_path, {}))
