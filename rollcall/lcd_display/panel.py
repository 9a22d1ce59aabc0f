"""A display that answers: carries out what `screen` and `backpack` give, and knows what is shown.

After an error nothing is known about the display any more: make it ready again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from rollcall.lcd_display import screen
from rollcall.lcd_display.backpack import PARKED_ADDRESS, POWER_ON_WAIT_S, Backpack, Step
from rollcall.lcd_display.charset import Bank, Rom, bank_for, codes_of
from rollcall.lcd_display.hd44780 import DISPLAY_ON, Geometry, Transfer
from rollcall.lcd_display.i2c import Port

_COUNTER: Final = 0x7F
_GROUNDED_RW: Final = 0x7F
# Behind the last of its cells Hitachi's controller steps to 0, and a copy of it may step on.
_BEHIND_THE_LAST: Final = frozenset({0x00, 0x68})
_TRIES_TO_READ: Final = 3
_USUAL_BACKPACK: Final = Backpack()


class Condition(StrEnum):
    """How a display is found."""

    WELL = "well"
    RESTARTED = "restarted"
    SLIPPED = "slipped"


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
        rom: Rom = "A00",
    ) -> None:
        self.port = port
        self.readback: bool | None = None
        self._geometry = geometry
        self._sleep = sleep
        self._rom: Rom = rom
        lit = backpack or _USUAL_BACKPACK
        self._backpacks = {lit.lit: lit, not lit.lit: replace(lit, lit=not lit.lit)}
        self._lit = lit.lit
        self._shown: tuple[int, ...] | None = None
        self._bank: Bank | None = None
        self._rs = False
        self._expected = frozenset({PARKED_ADDRESS})
        self._behind_the_last = _BEHIND_THE_LAST
        self._found_behind: int | None = None
        self._unreadable = 0

    def make_ready(
        self, lines: Sequence[str], *, keep_memory: bool, light: bool | None = None
    ) -> bool:
        """Bring the display from any state to showing `lines`; say whether it was switched on anew.

        `keep_memory` avoids the blink of clearing, for a display that was ours a moment ago; one
        that has lost its power since is initialized all the same. `light` None: as it was.
        """
        self._shown, self._bank, self.port.one_by_one = None, None, False
        self._lit = self._lit if light is None else light
        backpack = self._backpacks[self._lit]
        pins = self.port.read()
        anew = not keep_memory or backpack.may_be_new(pins)
        if anew:
            self._sleep(POWER_ON_WAIT_S)
        self._carry_out((backpack.settling(pins), backpack.second_byte_test()))
        self.port.one_by_one = not backpack.took_second_byte(self.port.read())
        self._carry_out(backpack.initialization() if anew else backpack.resynchronization())
        self._rs = False
        self.show(lines)
        if anew:
            self._write([Transfer(DISPLAY_ON)])
        return anew

    def show(self, lines: Sequence[str], *, light: bool | None = None) -> int:
        """Show `lines`; give the bytes it took: one transaction, none when nothing differs."""
        bank = bank_for(lines, self._bank)
        codes = codes_of(lines, bank, self._rom)
        new_bank = bank is not self._bank
        runs = screen.difference(None if new_bank else self._shown, codes, self._geometry)
        relit = light not in {None, self._lit}
        self._lit = self._lit if light is None else light
        written = 0
        if runs:
            transfers = screen.glyph_transfers(bank) if new_bank else []
            written = self._write([*transfers, *screen.text_transfers(runs)])
            self._shown, self._bank = codes, bank
            behind = screen.address_behind(runs[-1])
            self._expected = self._behind_the_last if behind == 0 else frozenset({behind})
        elif relit:
            level = bytes((self._backpacks[self._lit].level(rs=self._rs),))
            self.port.write((level,))
            written = len(level)
        return written

    def rewrite(self, lines: Sequence[str]) -> None:
        """Write everything anew, though nothing differs: noise may have changed the glass."""
        self._shown, self._bank = None, None
        self.show(lines)

    def check(self) -> Condition:
        """Ask whether the display is as it was left, and park its address counter."""
        if not self._backpacks[self._lit].was_left_alone(self.port.read()):
            return Condition.RESTARTED
        if self.readback is False:
            return Condition.WELL
        expected = self._expected
        found = self._read_address()
        if found in expected or (expected is self._behind_the_last and self._is_its_way(found)):
            self.readback = True
            return Condition.WELL
        if self.readback is None and self._cannot_be_read(found):
            return Condition.WELL
        was_parked = expected == {PARKED_ADDRESS}
        return Condition.RESTARTED if was_parked else Condition.SLIPPED

    def _is_its_way(self, found: int) -> bool:
        """Learn where this controller steps to behind its last cell: what is found there twice."""
        again, self._found_behind = found == self._found_behind, found
        if again and found != _GROUNDED_RW:
            self._behind_the_last |= {found}
            return True
        return False

    def _cannot_be_read(self, found: int) -> bool:
        """Take note of a first reading that is wrong: always 0x7F where RW is grounded."""
        self._unreadable += 1
        grounded = found == self._read_address() == _GROUNDED_RW
        if grounded or self._unreadable == _TRIES_TO_READ:
            self.readback = False
        return self.readback is False

    def _read_address(self) -> int:
        backpack = self._backpacks[self._lit]
        first, second, park = backpack.reading()
        nibbles = []
        for strobe in (first, second):
            self.port.write(strobe.pieces)
            nibbles.append(backpack.nibble(self.port.read()))
        self.port.write(park.pieces)
        self._rs = False
        self._expected = frozenset({PARKED_ADDRESS})
        return (nibbles[0] << 4 | nibbles[1]) & _COUNTER

    def _write(self, transfers: Sequence[Transfer]) -> int:
        pieces, rs = self._backpacks[self._lit].encode(transfers, rs=self._rs)
        self.port.write(pieces)
        self._rs = rs
        return sum(map(len, pieces))

    def _carry_out(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.port.write(step.pieces)
            self._sleep(step.wait_s)
