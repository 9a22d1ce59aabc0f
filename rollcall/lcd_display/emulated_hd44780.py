"""The controller and its glass, pin by pin: what an HD44780 with font ROM A00 would do and show.

Follows Hitachi's HD44780U datasheet (ADE-207-272): interface p.22 and 33, reset p.23,
instructions p.24-30, initialization p.46, timing p.49-52. Times are microseconds of a virtual
clock that the caller holds. What the datasheet forbids is recorded as a `Violation`, not refused.

The states of the interface: 8 bits wide after power-on (only D7 to D4 are connected, the low
nibble reads as `open_low`), later 4 bits wide, where a byte is two strobes and `_half` holds the
first. A function set drops a pending half.
"""

from dataclasses import dataclass, field
from typing import Final

from rollcall.lcd_display.charset import character_of
from rollcall.lcd_display.hd44780 import (
    CLEAR,
    DISPLAY_CONTROL,
    ENTRY_MODE,
    FUNCTION_SET,
    SET_CGRAM,
    SET_DDRAM,
    SHIFT,
    Geometry,
    address_after,
)

_POWER_ON_BUSY_US: Final = 10_000.0
_POWER_ON_WAIT_US: Final = 40_000.0
_INSTRUCTION_US: Final = 37.0
_MEMORY_US: Final = 41.0
_CLEAR_US: Final = 1520.0
_NOMINAL_KHZ: Final = 270.0
_FIRST_TO_SECOND_US: Final = 4100.0
_SECOND_TO_THIRD_US: Final = 100.0
_RELEASED: Final = 0xF
_LINE: Final = 40
_SECOND_LINE: Final = 0x40
_MEMORY_CELLS: Final = 80


@dataclass(frozen=True, slots=True)
class Violation:
    """Something the datasheet forbids: when (microseconds), which rule, in words."""

    at_us: float
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Pins:
    """The lines from the expander to the controller; `data` is D7 to D4 as a nibble."""

    rs: bool
    rw: bool
    e: bool
    data: int


@dataclass
class _Flags:
    """What instructions set; these are the values after power-on (p.23)."""

    eight_bits: bool = True
    two_lines: bool = False
    tall_font: bool = False
    display: bool = False
    cursor: int = 0
    increment: bool = True
    shifting: bool = False
    lines_open: bool = True


