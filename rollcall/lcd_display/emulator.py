"""A display without a display: the I2C bus and the expander, byte for byte.

`EmulatedBus` has the calls of `smbus2.SMBus` that are used with displays and takes real
`smbus2.i2c_msg` objects. Behind it stand a PCF8574 (one latch, replaced at each acknowledged byte;
1 on all pins at power-on) and an `Hd44780`. Time is virtual: a start or stop bit lasts one bit, a
byte with its acknowledge nine, and nothing else takes any but the `sleep` it offers.
"""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from rollcall.lcd_display.charset import Rom
from rollcall.lcd_display.datasheet_rules import Pins, Record, Violation
from rollcall.lcd_display.emulated_hd44780 import Hd44780, Specimen
from rollcall.lcd_display.hd44780 import GLASS_20X4, Geometry

_READ: Final = 1
_LATCH_AT_POWER_ON: Final = 0xFF
_MADE_FOR_HZ: Final = 100_000
_LONGEST_MESSAGE_BYTES: Final = 8192
_MOST_MESSAGES: Final = 42

Adapter = Literal["bcm2835", "designware", "i2c-gpio"]
# What the kernel's driver says when the address, and when a byte, is not acknowledged.
_NOT_ACKNOWLEDGED: Final[dict[Adapter, tuple[int, int]]] = {
    "bcm2835": (errno.EREMOTEIO, errno.EREMOTEIO),
    "designware": (errno.EREMOTEIO, errno.EREMOTEIO),
    "i2c-gpio": (errno.ENXIO, errno.EIO),
}


@dataclass(frozen=True)
class Board:
    """How an expander is wired to its controller: `pins` names what P0 to P7 go to.

    `rw_wired` False: RW is grounded, as on some boards. `first_byte_only`: a part that takes one
    byte in a transaction and acknowledges the others for nothing.
    """

    pins: str = "rs rw e light d4 d5 d6 d7"
    light_active: Literal["high", "low"] = "high"
    rw_wired: bool = True
    first_byte_only: bool = False

    @cached_property
    def lines(self) -> tuple[Pins, ...]:
        """What each value of the expander's latch puts on the controller's lines."""
        return tuple(self._lines_at(latch) for latch in range(256))

    @cached_property
    def data(self) -> tuple[int, ...]:
        """The pins of D4 to D7 as bits of a byte."""
        return tuple(self.bit(f"d{line}") for line in range(4, 8))

    def bit(self, line: str) -> int:
        """Give the pin of `line` as a bit of a byte."""
        return 1 << self.pins.split().index(line)

    def is_lit(self, latch: int) -> bool:
        """Say whether the backlight is on."""
        return bool(latch & self.bit("light")) == (self.light_active == "high")

    def read(self, latch: int, driven: int | None) -> int:
        """Give what the expander reads; `driven` is the nibble on the data lines, None: nothing."""
        value = latch
        for place, pin in enumerate(self.data):
            if driven is not None and not driven >> place & 1:
                value &= ~pin
        # The base of the transistor behind its pin holds that low, and so does a grounded RW.
        value &= ~self.bit("light")
        return value if self.rw_wired else value & ~self.bit("rw")

    def _lines_at(self, latch: int) -> Pins:
        data = sum(bool(latch & pin) << place for place, pin in enumerate(self.data))
        rw = bool(latch & self.bit("rw")) and self.rw_wired
        return Pins(bool(latch & self.bit("rs")), rw, bool(latch & self.bit("e")), data)


_USUAL_BOARD: Final = Board()


@dataclass(frozen=True, slots=True)
class Wire:
    """The bus: its clock, the kernel's driver of it, and the longest message a small adapter takes.

    `call_us` is what each call takes beside its bits.
    """

    hz: int = _MADE_FOR_HZ
    adapter: Adapter = "bcm2835"
    longest_message: int | None = None
    call_us: float = 0.0


