"""Temperatures and fans; see the kernel's `Documentation/hwmon/sysfs-interface`.

Chips are numbered anew at every boot, so a sensor is known by its chip's name and its own label;
where a host has several chips of a name, the device behind each tells them apart. A host without
such chips may have thermal zones.

Some sensors never answer, or not now (Wi-Fi that is off): they are left out and counted.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rollcall.node_agent.collectors.declaration import (
    OF_LAST,
    Declaration,
    Found,
    Number,
    UnsupportedError,
    gauge,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import SampledOptions

_CHIPS: Final = "/sys/class/hwmon"
_ZONES: Final = "/sys/class/thermal"
_INPUT: Final = re.compile(r"((?:temp|fan)\d+)_input")
_CPU: Final = re.compile(r"cpu[_-]thermal|x86_pkg_temp|coretemp.*/Package id.*|k10temp.*/Tctl")
_SEARCH_AGAIN_S: Final = 60.0
# Some firmware gives 0 or 65261.85 as the limit of a sensor that has none.
_HIGHEST_LIMIT_CELSIUS: Final = 300.0


class Temperature:
    """What each sensor shows, the processor's, and the hottest of all."""

    declaration = Declaration(
        "temperature",
        "Temperatures and fans",
        fields=(
            gauge("cpu_celsius", "the processor; the hottest one of several", peaks=OF_LAST),
            gauge("hottest_celsius", "the hottest sensor", peaks=OF_LAST),
        ),
        instance="sensor (`chip/label`)",
        instance_fields=(
            gauge("celsius", "its temperature", peaks=OF_LAST),
            gauge("critical_celsius", "where damage or a shutdown begins, by the chip's account"),
            gauge("fan_revolutions_per_minute", "speed of the fan"),
        ),
        options=SampledOptions,
    )

    def __init__(self) -> None:
        self._sensors: list[_Sensor] = []
        self._searched_at_s: float | None = None

    def collect(self, host: Host) -> Found:
        """Read all sensors. Raises UnsupportedError, OSError."""
        at_s = host.boottime_s()
        since_s = None if self._searched_at_s is None else at_s - self._searched_at_s
        if since_s is None or since_s >= _SEARCH_AGAIN_S:
            self._search(host)
        instances: dict[str, dict[str, Number]] = {}
        failed = 0
        for sensor in self._sensors:
            try:
                number = int(host.read(sensor.path))
            except (OSError, ValueError):
                failed += 1
                continue
            instances.setdefault(sensor.name, {}).update(sensor.fields(number))
        if failed:
            # It may have left, or have moved to another number.
            self._searched_at_s = None
        if not instances:
            return Found(error=f"failed: none of {failed} sensors answers", dropped_values=failed)
        return Found(summary(instances), instances, dropped_values=failed)

    def _search(self, host: Host) -> None:
        self._sensors = list(_sensors_of_chips(host))
        if not any(sensor.is_temperature for sensor in self._sensors):
            self._sensors += _sensors_of_zones(host)
        if not self._sensors:
            raise UnsupportedError("no temperature sensor")
        self._searched_at_s = host.boottime_s()


@dataclass(frozen=True, slots=True)
class _Sensor:
    """A sensor: its name, the file it is read from, and its limit in degrees Celsius."""

    name: str
    path: str
    is_temperature: bool
    critical_celsius: float | None = None

    def fields(self, number: int) -> dict[str, Number]:
        if not self.is_temperature:
            return {"fan_revolutions_per_minute": number}
        fields: dict[str, Number] = {"celsius": number / 1000}
        if self.critical_celsius is not None:
            fields["critical_celsius"] = self.critical_celsius
        return fields


def summary(instances: dict[str, dict[str, Number]]) -> dict[str, Number] | None:
    """Give the temperatures of the host as a whole; None where there are only fans."""
    celsius = {name: each["celsius"] for name, each in instances.items() if "celsius" in each}
    if not celsius:
        return None
    fields: dict[str, Number] = {"hottest_celsius": max(celsius.values())}
    of_cpu = [number for name, number in celsius.items() if _is_of_cpu(name)]
    if of_cpu:
        fields["cpu_celsius"] = max(of_cpu)
    return fields


def _is_of_cpu(name: str) -> bool:
    return _CPU.fullmatch(name) is not None or _CPU.fullmatch(name.partition("/")[0]) is not None


def _sensors_of_chips(host: Host) -> Iterator[_Sensor]:
    folders = _listing(host, _CHIPS)
    chips = {folder: _text(host, f"{_CHIPS}/{folder}/name") or folder for folder in folders}
    alike = Counter(chips.values())
    for folder, chip in chips.items():
        name = chip if alike[chip] == 1 else _apart(chip, _device(host, folder))
        yield from _sensors_of_chip(host, f"{_CHIPS}/{folder}", name)


def _sensors_of_chip(host: Host, folder: str, chip: str) -> Iterator[_Sensor]:
    inputs = [found[1] for found in map(_INPUT.fullmatch, _listing(host, folder)) if found]
    labels = {each: _text(host, f"{folder}/{each}_label") or each for each in inputs}
    alike = Counter((each[:3], label) for each, label in labels.items())
    for each, label in labels.items():
        own = label if alike[each[:3], label] == 1 else f"{label}-{each}"
        yield _Sensor(
            f"{chip}/{own}",
            f"{folder}/{each}_input",
            each.startswith("temp"),
            _limit(_text(host, f"{folder}/{each}_crit")),
        )


def _sensors_of_zones(host: Host) -> Iterator[_Sensor]:
    folders = [each for each in _listing(host, _ZONES) if each.startswith("thermal_zone")]
    zones = {folder: _text(host, f"{_ZONES}/{folder}/type") or folder for folder in folders}
    alike = Counter(zones.values())
    for folder, kind in zones.items():
        name = kind if alike[kind] == 1 else f"{kind}-{folder}"
        path = f"{_ZONES}/{folder}"
        points = [
            each.removesuffix("_type")
            for each in _listing(host, path)
            if re.fullmatch(r"trip_point_\d+_type", each)
        ]
        limits = [
            _limit(_text(host, f"{path}/{point}_temp"))
            for point in points
            if _text(host, f"{path}/{point}_type") == "critical"
        ]
        yield _Sensor(
            name, f"{path}/temp", is_temperature=True, critical_celsius=next(iter(limits), None)
        )


def _limit(millidegrees: str | None) -> float | None:
    if millidegrees is None or re.fullmatch(r"\d{1,9}", millidegrees) is None:
        return None
    celsius = int(millidegrees) / 1000
    return celsius if 0 < celsius <= _HIGHEST_LIMIT_CELSIUS else None


def _apart(chip: str, device: str) -> str:
    """Name a chip by its device, which often bears its name: `nvme0`, else `lm75-1-0048`."""
    return device if device.startswith(chip) else f"{chip}-{device}"


def _device(host: Host, folder: str) -> str:
    try:
        return host.link(f"{_CHIPS}/{folder}/device")
    except OSError:
        return folder


def _listing(host: Host, folder: str) -> list[str]:
    try:
        return host.listing(folder)
    except OSError:
        # None of the kind, or a chip that has just left.
        return []


def _text(host: Host, path: str) -> str | None:
    try:
        return host.read(path).strip() or None
    except OSError:
        return None
