"""What the emulated glass shows, on standard output: a picture, or a JSON line for each change."""

import json
from typing import Final, TextIO

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.picture import boxed

_FIRST: Final = "\x1b[2J\x1b[H"
_AGAIN: Final = "\x1b[H"


class GlassOutput:
    """Writes what `bus` has decoded to `stream`, whenever it has changed.

    On a terminal that is a picture that stays in its place; elsewhere one line a change:
    `{"rows": ["...", ...], "backlight": true}`.
    """

    def __init__(self, bus: EmulatedBus, stream: TextIO) -> None:
        self._bus = bus
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
            picture = boxed(rows, colour=backlight, unicode=self._unicode)
            self._stream.write(place + "".join(f"{line}\x1b[K\n" for line in picture))
        else:
            self._stream.write(json.dumps({"rows": rows, "backlight": backlight}) + "\n")
        self._stream.flush()
        self._written = rows, backlight
