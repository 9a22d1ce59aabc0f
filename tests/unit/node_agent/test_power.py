"""The flags of a Raspberry Pi: now, since boot, how often and how long."""

import threading
from pathlib import Path

import pytest

from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collectors.declaration import Number, UnsupportedError
from rollcall.node_agent.collectors.power import Power, PowerOptions, flags, parse_code
from tests.support.hosts_of_files import HostOfFiles

WORD = "/sys/bus/platform/drivers/raspberrypi-firmware/soc:firmware/get_throttled"
ALARM = "/sys/class/hwmon/hwmon1/in0_lcrit_alarm"
CHIP = {"/sys/class/hwmon/hwmon1/name": "rpi_volt\n", ALARM: "0\n"}


def account(*since_boot: str) -> Account:
    return Account(spool_size=lambda: SpoolSize(0, 0, None), since_boot=set(since_boot))


def reading(power: Power, host: HostOfFiles, word: str) -> dict[str, Number]:
    return power.collect(host.later(2, {WORD: word})).fields or {}


@pytest.mark.parametrize(
    ("word", "on"),
    [
        pytest.param("0\n", set(), id="nothing"),
        pytest.param("1\n", {"under_voltage"}, id="under-voltage"),
        pytest.param("2\n", {"frequency_capped"}, id="capped"),
        pytest.param("4\n", {"throttled"}, id="throttled"),
        pytest.param("8\n", {"soft_temperature_limit"}, id="soft limit"),
        pytest.param("50005\n", {"under_voltage", "throttled"}, id="two, and their past"),
        pytest.param("f0000\n", set(), id="only the past"),
    ],
)
def test_each_bit_is_its_flag(word: str, on: set[str]) -> None:
    found = flags(parse_code(word), None, senses_voltage=True)
    assert {name for name, is_on in found.items() if is_on} == on
    assert len(found) == 4


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_code("error=1 error_msg=\n")


def test_edges_are_counted_and_the_time_between_samples_added(tmp_path: Path) -> None:
    host, power = HostOfFiles(tmp_path, {WORD: "0\n"}), Power(account())
    for word in ("0\n", "4\n", "4\n", "0\n", "4\n"):
        fields = reading(power, host, word)
    assert fields["throttled"] == 1
    assert fields["throttled_events"] == 2
    assert fields["throttled_seconds"] == 4.0
    assert fields["under_voltage_events"] == 0


def test_what_happened_stays_since_boot_though_the_driver_clears_it(tmp_path: Path) -> None:
    host, power = HostOfFiles(tmp_path, {WORD: "0\n"}), Power(account())
    assert reading(power, host, "10000\n")["under_voltage_since_boot"] == 1
    fields = reading(power, host, "0\n")
    assert (fields["under_voltage"], fields["under_voltage_since_boot"]) == (0, 1)
    assert fields["throttled_since_boot"] == 0
    assert fields["throttled_code"] == 0


def test_what_was_known_before_a_restart_of_the_agent_is_known_after(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, {WORD: "0\n"})
    fields = reading(Power(account("throttled")), host, "0\n")
    assert fields["throttled_since_boot"] == 1
    assert fields["throttled_events"] == 0


def test_the_voltage_driver_alone_tells_of_nothing_but_voltage(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, CHIP | {ALARM: "1\n"})
    assert Power(account()).collect(host).fields == {
        "under_voltage": 1,
        "under_voltage_since_boot": 1,
        "under_voltage_events": 1,
        "under_voltage_seconds": 0.0,
    }


def test_a_board_that_cannot_sense_under_voltage_does_not_tell_of_it(tmp_path: Path) -> None:
    board = {"/proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0"}
    fields = Power(account()).collect(HostOfFiles(tmp_path, board | CHIP | {WORD: "1\n"})).fields
    assert "under_voltage" not in (fields or {})
    assert "throttled" in (fields or {})
    with pytest.raises(UnsupportedError):
        Power(account()).collect(HostOfFiles(tmp_path / "without", board | CHIP))


def test_another_host_says_that_it_is_none_and_gives_no_zeros(tmp_path: Path) -> None:
    other = {
        "/sys/class/hwmon/hwmon0/name": "nct6779\n",
        "/sys/class/hwmon/hwmon0/in0_lcrit_alarm": "1\n",
    }
    with pytest.raises(UnsupportedError):
        Power(account()).collect(HostOfFiles(tmp_path, other))


def test_it_looks_every_two_seconds_unless_a_report_comes_as_often() -> None:
    assert PowerOptions(interval=10).sample_s == 2.0
    assert PowerOptions(interval=3).sample_s is None
    assert PowerOptions(interval=10, sample=None).sample_s is None


PI = {"/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5"}


def last_resort(folder: Path, answer: str | None) -> dict[str, Number]:
    """Give what a Pi without the driver tells at the second look; the first asks."""
    host, power = HostOfFiles(folder, PI), Power(account())
    if answer is not None:
        host.answers["vcgencmd"] = answer
    with pytest.raises(UnsupportedError):
        power.collect(host)
    for thread in threading.enumerate():
        if thread.name == "vcgencmd":
            thread.join(5)
    return power.collect(host.later(1)).fields or {}


def test_without_the_driver_vcgencmd_is_asked(tmp_path: Path) -> None:
    fields = last_resort(tmp_path, "throttled=0x50005\n")
    assert fields["throttled_code"] == 0x50005
    assert (fields["under_voltage"], fields["throttled"], fields["frequency_capped"]) == (1, 1, 0)
    assert fields["throttled_since_boot"] == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param("VCHI initialization failed\n", "VCHI initialization failed", id="an error"),
        pytest.param("error=1 error_msg=none", "error=1", id="another error"),
        pytest.param(None, "No such file", id="not installed"),
    ],
)
def test_what_vcgencmd_cannot_tell_is_unsupported_and_said(
    tmp_path: Path, answer: str | None, why: str
) -> None:
    with pytest.raises(UnsupportedError, match=why):
        last_resort(tmp_path, answer)


def test_elsewhere_nobody_looks_for_vcgencmd(tmp_path: Path) -> None:
    host = HostOfFiles(tmp_path, {})
    host.answers["vcgencmd"] = "throttled=0x0\n"
    power = Power(account())
    for _ in range(2):
        with pytest.raises(UnsupportedError):
            power.collect(host.later(20))
