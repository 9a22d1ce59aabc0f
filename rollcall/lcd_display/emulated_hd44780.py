"""The controller and its glass, pin by pin: what an HD44780 would do and show.

Follows Hitachi's HD44780U datasheet (ADE-207-272): interface p.22 and 33, reset p.23,
instructions p.24-30, initialization p.46, timing p.49-52. Times are microseconds of a virtual
clock that the caller holds. What the datasheet forbids is put on a `Record`, not refused.

The states of the interface: 8 bits wide after power-on (only D7 to D4 are connected, the low
nibble reads as `open_low`), later 4 bits wide, where a byte is two strobes and `_half` holds the
first. A function set drops a pending half.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from rollcall.lcd_display.charset import Rom, glyph_named
from rollcall.lcd_display.datasheet_rules import Edges, Pins, Record
from rollcall.lcd_display.font import dots_of
from rollcall.lcd_display.hd44780 import (
    CLEAR,
    DISPLAY_CONTROL,
    ENTRY_MODE,
    FUNCTION_SET,
    GLYPH_ROWS,
    SET_CGRAM,
    SET_DDRAM,
    SHIFT,
    Geometry,
    address_after,
)
from rollcall.lcd_display.rom import character_at

_POWER_ON_BUSY_US: Final = 10_000.0
_POWER_ON_WAIT_US: Final = 40_000.0
_INSTRUCTION_US: Final = 37.0
_MEMORY_US: Final = 41.0
_CLEAR_US: Final = 1520.0
_NOMINAL_KHZ: Final = 270.0
_FIRST_TO_SECOND_US: Final = 4100.0
_SECOND_TO_THIRD_US: Final = 100.0
_LINE: Final = 40
_SECOND_LINE: Final = 0x40
_MEMORY_CELLS: Final = 80
_GLYPH_CODES: Final = 0x10
_DOT_COLUMNS: Final = 5
_CURSOR: Final = 0x02
_WHOLE_ROW: Final = 0x1F

BusyPolicy = Literal["raise", "ignore", "accept"]


class BusyError(Exception):
    """The controller was written to while busy, and the policy is to raise."""


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


@dataclass(frozen=True, slots=True)
class Specimen:
    """What differs from one controller to the next.

    `oscillator_khz` slows or speeds every instruction; `open_low` is what it sees on the open low
    data lines: 0xF or 0. What is written while it is busy is lost (`ignore`), carried out all the
    same (`accept`), or raises BusyError.
    """

    oscillator_khz: float = _NOMINAL_KHZ
    open_low: int = 0xF
    busy_policy: BusyPolicy = "ignore"


@dataclass
class Hd44780:
    """A controller switched on at `powered_us`, behind a glass of `geometry`.

    `unsettled`: after a fault some rules only warn, until the next function set.
    """

    geometry: Geometry
    powered_us: float = 0.0
    specimen: Specimen = field(default_factory=Specimen)
    rom: Rom = "A00"
    record: Record = field(default_factory=Record)
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
    _outdated_places: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._edges = Edges(self.record)
        self._busy_until_us = self.powered_us + _POWER_ON_BUSY_US

    # The interface

    def set_pins(self, pins: Pins, now_us: float) -> None:
        """Let the lines change, all at once; the first call says how they stand at power-on."""
        before, self._pins = self._pins, pins
        if before is None or before is pins:
            return
        self._edges.watch(before, pins, now_us)
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

    def checkpoint(self, now_us: float) -> None:
        """Note what must not be when a frame has been written."""
        flags = self._flags
        if self._half is not None:
            self.record.note(now_us, "V10", "half a byte is pending", warning=self.unsettled)
        if not flags.display or self._shift or (not flags.two_lines and self.geometry.rows > 1):
            self.record.note(now_us, "V18", "the display is off, in one-line mode or shifted")
        if self._outdated_places:
            self.record.note(
                now_us, "V17", "a visible glyph was drawn anew, not its cells", warning=True
            )

    def _write_strobe(self, nibble: int, now_us: float, *, rs: bool) -> None:
        if now_us < self.powered_us + _POWER_ON_WAIT_US:
            self.record.note(now_us, "V06", "written to within 40 ms of power-on")
        if now_us < self._busy_until_us:
            self.record.note(now_us, "V05", "written to while busy")
            if self.specimen.busy_policy == "raise":
                raise BusyError(f"written to {self._busy_until_us - now_us:.0f} us too early")
            if self.specimen.busy_policy == "ignore":
                return
        if self._flags.eight_bits:
            self._execute(nibble << 4 | self.specimen.open_low, now_us, rs=rs)
        elif self._half is None:
            self._half = (nibble, rs)
        else:
            high, rs_of_high = self._half
            self._half = None
            if rs_of_high != rs:
                self.record.note(now_us, "V10", "the halves differ in RS", warning=self.unsettled)
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
        scale = _NOMINAL_KHZ / self.specimen.oscillator_khz
        if rs:
            self._write_memory(value)
            self._busy_until_us = now_us + _MEMORY_US * scale
            return
        slow = 0 < value < ENTRY_MODE
        self._busy_until_us = now_us + (_CLEAR_US if slow else _INSTRUCTION_US) * scale
        if not self._function_sets_us and value & 0xE0 != FUNCTION_SET:
            text = f"0x{value:02X} before the first function set"
            self.record.note(now_us, "V07", text, warning=self.unsettled)
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
                self._outdated_places.clear()
                flags.increment = True

    def _set_address(self, address: int, now_us: float) -> None:
        if self._place(address) is None:
            text = f"address 0x{address:02X} lies in the hole"
            self.record.note(now_us, "V11", text, warning=self.unsettled)
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
                self.record.note(now_us, "V12", "lines or font change without the 8-bit sequence")
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
                self.record.note(now_us, code, f"function sets less than {wait_us:.0f} us apart")
        times_us.append(now_us)

    def _move(self, *, right: bool, display: bool) -> None:
        if display:
            self._shift = (self._shift + (-1 if right else 1)) % _LINE
        else:
            self._step(forward=right)

    # The memories

    def _write_memory(self, value: int) -> None:
        if self._counts_glyphs:
            self._write_glyph(value & _WHOLE_ROW)
        else:
            place = self._place(self._counter)
            if place is not None:
                self._memory[place] = value
                self._outdated_places.discard(place)
            if self._flags.shifting:
                self._shift = (self._shift + (1 if self._flags.increment else -1)) % _LINE
        self._step(forward=self._flags.increment)

    def _write_glyph(self, row: int) -> None:
        if self._glyphs[self._counter] == row:
            return
        self._glyphs[self._counter] = row
        glyph = self._counter // GLYPH_ROWS
        if glyph not in self._memory and glyph | GLYPH_ROWS not in self._memory:
            return
        for address in self.geometry.addresses:
            place = self._place(address)
            if place is not None and self._memory[place] in {glyph, glyph | GLYPH_ROWS}:
                self._outdated_places.add(place)

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

    def dots(self) -> list[list[bool]]:
        """Give the dots: 8 lists for each row, 5 dots for each column; True is lit or dark.

        A controller that nobody has initialized drives rows 0 and 2 alone, and they are solid.
        """
        if not self._flags.two_lines and self.geometry.rows > 1:
            wide = self.geometry.columns * _DOT_COLUMNS
            return [
                [row % 2 == 0] * wide
                for row in range(self.geometry.rows)
                for _ in range(GLYPH_ROWS)
            ]
        under_cursor = self._cell_of_the_cursor()
        pictures = [self._picture(code) for row in self.codes() for code in row]
        if under_cursor is not None:
            pictures[under_cursor] = (*pictures[under_cursor][:-1], _WHOLE_ROW)
        columns = self.geometry.columns
        return [
            [
                bool(picture[line] >> bit & 1)
                for picture in pictures[start : start + columns]
                for bit in reversed(range(_DOT_COLUMNS))
            ]
            for start in range(0, len(pictures), columns)
            for line in range(GLYPH_ROWS)
        ]

    def _cell_of_the_cursor(self) -> int | None:
        on = self._flags.display and self._flags.cursor & _CURSOR and not self._counts_glyphs
        if not on or self._counter not in self.geometry.addresses:
            return None
        return self.geometry.addresses.index(self._counter)

    def _shown(self, address: int) -> int | None:
        second_line = address >= _SECOND_LINE
        if not self._flags.display or (second_line and not self._flags.two_lines):
            return None
        line, offset = divmod(address, _SECOND_LINE)
        return self._memory[line * _LINE + (offset + self._shift) % _LINE]

    def _glyph(self, code: int) -> bytes:
        first = (code & 7) * GLYPH_ROWS
        return bytes(self._glyphs[first : first + GLYPH_ROWS])

    def _character(self, code: int | None) -> str:
        if code is None:
            return " "
        if code < _GLYPH_CODES:
            return glyph_named(self._glyph(code))
        return character_at(self.rom, code)

    def _picture(self, code: int | None) -> tuple[int, ...]:
        if code is None:
            return (0,) * GLYPH_ROWS
        if code < _GLYPH_CODES:
            return tuple(self._glyph(code))
        return dots_of(character_at(self.rom, code))