@dataclass
class Hd44780:
    """A controller switched on at `powered_us`, behind a glass of `geometry`.

    `oscillator_khz` slows or speeds every instruction; `open_low` is 0xF or 0.
    """

    geometry: Geometry
    powered_us: float = 0.0
    oscillator_khz: float = _NOMINAL_KHZ
    open_low: int = 0xF
    violations: list[Violation] = field(default_factory=list)
    unsettled: bool = False
    _flags: _Flags = field(default_factory=_Flags)
    _memory: bytearray = field(default_factory=lambda: bytearray(b" " * _MEMORY_CELLS))
    _glyphs: bytearray = field(default_factory=lambda: bytearray(64))
    _counter: int = 0
    _counts_glyphs: bool = False
    _shift: int = 0
    _half: tuple[int, bool] | None = None
    _half_read: bool = False
    _busy_until_us: float = 0.0
    _function_sets_us: list[float] = field(default_factory=list)
    _pins: Pins | None = None

    def __post_init__(self) -> None:
        self._busy_until_us = self.powered_us + _POWER_ON_BUSY_US

    # The interface

    def set_pins(self, pins: Pins, now_us: float) -> None:
        """Let the lines change, all at once; the first call says how they stand at power-on."""
        before, self._pins = self._pins, pins
        if before is None:
            return
        self._watch_edges(before, pins, now_us)
        if before.e and not pins.e:
            if before.rw:
                self._read_strobe(rs=before.rs)
            else:
                self._write_strobe(before.data, now_us, rs=before.rs)

    def driven(self, now_us: float) -> int | None:
        """Give the nibble on D7 to D4 while the controller drives them, else None."""
        if self._pins is None or not (self._pins.rw and self._pins.e):
            return None
        busy = 0x80 if now_us < self._busy_until_us else 0
        value = self._read_memory() if self._pins.rs else busy | self._counter
        low_half = self._half_read and not self._flags.eight_bits
        return value & 0xF if low_half else value >> 4

    def set_state(self, *, eight_bits: bool, half: tuple[int, bool] | None) -> None:
        """Put the interface of a working display into any phase; `half` is (nibble, RS)."""
        self._flags = _Flags(eight_bits=eight_bits, two_lines=True, display=True, lines_open=False)
        self._function_sets_us = [self.powered_us] * 3
        self._half = half
        self.unsettled = True

    def _watch_edges(self, before: Pins, after: Pins, now_us: float) -> None:
        selects_change = (before.rs, before.rw) != (after.rs, after.rw)
        if selects_change and after.e:
            code = "V04" if before.e else "V01"
            self._violate(now_us, code, "RS or RW changes while E is high or rises")
        elif selects_change and before.e:
            self._violate(now_us, "V02", "RS or RW changes in the byte that drops E")
        if before.e and not after.e and before.data != after.data:
            self._violate(now_us, "V03", "data changes in the byte that drops E")
        if after.rw and after.e and after.data != _RELEASED:
            self._violate(now_us, "V13", "a data line is held low while the controller drives it")

    def _write_strobe(self, nibble: int, now_us: float, *, rs: bool) -> None:
        if now_us < self.powered_us + _POWER_ON_WAIT_US:
            self._violate(now_us, "V06", "written to within 40 ms of power-on")
        if now_us < self._busy_until_us:
            self._violate(now_us, "V05", "written to while busy")
            return
        if self._flags.eight_bits:
            self._execute(nibble << 4 | self.open_low, now_us, rs=rs)
        elif self._half is None:
            self._half = (nibble, rs)
        else:
            high, rs_of_high = self._half
            self._half = None
            if rs_of_high != rs and not self.unsettled:
                self._violate(now_us, "V10", "the halves of a byte differ in RS")
            self._execute(high << 4 | nibble, now_us, rs=rs)

    def _read_strobe(self, *, rs: bool) -> None:
        if not self._flags.eight_bits and not self._half_read:
            self._half_read = True
            return
        self._half_read = False
        if rs:
            self._step()

    # The instructions

    def _execute(self, value: int, now_us: float, *, rs: bool) -> None:
        scale = _NOMINAL_KHZ / self.oscillator_khz
        if rs:
            self._write_memory(value)
            self._busy_until_us = now_us + _MEMORY_US * scale
            return
        slow = 0 < value < ENTRY_MODE
        self._busy_until_us = now_us + (_CLEAR_US if slow else _INSTRUCTION_US) * scale
        if not self._function_sets_us and value & 0xE0 != FUNCTION_SET and not self.unsettled:
            self._violate(now_us, "V07", f"0x{value:02X} before the first function set")
        self._obey(value, now_us)

    def _obey(self, value: int, now_us: float) -> None:
        flags = self._flags
        if value & SET_DDRAM:
            self._set_address(value & 0x7F, now_us)
        elif value & SET_CGRAM:
            self._counter, self._counts_glyphs = value & 0x3F, True
        elif value & FUNCTION_SET:
            self._set_function(value, now_us)
        elif value & SHIFT:
            self._move(right=bool(value & 0x04), display=bool(value & 0x08))
        elif value & DISPLAY_CONTROL:
            flags.display, flags.cursor = bool(value & 0x04), value & 0x03
        elif value & ENTRY_MODE:
            flags.increment, flags.shifting = bool(value & 0x02), bool(value & 0x01)
        elif value:
            self._counter, self._counts_glyphs, self._shift = 0, False, 0
            if value == CLEAR:
                self._memory[:] = b" " * _MEMORY_CELLS
                flags.increment = True

    def _set_address(self, address: int, now_us: float) -> None:
        if self._place(address) is None and not self.unsettled:
            self._violate(now_us, "V11", f"address 0x{address:02X} lies in the hole")
        self._counter, self._counts_glyphs = address, False

    def _set_function(self, value: int, now_us: float) -> None:
        flags = self._flags
        self._watch_initialization(now_us)
        eight_bits, lines = bool(value & 0x10), (bool(value & 0x08), bool(value & 0x04))
        width_set_anew = eight_bits or flags.eight_bits
        if lines != (flags.two_lines, flags.tall_font):
            if width_set_anew or flags.lines_open:
                flags.two_lines, flags.tall_font = lines
            elif not self.unsettled:
                self._violate(now_us, "V12", "lines or font change without the 8-bit sequence")
        # Behind the switch to 4 bits the next function set may still set lines and font (p.42).
        flags.lines_open = width_set_anew
        flags.eight_bits = eight_bits
        self._half, self._half_read, self.unsettled = None, False, False

    def _watch_initialization(self, now_us: float) -> None:
        times_us = self._function_sets_us
        least_us = {1: ("V08", _FIRST_TO_SECOND_US), 2: ("V09", _SECOND_TO_THIRD_US)}
        if len(times_us) in least_us:
            code, wait_us = least_us[len(times_us)]
            if now_us - times_us[-1] < wait_us:
                self._violate(now_us, code, f"function sets less than {wait_us:.0f} us apart")
        times_us.append(now_us)

    def _move(self, *, right: bool, display: bool) -> None:
        if display:
            self._shift = (self._shift + (-1 if right else 1)) % _LINE
        else:
            self._step(forward=right)

    # The memories

    def _write_memory(self, value: int) -> None:
        if self._counts_glyphs:
            self._glyphs[self._counter] = value & 0x1F
        else:
            place = self._place(self._counter)
            if place is not None:
                self._memory[place] = value
            if self._flags.shifting:
                self._shift = (self._shift + (1 if self._flags.increment else -1)) % _LINE
        self._step(forward=self._flags.increment)

    def _read_memory(self) -> int:
        if self._counts_glyphs:
            return self._glyphs[self._counter]
        place = self._place(self._counter)
        return 0x20 if place is None else self._memory[place]

    def _step(self, *, forward: bool = True) -> None:
        if self._counts_glyphs:
            self._counter = (self._counter + (1 if forward else -1)) % 64
        elif not forward:
            before = {0: 0x67, _SECOND_LINE: 0x27} if self._flags.two_lines else {0: 0x4F}
            self._counter = before.get(self._counter, (self._counter - 1) & 0x7F)
        elif self._flags.two_lines:
            self._counter = address_after(self._counter) & 0x7F
        else:
            self._counter = (self._counter + 1) % _MEMORY_CELLS

    def _place(self, address: int) -> int | None:
        """Give where in the 80 bytes `address` lies; None in the hole."""
        if not self._flags.two_lines:
            return address if address < _MEMORY_CELLS else None
        line, offset = divmod(address, _SECOND_LINE)
        return line * _LINE + offset if offset < _LINE else None

    # The glass

    def codes(self) -> list[list[int | None]]:
        """Give the code behind every cell, row by row; None where the glass is dark."""
        columns = self.geometry.columns
        cells = [self._shown(address) for address in self.geometry.addresses]
        return [cells[start : start + columns] for start in range(0, len(cells), columns)]

    def text(self) -> list[str]:
        """Give the rows of the glass in characters; glyphs are named by their content."""
        return ["".join(self._character(code) for code in row) for row in self.codes()]

    def _shown(self, address: int) -> int | None:
        second_line = address >= _SECOND_LINE
        if not self._flags.display or (second_line and not self._flags.two_lines):
            return None
        line, offset = divmod(address, _SECOND_LINE)
        return self._memory[line * _LINE + (offset + self._shift) % _LINE]

    def _character(self, code: int | None) -> str:
        if code is None:
            return " "
        first = (code & 7) * 8
        return character_of(code, bytes(self._glyphs[first : first + 8]))

    def _violate(self, now_us: float, code: str, text: str) -> None:
        self.violations.append(Violation(now_us, code, text))
