"""A page as a picture, as the display of the settings would show it.

The whole way is gone: the bytes of the real driver, the emulated chip, the dots of its glass.
"""

from collections.abc import Sequence

from rollcall.lcd_display.assembly import emulated_bus, panel_of
from rollcall.lcd_display.i2c import open_port
from rollcall.lcd_display.png import png_of
from rollcall.service.settings import Lcd


def photograph(settings: Lcd, lines: Sequence[str], *, colour: str, light: bool = True) -> bytes:
    """Give a PNG of the glass with `lines`; `colour` is one of `png.COLOURS`."""
    bus = emulated_bus(settings)
    panel = panel_of(settings, open_port(bus, bus.address), bus.sleep)
    panel.make_ready(lines, keep_memory=False, light=light)
    return png_of(bus.dots(), backlight=bus.backlight, colour=colour)
