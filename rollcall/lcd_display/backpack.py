"""The I2C backpack: what the controller receives, as bytes for the expander (PCF8574).

Pins P0 RS, P1 RW, P2 E, P3 backlight, P4 to P7 the data lines D4 to D7. A nibble is two bytes:
with E high, then with E low, and it counts when E falls (p.58), so a byte is four. RS and RW must
be stable before E rises (p.49): where RS changes, one byte with E low goes first.

Everything here is a value: write these bytes, wait, read. At 100 kHz a byte on the wire lasts
90 us, longer than any instruction but clear and home, so a frame needs no waits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

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

RS: Final = 0x01
RW: Final = 0x02
E: Final = 0x04
BACKLIGHT: Final = 0x08

POWER_ON_WAIT_S: Final = 0.040
PARKED_ADDRESS: Final = 0x63
_DATA: Final = 0xF0


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes for the expander in one message, and the seconds to wait after it."""

    writes: bytes
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Backpack:
    """Encodes for a backpack whose backlight is on or off."""

    backlight: bool = True

    @property
    def _light(self) -> int:
        return BACKLIGHT if self.backlight else 0

    def encode(self, transfers: Iterable[Transfer], *, rs: bool) -> tuple[bytes, bool]:
        """Give the bytes for `transfers`, and RS afterwards; `rs` is RS before."""
        written = bytearray()
        for transfer in transfers:
            select = self._light | (RS if transfer.to_memory else 0)
            if transfer.to_memory != rs:
                rs = transfer.to_memory
                written.append(select)
            for nibble in (transfer.value & _DATA, transfer.value << 4 & _DATA):
                written += bytes((nibble | select | E, nibble | select))
        return bytes(written), rs

    def settling(self, read: int) -> Step:
        """Lower E, and then everything, from what the expander's pins were found at.

        While RW is 1 the controller drives the data lines: ours must stay high.
        """
        held = read | _DATA if read & RW else read
        return Step(bytes((held & ~E & 0xFF | self._light, self._light)))

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

    def reading(self) -> tuple[bytes, bytes, bytes]:
        """Read the address counter: write the first, read, write the second, read, write the last.

        The high nibbles read are busy flag and address counter, high half first. The last write
        parks the counter at `PARKED_ADDRESS`, where no frame leaves it, nor a reset.
        """
        released = _DATA | RW | self._light
        strobe = bytes((released, released | E))
        park, _ = self.encode([Transfer(SET_DDRAM | PARKED_ADDRESS)], rs=False)
        return strobe, strobe, bytes((released, self._light)) + park

    def _four_bit_interface(self) -> tuple[Step, ...]:
        waits_s = ((0x30, 0.005), (0x30, 0.001), (0x30, 0.001), (0x20, 0.0001))
        return tuple(
            Step(bytes((nibble | E | self._light, nibble | self._light)), wait_s)
            for nibble, wait_s in waits_s
        )

    def _instructions(self, *values: int, wait_s: float = 0.0) -> Step:
        written, _ = self.encode([Transfer(value) for value in values], rs=False)
        return Step(written, wait_s)
