"""Every page at every size, on the emulated chip: the glass is what was meant.

By two paths that share nothing but the page: characters to codes to bytes to the emulated
controller and its font, and characters to dots.
"""

import pytest

from rollcall.lcd_display.charset import bank_for, codes_of
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import SIZES
from tests.support.panels import drawn, panel_on
from tests.support.screens import SCREENS, geometry_of_screen


@pytest.mark.parametrize("name", SCREENS)
def test_the_glass_shows_the_screen_by_text_by_code_and_by_dot(name: str) -> None:
    bus = EmulatedBus(geometry=geometry_of_screen(name))
    lines = SCREENS[name]()
    panel_on(bus).make_ready(lines, keep_memory=False)
    assert bus.text() == list(lines)
    assert [code for row in bus.codes() for code in row] == list(
        codes_of(lines, bank_for(lines, None))
    )
    assert bus.dots() == drawn(lines)
    assert bus.violations == []


@pytest.mark.parametrize("size", SIZES)
def test_one_screen_after_another_is_right_and_keeps_to_the_datasheet(size: str) -> None:
    bus = EmulatedBus(geometry=SIZES[size])
    panel = panel_on(bus)
    screens = [draw() for name, draw in SCREENS.items() if name.startswith(f"{size}/")]
    panel.make_ready(screens[0], keep_memory=False)
    for lines in screens:
        panel.show(lines)
        assert bus.dots() == drawn(lines)
    assert bus.violations == []