class EmulatedBus:
    """An I2C bus with one display at `address`.

    Faults raise OSError with the errno of the adapter; the bytes before a fault have been applied.
    `strict`: a violation raises at once.
    """

    def __init__(
        self,
        *,
        address: int = 0x27,
        geometry: Geometry = GLASS_20X4,
        rom: Rom = "A00",
        board: Board | None = None,
        specimen: Specimen | None = None,
        wire: Wire | None = None,
        strict: bool = False,
    ) -> None:
        self.address = address
        self.now_us = 0.0
        self.transactions = 0
        self.bytes_written = 0
        self.record = Record(strict=strict)
        self._board = board or _USUAL_BOARD
        self._wire = wire or Wire()
        self._bit_us = 1e6 / self._wire.hz
        self._new_chip: Callable[[], Hd44780] = lambda: Hd44780(
            geometry, self.now_us, specimen or Specimen(), rom, self.record
        )
        self._latch = _LATCH_AT_POWER_ON
        self._plugged = True
        self._faults: dict[int, Callable[[int], int]] = {}
        self._errors: list[int] = []
        self._stray_e_behind = -1
        if self._wire.hz > _MADE_FOR_HZ:
            text = f"{self._wire.hz} Hz is more than a PCF8574 is for"
            self.record.note(0, "V15", text, warning=True)
        self.chip = self._new_chip()
        self._apply(self._latch)

    # What smbus2 offers

    def read_byte(self, i2c_addr: int, force: bool | None = None) -> int:  # noqa: ARG002, FBT001 - smbus2's
        """Read the pins of the expander. Raises OSError."""
        self._called()
        self._begin(i2c_addr)
        value = self._read()
        self._end()
        return value

    def write_byte(self, i2c_addr: int, value: int, force: bool | None = None) -> None:  # noqa: ARG002, FBT001 - smbus2's
        """Write one byte. Raises OSError."""
        self._called()
        self._write_message(i2c_addr, [value])
        self._end()

    def write_i2c_block_data(
        self,
        i2c_addr: int,
        register: int,
        data: Iterable[int],
        force: bool | None = None,  # noqa: ARG002, FBT001 - smbus2's
    ) -> None:
        """Write `register` and `data`, which are all bytes to this expander. Raises OSError."""
        self._called()
        self._write_message(i2c_addr, [register, *data])
        self._end()

    def i2c_rdwr(self, *messages: Any) -> None:
        """Carry out `smbus2.i2c_msg` messages in one transaction. Raises OSError."""
        self._called()
        self._check(messages)
        for message in messages:
            if message.flags & _READ:
                self._begin(message.addr)
                for place in range(message.len):
                    message.buf[place] = self._read()
            else:
                self._write_message(message.addr, bytes(message))
        self._end()

    def close(self) -> None:
        """Do nothing: there is no file behind it."""

    # Time and faults; `byte` counts the bytes that will be written, from 0 for the next

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.now_us += seconds * 1e6

    def nack_at(self, byte: int) -> None:
        """Refuse a byte, once."""
        self._faults[byte] = lambda _: self._refuse(_NOT_ACKNOWLEDGED[self._wire.adapter][1])

    def flip(self, byte: int, bit: int) -> None:
        """Let a byte arrive with one bit turned over."""
        self._faults[byte] = lambda value: self._disturbed(value ^ 1 << bit)

    def extra_e(self, byte: int) -> None:
        """Let a stray pulse turn E over and back, behind a byte."""
        self._faults[byte] = self._disturbed
        self._stray_e_behind = self.bytes_written + byte

    def error(self, number: int, times: int) -> None:
        """Let the next `times` calls fail with an errno, before anything is sent."""
        self._errors = [number] * times

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
        self.chip.unsettled = True
        self._apply(self._latch)

    def set_state(
        self, *, eight_bits: bool, half: tuple[int, bool] | None, latch: int | None = None
    ) -> None:
        """Put the interface of a working display into any phase; `half` is (nibble, RS)."""
        if latch is not None:
            self._latch = latch
            self.chip = self._new_chip()
            self._apply(latch)
        self.chip.set_state(eight_bits=eight_bits, half=half)

    # What the glass shows

    @property
    def violations(self) -> list[Violation]:
        """What was done that the datasheet forbids."""
        return self.record.violations

    @property
    def backlight(self) -> bool:
        """Whether the backlight is on."""
        return self._plugged and self._board.is_lit(self._latch)

    def text(self) -> list[str]:
        """Give the rows of the glass in characters."""
        return self.chip.text()

    def codes(self) -> list[list[int | None]]:
        """Give the code behind every cell, row by row; None where the glass is dark."""
        return self.chip.codes()

    def dots(self) -> list[list[bool]]:
        """Give the dots of the glass: 8 lists for each row, 5 for each column."""
        return self.chip.dots()

    def checkpoint(self) -> None:
        """Note what must not be when a frame has been written."""
        self.chip.checkpoint(self.now_us)

    # The wire

    def _called(self) -> None:
        self.now_us += self._wire.call_us
        if self._errors:
            number = self._errors.pop()
            raise OSError(number, os.strerror(number))

    def _check(self, messages: tuple[Any, ...]) -> None:
        """Refuse what the kernel refuses before it sends anything."""
        longest = max(len(message) for message in messages)
        if longest > _LONGEST_MESSAGE_BYTES or len(messages) > _MOST_MESSAGES:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        reads_early = any(message.flags & _READ for message in messages[:-1])
        too_long = self._wire.longest_message is not None and longest > self._wire.longest_message
        if too_long or (reads_early and self._wire.adapter == "bcm2835"):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def _begin(self, address: int, *, to_write: bool = False) -> None:
        self.transactions += 1
        self.now_us += 10 * self._bit_us
        if not self._plugged or address != self.address:
            if to_write and address != self.address:
                self.record.note(self.now_us, "V16", f"a write to the unknown 0x{address:02x}")
            self._refuse(_NOT_ACKNOWLEDGED[self._wire.adapter][0])

    def _end(self) -> None:
        self.now_us += self._bit_us

    def _write_message(self, address: int, values: Iterable[int]) -> None:
        self._begin(address, to_write=True)
        for place, value in enumerate(values):
            self.now_us += 9 * self._bit_us
            faulty = self._due_fault()
            arrived = value if faulty is None else faulty(value)
            if place == 0 or not self._board.first_byte_only:
                self._apply(arrived)
            if self.bytes_written == self._stray_e_behind:
                self._apply(arrived ^ self._board.bit("e"))
                self._apply(arrived)
            self.bytes_written += 1

    def _due_fault(self) -> Callable[[int], int] | None:
        if not self._faults:
            return None
        self._faults = {byte - 1: fault for byte, fault in self._faults.items()}
        return self._faults.pop(-1, None)

    def _disturbed(self, value: int) -> int:
        self.chip.unsettled = True
        return value

    def _read(self) -> int:
        driven = self.chip.driven(self.now_us)
        self.now_us += 9 * self._bit_us
        return self._board.read(self._latch, driven)

    def _refuse(self, number: int) -> int:
        self.chip.unsettled = True
        self._end()
        raise OSError(number, os.strerror(number))

    def _apply(self, byte: int) -> None:
        self._latch = byte
        self.chip.set_pins(self._board.lines[byte], self.now_us)
