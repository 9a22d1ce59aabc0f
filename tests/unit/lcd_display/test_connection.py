"""From settings to a display: found, claimed, kept to, and left with a last word."""

import errno
from pathlib import Path

import pytest

from rollcall.lcd_display.assembly import Connection, emulated_bus, leave
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.i2c import (
    BusStuckError,
    ForbiddenError,
    NotAcknowledgedError,
    RefusedError,
    TakenError,
)
from rollcall.lcd_display.keeper import Frame
from rollcall.lcd_display.survey import Device, bus_numbers, survey
from rollcall.service.settings import Lcd
from tests.support.panels import BYE, FIVE, panel_on


class TwoDevices(EmulatedBus):
    """A display at 0x27, and something else at 0x20 that must never be written to."""

    def read_byte(self, i2c_addr: int, force: bool | None = None) -> int:  # noqa: FBT001 - smbus2's
        return 0xFF if i2c_addr == 0x20 else super().read_byte(i2c_addr, force)


def test_a_display_that_was_found_is_the_only_address_asked_from_then_on() -> None:
    bus = EmulatedBus()
    connection = Connection(Lcd(), lambda _: bus)
    connection.open()
    bus.unplug()
    other = TwoDevices()
    other.unplug()
    connection._open_bus = lambda _: other
    with pytest.raises(NotAcknowledgedError, match="0x27"):
        connection.open()


def test_two_devices_are_left_for_the_user_to_choose_and_none_is_written_to() -> None:
    bus = TwoDevices()
    with pytest.raises(RefusedError, match=r"0x27, 0x20"):
        Connection(Lcd(), lambda _: bus).open()
    assert bus.bytes_written == 0
    assert Connection(Lcd(address=0x27), lambda _: bus).open().address == 0x27


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, ForbiddenError),
        (errno.EBUSY, TakenError),
        (errno.ETIMEDOUT, BusStuckError),
    ],
    ids=["forbidden", "taken", "stuck"],
)
@pytest.mark.parametrize("address", ["auto", "0x27"])
def test_what_keeps_us_off_has_a_name_whether_the_address_is_known_or_not(
    number: int, kind: type[Exception], address: str
) -> None:
    bus = EmulatedBus()
    bus.error(number, 100)
    with pytest.raises(kind):
        Connection(Lcd.model_validate({"address": address}), lambda _: bus).open()


@pytest.mark.parametrize("pins", ["rs rw e light d4 d5 d6 d7", "d4 d5 d6 d7 e rw rs light"])
@pytest.mark.parametrize("light_active", ["high", "low"])
def test_the_last_word_comes_through_whatever_a_killed_service_left(
    pins: str, light_active: str
) -> None:
    settings = Lcd.model_validate({"pins": pins, "light_active": light_active})
    bus = emulated_bus(settings)
    panel_on(bus).make_ready(FIVE, keep_memory=False)
    bus.set_state(eight_bits=False, half=(5, True))
    bus.sleep(1)
    assert leave(settings, Frame(BYE, light=True), lambda _: bus) == 0x27
    assert bus.text() == list(BYE)
    assert bus.backlight


def test_a_survey_tells_what_answers_on_every_bus_and_writes_nothing() -> None:
    buses = {0: EmulatedBus(address=0x50), 1: TwoDevices(), 2: EmulatedBus()}
    buses[2].error(errno.ETIMEDOUT, 1)
    found = survey([0, 1, 2], lambda number: buses[number])
    assert [bus.devices for bus in found] == [(), (Device(0x27, None), Device(0x20, None)), ()]
    assert "held low" in str(found[2].error)
    assert [bus.bytes_written for bus in buses.values()] == [0, 0, 0]


def test_buses_are_told_by_their_devices(tmp_path: Path) -> None:
    for name in ("i2c-1", "i2c-20", "i2c-", "tty1", "i2c-x"):
        (tmp_path / name).touch()
    assert bus_numbers(tmp_path) == [1, 20]
