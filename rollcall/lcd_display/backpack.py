"""The I2C backpack: what the controller receives, as bytes for the expander (PCF8574).

A nibble is two bytes: with E high, then with E low, and it counts when E falls (HD44780U datasheet,
p.58), so a byte is four. RS and RW must be stable before E rises (p.49): where RS changes, one byte
with E low goes first.

Everything here is a value: write these bytes, wait, read. At 100 kHz a byte on the wire lasts
90 us, longer than any instruction but clear and home, so a frame needs no waits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from rollcall.lcd_display.hd44780 import (
    CLEAR,
    DISPLAY_OFF,
    DISPLAY_ON,
    ENTRY_INCREMENT,
    FOUR_BITS_TWO_LINES,
    HOME,
    SET_DDRAM,
    Transfer,
)

POWER_ON_WAIT_S: Final = 0.040
PARKED_ADDRESS: Final = 0x63

_NIBBLE: Final = 0xF
_BITS_OF_A_BYTE: Final = 9
# 41 us of the datasheet, for an oscillator at 190 instead of 270 kHz, and a little.
_LONGEST_INSTRUCTION_US: Final = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes for the expander in one message, and the seconds to wait after it.

    It may be cut between `pieces`.
    """

    pieces: tuple[bytes, ...]
    wait_s: float = 0.0


@dataclass(frozen=True)
class Wiring:
    """What the expander's pins go to: P0 to P7 in the words of `pins`.

    `light_active` is the level at which the backlight is on.
    """

    pins: str = "rs rw e light d4 d5 d6 d7"
    light_active: Literal["high", "low"] = "high"

    def bit(self, line: str) -> int:
        """Give the pin of `line` as a bit of the expander's byte."""
        return 1 << self.pins.split().index(line)

    @cached_property
    def nibbles(self) -> tuple[int, ...]:
        """What each nibble is on the pins of D4 to D7."""
        pins = [self.bit(f"d{line}") for line in range(4, 8)]
        return tuple(
            sum(pin for place, pin in enumerate(pins) if nibble >> place & 1)
            for nibble in range(_NIBBLE + 1)
        )


