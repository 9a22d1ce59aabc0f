"""An independent driver on the same emulated display: both have to agree on what a glass is."""

from typing import Any

import pytest
import RPLCD.common
import RPLCD.i2c

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import SIZES, Geometry
from tests.support.panels import cut_to, panel_on

PLAIN = (
    "4/5 online !1  12:04",
    "CPU  23% ### [RAM] ?",
    "pi-4 @ 192.168.1.104",
    "{a-z} <A-Z> 0.9 = ok",
)
OTHER = (
    "5/5 online     12:05",
    "CPU  24% ### [RAM] ?",
    "pi-4 @ 192.168.1.104",
    "DISPLAY STOPPED     ",
)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[EmulatedBus]:
    """The buses that RPLCD opens, in order; its sleeps pass on the newest of them."""
    buses: list[EmulatedBus] = []
    monkeypatch.setattr(RPLCD.i2c, "SMBus", lambda _port: buses[-1])
    monkeypatch.setattr(RPLCD.common, "msleep", lambda ms: buses[-1].sleep(ms / 1e3))
    monkeypatch.setattr(RPLCD.common, "usleep", lambda us: buses[-1].sleep(us / 1e6))
    return buses


def theirs(bus: EmulatedBus, geometry: Geometry) -> Any:
    return RPLCD.i2c.CharLCD(
        "PCF8574",
        bus.address,
        cols=geometry.columns,
        rows=geometry.rows,
        charmap="A00",
        auto_linebreaks=False,
    )


def write_all(lcd: Any, lines: tuple[str, ...]) -> None:
    for row, line in enumerate(lines):
        lcd.cursor_pos = (row, 0)
        lcd.write_string(line)


@pytest.mark.parametrize("size", SIZES)
def test_both_drivers_put_the_same_on_the_glass(size: str, opened: list[EmulatedBus]) -> None:
    geometry = SIZES[size]
    opened.append(EmulatedBus(geometry=geometry))
    their_bus, our_bus = opened[-1], EmulatedBus(geometry=geometry)
    lcd, panel = theirs(their_bus, geometry), panel_on(our_bus)
    first, second = cut_to(our_bus, PLAIN), cut_to(our_bus, OTHER)
    write_all(lcd, first)
    panel.make_ready(first, keep_memory=False)
    assert their_bus.text() == our_bus.text() == list(first)
    assert their_bus.dots() == our_bus.dots()
    assert their_bus.codes() == our_bus.codes()
    write_all(lcd, second)
    panel.show(second)
    assert their_bus.text() == our_bus.text() == list(second)
    assert their_bus.dots() == our_bus.dots()
    assert our_bus.violations == []


def test_glyphs_of_theirs_are_seen_as_drawn(opened: list[EmulatedBus]) -> None:
    opened.append(EmulatedBus())
    lcd = theirs(opened[-1], SIZES["20x4"])
    heart = bytes.fromhex("000A1F1F0E040000")
    lcd.create_char(0, tuple(heart))
    lcd.cursor_pos = (2, 5)
    lcd.write_string("\x00")
    assert opened[-1].text()[2][5] == "♥"


def test_our_driver_takes_a_display_over_from_theirs(
    opened: list[EmulatedBus],
) -> None:
    opened.append(EmulatedBus())
    bus = opened[-1]
    write_all(theirs(bus, SIZES["20x4"]), PLAIN)
    panel_on(bus).make_ready(OTHER, keep_memory=False)
    assert bus.text() == list(OTHER)
