"""errno into named errors, and finding the display without writing to anything."""

import errno
from typing import Any

import pytest

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.i2c import (
    BusFaultError,
    BusStuckError,
    DisplayError,
    NoBusError,
    NotAcknowledgedError,
    RefusedError,
    open_bus,
    open_port,
)


class FailingBus:
    """A bus on which every call fails, or several addresses answer."""

    def __init__(self, number: int = errno.EREMOTEIO, *, answering: tuple[int, ...] = ()) -> None:
        self.number = number
        self.answering = answering
        self.closed = False

    def read_byte(self, i2c_addr: int) -> int:
        if i2c_addr in self.answering:
            return 0x08
        raise OSError(self.number, "as the kernel says it")

    def i2c_rdwr(self, *messages: Any) -> None:
        raise AssertionError(f"{len(messages)} messages written while only probing")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("address", [0x20, 0x27, 0x38, 0x3F], ids=hex)
def test_the_display_is_found_without_writing_a_byte(address: int) -> None:
    bus = EmulatedBus(address=address)
    assert open_port(bus, "auto").address == address
    assert bus.bytes_written == 0


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EREMOTEIO, NotAcknowledgedError),
        (errno.ENXIO, NotAcknowledgedError),
        (errno.ETIMEDOUT, BusStuckError),
        (errno.EIO, BusFaultError),
        (errno.EBUSY, RefusedError),
        (errno.EPERM, BusFaultError),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_an_errno_becomes_an_error_with_a_name(number: int, kind: type[DisplayError]) -> None:
    bus = FailingBus(number)
    with pytest.raises(kind, match="0x27"):
        open_port(bus, 0x27)
    assert bus.closed


def test_a_stuck_bus_is_not_asked_at_every_address() -> None:
    with pytest.raises(BusStuckError, match="0x27"):
        open_port(FailingBus(errno.ETIMEDOUT), "auto")


def test_several_devices_that_answer_are_listed_and_none_is_taken() -> None:
    with pytest.raises(RefusedError, match=r"0x27, 0x3f; set \[lcd\] address"):
        open_port(FailingBus(answering=(0x27, 0x3F)), "auto")


def test_nobody_answering_says_what_to_check() -> None:
    with pytest.raises(NotAcknowledgedError, match="check power and wiring"):
        open_port(FailingBus(), "auto")


def test_a_machine_without_the_bus_is_told_how_to_switch_it_on() -> None:
    with pytest.raises(NoBusError, match="raspi-config"):
        open_bus(255)
