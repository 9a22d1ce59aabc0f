"""What answers on the I2C buses of this machine; only asks, never writes a byte to a device."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollcall.lcd_display.claim import claimed_by
from rollcall.lcd_display.i2c import Bus, DisplayError, answering, open_bus


@dataclass(frozen=True, slots=True)
class Device:
    """Something that answers at an address where backpacks are; `process` uses it now."""

    address: int
    process: int | None


@dataclass(frozen=True, slots=True)
class BusFound:
    """A bus: /dev/i2c-`number`; `error` says why it cannot be asked."""

    number: int
    devices: tuple[Device, ...] = ()
    error: str | None = None


def bus_numbers(devices: Path = Path("/dev")) -> list[int]:
    """Give the numbers of the I2C buses that the system shows."""
    names = (re.fullmatch(r"i2c-(\d+)", path.name) for path in devices.glob("i2c-*"))
    return sorted(int(name[1]) for name in names if name)


def survey(
    numbers: Sequence[int], open_bus: Callable[[int], Bus] = open_bus
) -> tuple[BusFound, ...]:
    """Ask every bus; a fault of one is told in its place."""
    return tuple(_ask(number, open_bus) for number in numbers)


def _ask(number: int, open_bus: Callable[[int], Bus]) -> BusFound:
    try:
        bus = open_bus(number)
        try:
            found = answering(bus)
            descriptor: int | None = getattr(bus, "fd", None)
            users = {
                address: claimed_by(descriptor, address) if descriptor is not None else None
                for address in found
            }
        finally:
            bus.close()
    except DisplayError as error:
        return BusFound(number, error=str(error))
    return BusFound(number, tuple(Device(address, users[address]) for address in found))
