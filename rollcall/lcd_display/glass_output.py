"""What the emulated glass shows, on standard output: a picture, or a JSON line for each change."""

import json
from typing import Final, TextIO

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.picture import boxed, in_braille

_FIRST: Final = "\x1b[2J\x1b[H"
_AGAIN: Final = "\x1b[H"


class GlassOutput:
    """Writes what `bus` has decoded to `stream`, whenever it has changed.

    On a terminal that is a picture that stays in its place, with every dot where `dots` is wished;
    elsewhere one line a change: `{"rows": ["...", ...], "backlight": true}`.
    """

    def __init__(self, bus: EmulatedBus, stream: TextIO, *, dots: bool = False) -> None:
        self._bus = bus
        self._dots = dots
        self._stream = stream
        self._terminal = stream.isatty()
        self._unicode = (stream.encoding or "").lower().startswith("utf")
        self._written: tuple[list[str], bool] | None = None

    def write(self) -> None:
        """Write the glass if it differs from what was written last. Raises OSError."""
        rows, backlight = self._bus.text(), self._bus.backlight
        if (rows, backlight) == self._written:
            return
        if self._terminal:
            place = _FIRST if self._written is None else _AGAIN
            picture = self._picture(rows, backlight=backlight)
            self._stream.write(place + "".join(f"{line}\x1b[K\n" for line in picture))
        else:
            self._stream.write(json.dumps({"rows": rows, "backlight": backlight}) + "\n")
        self._stream.flush()
        self._written = rows, backlight

    def _picture(self, rows: list[str], *, backlight: bool) -> list[str]:
        if self._dots and self._unicode:
            return in_braille(self._bus.dots(), colour=backlight)
        return boxed(rows, colour=backlight, unicode=self._unicode)
