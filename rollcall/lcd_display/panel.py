"""A display that answers: carries out what `screen` and `backpack` give, and knows what is shown.

After an error nothing is known about the display any more: make it ready again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rollcall.lcd_display import screen
from rollcall.lcd_display.backpack import (
    PARKED_ADDRESS,
    POWER_ON_WAIT_S,
    RS,
    RW,
    Backpack,
    E,
    Step,
)
from rollcall.lcd_display.charset import Bank, bank_for, codes_of
from rollcall.lcd_display.hd44780 import DISPLAY_ON, Geometry, Transfer
from rollcall.lcd_display.i2c import Port

_COUNTER: Final = 0x7F
_DATA: Final = 0xF0


class Panel:
    """The glass behind `port`. Methods that talk to it raise DisplayError.

    `sleep` takes seconds. `readback` says whether the controller can be asked for its address
    counter; None until it was tried.
    """

    def __init__(
        self,
        port: Port,
        *,
        geometry: Geometry,
        sleep: Callable[[float], None],
        backpack: Backpack | None = None,
    ) -> None:
        self.port = port
        self.readback: bool | None = None
        self._geometry = geometry
        self._sleep = sleep
        self._backpack = backpack or Backpack()
        self._shown: tuple[int, ...] | None = None
        self._bank: Bank | None = None
        self._rs = False
        self._expected_address = PARKED_ADDRESS

    def make_ready(self, lines: Sequence[str], *, keep_memory: bool) -> bool:
        """Bring the display from any state to showing `lines`; say whether it was switched on anew.

        `keep_memory` avoids the blink of clearing, for a display that was ours a moment ago; one
        that has lost its power since is initialized all the same.
        """
        self._shown, self._bank = None, None
        pins = self.port.read()
        anew = not keep_memory or _may_be_new(pins)
        if anew:
            self._sleep(POWER_ON_WAIT_S)
        steps = self._backpack.initialization() if anew else self._backpack.resynchronization()
        self._carry_out((self._backpack.settling(pins), *steps))
        self._rs = False
        self.show(lines)
        if anew:
            written, self._rs = self._backpack.encode([Transfer(DISPLAY_ON)], rs=self._rs)
            self.port.write(written)
        return anew

    def show(self, lines: Sequence[str]) -> int:
        """Show `lines`; give the bytes it took: one transaction, none when nothing differs."""
        bank = bank_for(lines, self._bank)
        codes = codes_of(lines, bank)
        new_bank = bank is not self._bank
        runs = screen.difference(None if new_bank else self._shown, codes, self._geometry)
        if not runs:
            return 0
        transfers = screen.glyph_transfers(bank) if new_bank else []
        written, rs = self._backpack.encode([*transfers, *screen.text_transfers(runs)], rs=self._rs)
        self.port.write(written)
        self._shown, self._bank, self._rs = codes, bank, rs
        self._expected_address = screen.address_behind(runs[-1])
        return len(written)

    def is_healthy(self) -> bool:
        """Ask whether the display is as we left it; False: it restarted, or slipped a nibble."""
        if self.port.read() & (RW | E):
            return False
        if self.readback is None:
            self._read_address()
            self.readback = self._read_address() == PARKED_ADDRESS
            return True
        if not self.readback:
            return True
        expected = self._expected_address
        # After the last cell of the glass the counter wraps to where a reset leaves it too.
        return self._read_address() == expected or expected == 0

    def _read_address(self) -> int:
        first, second, park = self._backpack.reading()
        nibbles = []
        for strobe in (first, second):
            self.port.write(strobe)
            nibbles.append(self.port.read() >> 4)
        self.port.write(park)
        self._rs = False
        self._expected_address = PARKED_ADDRESS
        return (nibbles[0] << 4 | nibbles[1]) & _COUNTER

    def _carry_out(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.port.write(step.writes)
            self._sleep(step.wait_s)


def _may_be_new(pins: int) -> bool:
    """Say whether `pins` may be those of a power-on, all 1, rather than of a message cut short.

    Where RW is wired the controller drives the data lines then; where it is not, RW reads 0.
    """
    strobed = pins & (RS | E) == RS | E
    return strobed and bool(pins & RW or pins & _DATA == _DATA)
