"""A display without a display: the I2C bus and the expander, byte for byte.

`EmulatedBus` has the calls of `smbus2.SMBus` that we use and takes real `smbus2.i2c_msg` objects.
Behind it stand a PCF8574 (one latch, replaced at each acknowledged byte; 1 on all pins at
power-on) and an `Hd44780`. Time is virtual: a start or stop bit lasts one bit, a byte nine.
"""

import errno
from collections.abc import Callable
from typing import Any, Final

from rollcall.lcd_display.backpack import BACKLIGHT, RS, RW, E
from rollcall.lcd_display.emulated_hd44780 import Hd44780, Pins, Violation
from rollcall.lcd_display.hd44780 import GLASS_20X4, Geometry

_BIT_US: Final = 10.0
_READ: Final = 1
_LATCH_AT_POWER_ON: Final = 0xFF


class EmulatedBus:
    """An I2C bus at 100 kHz with one display at `address`.

    `rw_wired` False: the board grounds RW, as some do. Faults raise OSError with the errno of a
    Raspberry Pi's adapter; the bytes before a fault have been applied.
    """

    def __init__(
        self,
        *,
        address: int = 0x27,
        geometry: Geometry = GLASS_20X4,
        rw_wired: bool = True,
        oscillator_khz: float = 270.0,
        open_low: int = 0xF,
    ) -> None:
        self.address = address
        self.now_us = 0.0
        self.transactions = 0
        self.bytes_written = 0
        self._rw_wired = rw_wired
        self._new_chip: Callable[[], Hd44780] = lambda: Hd44780(
            geometry, self.now_us, oscillator_khz, open_low, self.violations
        )
        self.violations: list[Violation] = []
        self._latch = _LATCH_AT_POWER_ON
        self._plugged = True
        self._nack_after: int | None = None
        self.chip = self._new_chip()
        self._apply(self._latch)

    # What smbus2 offers

    def read_byte(self, i2c_addr: int) -> int:
        """Read the pins of the expander. Raises OSError."""
        self._begin(i2c_addr)
        value = self._read()
        self._end()
        return value

    def i2c_rdwr(self, *messages: Any) -> None:
        """Carry out `smbus2.i2c_msg` messages in one transaction. Raises OSError."""
        for message in messages:
            self._begin(message.addr)
            if message.flags & _READ:
                for place in range(message.len):
                    message.buf[place] = self._read()
            else:
                for byte in bytes(message):
                    self._write(byte)
        self._end()

    def close(self) -> None:
        """Do nothing: there is no file behind it."""

    # Time and faults

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.now_us += seconds * 1e6

    def nack_at(self, byte: int) -> None:
        """Refuse the written byte that comes after `byte` further ones (0: the next), once."""
        self._nack_after = byte

    def unplug(self) -> None:
        """Take the display away, and its power."""
        self._plugged = False

    def replug(self) -> None:
        """Plug the display in again: everything in it is as after power-on."""
        self._plugged = True
        self._latch = _LATCH_AT_POWER_ON
        self.lcd_brownout()

    def lcd_brownout(self) -> None:
        """Let the controller restart while the expander keeps its pins."""
        self.chip = self._new_chip()
        self._apply(self._latch)

    # What the glass shows

    @property
    def backlight(self) -> bool:
        """Whether the backlight is on."""
        return self._plugged and bool(self._latch & BACKLIGHT)

    def text(self) -> list[str]:
        """Give the rows of the glass in characters."""
        return self.chip.text()

    def codes(self) -> list[list[int | None]]:
        """Give the code behind every cell, row by row; None where the glass is dark."""
        return self.chip.codes()

    # The wire

    def _begin(self, address: int) -> None:
        self.transactions += 1
        self.now_us += 10 * _BIT_US
        if not self._plugged or address != self.address:
            self._refuse()

    def _end(self) -> None:
        self.now_us += _BIT_US

    def _write(self, byte: int) -> None:
        self.now_us += 9 * _BIT_US
        if self._nack_after == 0:
            self._nack_after = None
            self._refuse()
        if self._nack_after is not None:
            self._nack_after -= 1
        self.bytes_written += 1
        self._apply(byte)

    def _read(self) -> int:
        driven = self.chip.driven(self.now_us)
        self.now_us += 9 * _BIT_US
        lcd = 0xF if driven is None else driven
        # The base of the transistor behind P3 holds it low, and so does ground a grounded RW.
        held_low = BACKLIGHT if self._rw_wired else BACKLIGHT | RW
        return self._latch & (lcd << 4 | 0x0F) & ~held_low

    def _refuse(self) -> None:
        self.chip.unsettled = True
        self._end()
        raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def _apply(self, byte: int) -> None:
        self._latch = byte
        pins = Pins(
            rs=bool(byte & RS),
            rw=bool(byte & RW) and self._rw_wired,
            e=bool(byte & E),
            data=byte >> 4,
        )
        self.chip.set_pins(pins, self.now_us)