@dataclass(frozen=True)
class Backpack:
    """Encodes for a backpack whose backlight is on or off, on a bus of `clock_khz`.

    What it makes goes in pieces: one for each byte of the controller, so that a small adapter can
    be given less than a whole frame.
    """

    lit: bool = True
    wiring: Wiring = field(default_factory=Wiring)
    clock_khz: int = 100

    def encode(self, transfers: Iterable[Transfer], *, rs: bool) -> tuple[tuple[bytes, ...], bool]:
        """Give the pieces for `transfers`, and RS afterwards; `rs` is RS before."""
        pieces = []
        for transfer in transfers:
            piece = self._pieces[transfer.to_memory][transfer.value]
            if transfer.to_memory != rs:
                rs = transfer.to_memory
                piece = bytes((self.level(rs=rs),)) + piece
            pieces.append(piece)
        return tuple(pieces), rs

    def level(self, *, rs: bool) -> int:
        """Give the byte that holds E, RW and the data lines low."""
        return self._light | (self._rs if rs else 0)

    def may_be_new(self, read: int) -> bool:
        """Say whether pins found at `read` may be those of a power-on, all 1.

        Where RW is wired the controller drives the data lines then; where it is not, RW reads 0.
        A message that was cut short leaves such a picture hardly ever.
        """
        strobed = read & (self._rs | self._e) == self._rs | self._e
        return strobed and bool(read & self._rw or read & self._data == self._data)

    def was_left_alone(self, read: int) -> bool:
        """Say whether pins found at `read` are not those of a power-on: E and RW low."""
        return not read & (self._rw | self._e)

    def settling(self, read: int) -> Step:
        """Lower E, and then everything, from what the expander's pins were found at.

        While RW is 1 the controller drives the data lines: ours must stay high.
        """
        held = read | self._data if read & self._rw else read
        first = held & ~(self._e | self.wiring.bit("light")) | self._light
        return Step((bytes((first, self.level(rs=False))),))

    def second_byte_test(self) -> Step:
        """Raise the data lines in the second byte of a message; E stays low."""
        level = self.level(rs=False)
        return Step((bytes((level, level | self._data)),))

    def took_second_byte(self, read: int) -> bool:
        """Say whether pins found at `read` after `second_byte_test` show its second byte."""
        return bool(read & self._data)

    def initialization(self) -> tuple[Step, ...]:
        """Give what follows `settling` on a controller of unknown past, before the frame (p.46).

        It clears the display and leaves it off: to be switched on behind the first frame.
        """
        return (
            *self._four_bit_interface(),
            self._instructions(FOUR_BITS_TWO_LINES, DISPLAY_OFF),
            self._instructions(CLEAR, wait_s=0.003),
            self._instructions(ENTRY_INCREMENT),
        )

    def resynchronization(self) -> tuple[Step, ...]:
        """Give what follows `settling` when the nibbles may be out of phase; keeps the memory.

        One stray character may be written on the way: the whole frame has to follow.
        """
        return (
            *self._four_bit_interface(),
            self._instructions(FOUR_BITS_TWO_LINES, DISPLAY_ON, ENTRY_INCREMENT),
            self._instructions(HOME, wait_s=0.003),
        )

    def reading(self) -> tuple[Step, Step, Step]:
        """Read the address counter: write the first, read, write the second, read, write the last.

        The nibbles read are busy flag and address counter, high half first. The last write parks
        the counter at `PARKED_ADDRESS`, where no frame leaves it, nor a reset.
        """
        released = self._data | self._rw | self._light
        strobe = Step((bytes((released, released | self._e)),))
        park, _ = self.encode([Transfer(SET_DDRAM | PARKED_ADDRESS)], rs=False)
        return strobe, strobe, Step((bytes((released, self.level(rs=False))), *park))

    def nibble(self, read: int) -> int:
        """Give the nibble on the data lines in what was read."""
        return self.wiring.nibbles.index(read & self._data)

    @cached_property
    def _light(self) -> int:
        high = self.lit == (self.wiring.light_active == "high")
        return self.wiring.bit("light") if high else 0

    @cached_property
    def _rs(self) -> int:
        return self.wiring.bit("rs")

    @cached_property
    def _rw(self) -> int:
        return self.wiring.bit("rw")

    @cached_property
    def _e(self) -> int:
        return self.wiring.bit("e")

    @cached_property
    def _data(self) -> int:
        return self.wiring.nibbles[_NIBBLE]

    @cached_property
    def _pieces(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """What each byte for the controller is on the wire: instructions, then memory."""
        byte_us = _BITS_OF_A_BYTE * 1000 / self.clock_khz
        repeats = max(0, math.ceil(_LONGEST_INSTRUCTION_US / byte_us) - 2)
        made = []
        for rs in (False, True):
            level = self.level(rs=rs)
            nibbles = [bytes((on | level | self._e, on | level)) for on in self.wiring.nibbles]
            made.append(
                tuple(
                    nibbles[value >> 4]
                    + nibbles[value & _NIBBLE]
                    + nibbles[value & _NIBBLE][-1:] * repeats
                    for value in range(256)
                )
            )
        return made[0], made[1]

    def _four_bit_interface(self) -> tuple[Step, ...]:
        level = self.level(rs=False)
        waits_s = ((3, 0.005), (3, 0.001), (3, 0.001), (2, 0.0001))
        return tuple(
            Step((bytes((on | level | self._e, on | level)),), wait_s)
            for on, wait_s in ((self.wiring.nibbles[nibble], wait_s) for nibble, wait_s in waits_s)
        )

    def _instructions(self, *values: int, wait_s: float = 0.0) -> Step:
        pieces, _ = self.encode([Transfer(value) for value in values], rs=False)
        return Step(pieces, wait_s)
