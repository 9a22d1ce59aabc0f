"""Sensors: named so that they stay the same, left out when they do not answer."""

from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import UnsupportedError
from rollcall.node_agent.collectors.temperature import Temperature
from tests.support.hosts_of_files import HostOfFiles

CHIP = "/sys/class/hwmon/hwmon"
ZONE = "/sys/class/thermal/thermal_zone"


def chip(number: int, name: str, **files: object) -> dict[str, str]:
    return {
        f"{CHIP}{number}/name": f"{name}\n",
        **{f"{CHIP}{number}/{file}": f"{text}\n" for file, text in files.items()},
    }


def test_a_sensor_that_vanishes_leaves_the_report_and_is_counted(tmp_path: Path) -> None:
    host = HostOfFiles(
        tmp_path,
        chip(0, "cpu_thermal", temp1_input=50000) | chip(1, "nvme", temp1_input=40000),
    )
    reading = Temperature()
    assert set(reading.collect(host).instances or {}) == {"cpu_thermal/temp1", "nvme/temp1"}
    host.remove(f"{CHIP}1/temp1_input")
    found = reading.collect(host.later(10))
    assert set(found.instances or {}) == {"cpu_thermal/temp1"}
    assert (found.error, found.dropped_values) == (None, 1)
    assert reading.collect(host.later(10)).dropped_values == 0


def test_when_all_sensors_vanish_the_report_says_so_and_then_that_there_are_none(
    tmp_path: Path,
) -> None:
    host = HostOfFiles(tmp_path, chip(0, "cpu_thermal", temp1_input=50000))
    reading = Temperature()
    reading.collect(host)
    host.remove(f"{CHIP}0/temp1_input")
    assert reading.collect(host.later(10)).error == "failed: none of 1 sensors answers"
    with pytest.raises(UnsupportedError):
        reading.collect(host.later(10))


@pytest.mark.parametrize("text", ["", "garbage\n", "1e5\n"], ids=["empty", "words", "no integer"])
def test_a_sensor_that_tells_no_number_is_left_out(tmp_path: Path, text: str) -> None:
    files = chip(0, "cpu_thermal", temp1_input=50000, temp2_input=1)
    host = HostOfFiles(tmp_path, files | {f"{CHIP}0/temp2_input": text})
    found = Temperature().collect(host)
    assert set(found.instances or {}) == {"cpu_thermal/temp1"}
    assert found.dropped_values == 1


def test_a_sensor_that_refuses_for_ever_never_hides_the_others(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, chip(0, "iwlwifi", temp1_input=1, temp2_input=40000))
    host.refused = {f"{CHIP}0/temp1_input"}
    reading = Temperature()
    for _ in range(3):
        assert set(reading.collect(host.later(10)).instances or {}) == {"iwlwifi/temp2"}


def test_a_chip_that_is_plugged_in_is_found_within_a_minute(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, chip(0, "cpu_thermal", temp1_input=50000))
    reading = Temperature()
    reading.collect(host)
    host.write(chip(1, "nvme", temp1_input=40000))
    assert len(reading.collect(host.later(10)).instances or {}) == 1
    assert len(reading.collect(host.later(50)).instances or {}) == 2


def test_other_numbers_of_the_same_chips_give_the_same_names(tmp_path: Path) -> None:
    one = chip(0, "a", temp1_input=1) | chip(1, "b", temp1_input=2)
    other = chip(1, "a", temp1_input=1) | chip(0, "b", temp1_input=2)
    found = [
        Temperature().collect(HostOfFiles(tmp_path / str(n), files))
        for n, files in enumerate((one, other))
    ]
    assert found[0] == found[1]


def test_equal_chips_without_a_device_are_told_apart_by_their_number(tmp_path: Path) -> None:
    files = chip(0, "lm75", temp1_input=1) | chip(1, "lm75", temp1_input=2)
    found = Temperature().collect(HostOfFiles(tmp_path, files))
    assert set(found.instances or {}) == {"lm75-hwmon0/temp1", "lm75-hwmon1/temp1"}


def test_equal_chips_are_told_apart_by_the_device_behind_them(tmp_path: Path) -> None:
    files = chip(0, "nvme", temp1_input=1) | chip(1, "nvme", temp1_input=2)
    files |= chip(2, "lm75", temp1_input=3) | chip(3, "lm75", temp1_input=4)
    host = HostOfFiles(tmp_path, files)
    for number, device in enumerate(("nvme0", "nvme1", "1-0048", "1-0049")):
        (tmp_path / f"sys/class/hwmon/hwmon{number}/device").symlink_to(f"../../{device}")
    assert set(Temperature().collect(host).instances or {}) == {
        "nvme0/temp1",
        "nvme1/temp1",
        "lm75-1-0048/temp1",
        "lm75-1-0049/temp1",
    }


@pytest.mark.parametrize(
    ("name", "label", "is_of_cpu"),
    [
        pytest.param("cpu_thermal", "temp1", True, id="Raspberry Pi"),
        pytest.param("coretemp", "Package id 0", True, id="Intel, whole package"),
        pytest.param("coretemp", "Core 0", False, id="Intel, one core"),
        pytest.param("k10temp", "Tctl", True, id="AMD, control"),
        pytest.param("k10temp", "Tccd1", False, id="AMD, one die"),
        pytest.param("nvme", "Composite", False, id="disk"),
    ],
)
def test_the_processor_is_known_by_chip_and_label(
    tmp_path: Path, name: str, label: str, *, is_of_cpu: bool
) -> None:
    host = HostOfFiles(tmp_path, chip(0, name, temp1_input=61500, temp1_label=label))
    fields = Temperature().collect(host).fields or {}
    assert fields == {"hottest_celsius": 61.5} | ({"cpu_celsius": 61.5} if is_of_cpu else {})


def test_a_host_without_chips_has_its_thermal_zones(tmp_path: Path) -> None:
    files = {
        f"{ZONE}0/type": "cpu-thermal\n",
        f"{ZONE}0/temp": "48300\n",
        f"{ZONE}0/trip_point_0_type": "passive\n",
        f"{ZONE}0/trip_point_0_temp": "80000\n",
        f"{ZONE}0/trip_point_1_type": "critical\n",
        f"{ZONE}0/trip_point_1_temp": "110000\n",
        f"{ZONE}1/type": "acpitz\n",
        f"{ZONE}1/temp": "27800\n",
        "/sys/class/thermal/cooling_device0/type": "Processor\n",
    }
    found = Temperature().collect(HostOfFiles(tmp_path, files))
    assert found.fields == {"hottest_celsius": 48.3, "cpu_celsius": 48.3}
    assert found.instances == {
        "cpu-thermal": {"celsius": 48.3, "critical_celsius": 110.0},
        "acpitz": {"celsius": 27.8},
    }


def test_fans_alone_give_no_temperature(tmp_path: Path) -> None:
    found = Temperature().collect(HostOfFiles(tmp_path, chip(0, "gpio_fan", fan1_input=0)))
    assert found.fields is None
    assert found.instances == {"gpio_fan/fan1": {"fan_revolutions_per_minute": 0}}


def test_degrees_below_zero_are_degrees(tmp_path: Path) -> None:
    found = Temperature().collect(HostOfFiles(tmp_path, chip(0, "lm75", temp1_input=-12500)))
    assert found.fields == {"hottest_celsius": -12.5}
