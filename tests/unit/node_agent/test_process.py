"""Processes and groups of them."""

from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Number
from rollcall.node_agent.collectors.process import Processes, ProcessOptions, parse
from tests.support.hosts_of_files import HostOfFiles

MACHINE = {
    "/proc/stat": "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nprocesses 100\n",
    "/proc/meminfo": "MemTotal:        40960 kB\n",
}


def process(
    pid: int, name: str, ticks: int = 0, *, started: int = 50, state: str = "S", arguments: str = ""
) -> dict[str, str]:
    rest = f"{state} 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 2 0 {started} 0 100"
    return {f"/proc/{pid}/stat": f"{pid} ({name}) {rest}\n", f"/proc/{pid}/cmdline": arguments}


def host(folder: Path, *processes: dict[str, str]) -> HostOfFiles:
    files = MACHINE | process(1, "systemd")
    for each in processes:
        files |= each
    return HostOfFiles(folder, files)


def processes(**groups: str | list[str]) -> Processes:
    return Processes(ProcessOptions.model_validate({"interval": 30, "groups": groups}))


def group(reading: Processes, seen: HostOfFiles, name: str = "crawlers") -> dict[str, Number]:
    return (reading.collect(seen).instances or {})[name]


def gone(seen: HostOfFiles, pid: int) -> None:
    seen.remove(f"/proc/{pid}/stat")


def test_a_group_adds_up_its_processes(tmp_path: Path) -> None:
    seen = host(tmp_path, process(10, "python3", 100), process(11, "python3.11", 200))
    reading = processes(crawlers="python*")
    assert "cpu_percent" not in group(reading, seen)
    later = process(10, "python3", 200) | process(11, "python3.11", 500)
    fields = group(reading, seen.later(10, later))
    assert fields == {
        "processes": 2,
        "threads": 4,
        "cpu_percent": 20.0,
        "resident_bytes": 2 * 100 * 4096,
        "memory_percent": pytest.approx(100 * 200 * 4096 / (40960 * 1024)),
    }


def test_a_group_without_processes_is_zero_and_there(tmp_path: Path) -> None:
    assert group(processes(crawlers="nothing"), host(tmp_path))["processes"] == 0


def test_all_that_a_new_process_took_counts_and_the_last_of_a_dead_one_is_lost(
    tmp_path: Path,
) -> None:
    seen = host(tmp_path, process(10, "python3", 5000))
    reading = processes(crawlers="python3")
    group(reading, seen)
    gone(seen, 10)
    assert group(reading, seen.later(10, process(11, "python3", 100)))["cpu_percent"] == 5.0


def test_a_number_used_again_is_another_process(tmp_path: Path) -> None:
    seen = host(tmp_path, process(10, "python3", 5000))
    reading = processes(crawlers="python3")
    group(reading, seen)
    again = process(10, "python3", 40, started=100_500)
    assert group(reading, seen.later(10, again))["cpu_percent"] == 2.0


def test_a_process_that_joins_a_group_brings_only_what_it_took_since(tmp_path: Path) -> None:
    seen = host(tmp_path, process(10, "sh", 5000))
    reading = processes(crawlers="python3")
    group(reading, seen)
    assert group(reading, seen.later(10, process(10, "python3", 5020)))["cpu_percent"] == 1.0


def test_arguments_tell_scripts_apart(tmp_path: Path) -> None:
    seen = host(
        tmp_path,
        process(10, "python3", arguments="python3\0/srv/crawler.py\0--all\0"),
        process(11, "python3", arguments="python3\0/srv/other.py\0"),
    )
    reading = processes(crawlers="cmdline:*crawler.py*", all=["cmdline:python3 *", "systemd"])
    instances = reading.collect(seen).instances or {}
    assert instances["crawlers"]["processes"] == 1
    assert instances["all"]["processes"] == 3


def test_a_young_process_is_looked_at_again_as_another_program_may_take_its_place(
    tmp_path: Path,
) -> None:
    young = process(10, "sh", started=99_700, arguments="sh\0-c\0x\0")
    seen = host(tmp_path, young)
    reading = processes(crawlers="cmdline:*crawler.py*")
    assert group(reading, seen)["processes"] == 0
    seen.later(2, process(10, "python3", started=99_700, arguments="python3\0crawler.py\0"))
    assert group(reading, seen)["processes"] == 1
    seen.later(60, process(10, "python3", started=99_700, arguments="python3\0else.py\0"))
    assert group(reading, seen)["processes"] == 1


def test_states_are_counted(tmp_path: Path) -> None:
    states = [process(10 + n, "x", state=state) for n, state in enumerate("RRSIDZTt")]
    fields = processes().collect(host(tmp_path, *states)).fields or {}
    assert fields == {
        "total_processes": 9,
        "total_threads": 18,
        "running_processes": 2,
        "sleeping_processes": 3,
        "blocked_processes": 1,
        "zombie_processes": 1,
    }


def test_forks_are_a_rate(tmp_path: Path) -> None:
    seen, reading = host(tmp_path), processes()
    reading.collect(seen)
    later = {"/proc/stat": MACHINE["/proc/stat"].replace("100", "150")}
    assert (reading.collect(seen.later(10, later)).fields or {})["forks_per_second"] == 5.0


def test_without_groups_nobody_asks_for_arguments_or_memory(tmp_path: Path) -> None:
    seen = host(tmp_path)
    seen.remove("/proc/meminfo")
    assert processes().collect(seen).instances is None


def test_processes_that_are_hidden_are_said_to_be_not_counted_as_none(tmp_path: Path) -> None:
    seen = host(tmp_path, process(10, "python3"))
    gone(seen, 1)
    found = processes(crawlers="python3").collect(seen)
    assert (found.fields, found.instances) == (None, None)
    assert (found.error or "").startswith("denied: /proc/1/stat: ")


def test_a_process_that_ends_while_it_is_read_is_none(tmp_path: Path) -> None:
    seen = host(tmp_path, process(10, "python3"))
    seen.refused = {"/proc/10/stat"}
    assert (processes().collect(seen).fields or {})["total_processes"] == 1


def test_the_name_of_a_process_may_hold_anything() -> None:
    rest = "S 1 1 1 0 -1 0 0 0 0 0 7 5 0 0 20 0 3 0 44 0 9"
    found = parse(f"12 (a) b\n(c\udcff)) {rest}")
    assert (found.name, found.ticks, found.threads) == ("a) b\n(c\udcff)", 12, 3)


def test_a_line_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        parse("12 (x) S 1")


def test_a_group_may_have_one_pattern_or_several() -> None:
    options = ProcessOptions.model_validate({"interval": 30, "groups": {"a": "x", "b": ["y", "z"]}})
    assert options.groups == {"a": ("x",), "b": ("y", "z")}
