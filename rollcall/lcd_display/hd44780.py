"""What the HD44780 understands: its instructions and the layout of its display memory.

Values only; `backpack` turns them into bytes on the wire. Page numbers are those of Hitachi's
HD44780U datasheet, ADE-207-272.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

CLEAR: Final = 0x01
HOME: Final = 0x02
ENTRY_MODE: Final = 0x04
DISPLAY_CONTROL: Final = 0x08
SHIFT: Final = 0x10
FUNCTION_SET: Final = 0x20
SET_CGRAM: Final = 0x40
SET_DDRAM: Final = 0x80

ENTRY_INCREMENT: Final = ENTRY_MODE | 0x02
DISPLAY_OFF: Final = DISPLAY_CONTROL
DISPLAY_ON: Final = DISPLAY_CONTROL | 0x04
FOUR_BITS_TWO_LINES: Final = FUNCTION_SET | 0x08

GLYPHS: Final = 8
GLYPH_ROWS: Final = 8
FIRST_GLYPH_CODE: Final = 8

_LINE_CELLS: Final = 40
_SECOND_LINE: Final = 0x40


@dataclass(frozen=True, slots=True)
class Transfer:
    """One byte for the controller: an instruction, or (RS = 1) a byte for its memory."""

    value: int
    to_memory: bool = False


def address_after(address: int) -> int:
    """Give the DDRAM address that the counter steps to, in two-line mode (p.39)."""
    step = {_LINE_CELLS - 1: _SECOND_LINE, _SECOND_LINE + _LINE_CELLS - 1: 0}
    return step.get(address, address + 1)


@dataclass(frozen=True)
class Geometry:
    """A glass of `columns` x `rows` cells; cells are numbered row by row from the upper left."""

    columns: int
    rows: int

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """The DDRAM address of each cell; rows 2 and 3 continue rows 0 and 1 (p.11)."""
        starts = (0, _SECOND_LINE, self.columns, _SECOND_LINE + self.columns)[: self.rows]
        return tuple(start + column for start in starts for column in range(self.columns))

    @cached_property
    def in_memory_order(self) -> tuple[int, ...]:
        """The cells by rising DDRAM address."""
        return tuple(sorted(range(len(self.addresses)), key=self.addresses.__getitem__))


SIZES: Final[Mapping[str, Geometry]] = MappingProxyType(
    {
        "20x4": Geometry(20, 4),
        "16x2": Geometry(16, 2),
        "16x4": Geometry(16, 4),
        "20x2": Geometry(20, 2),
    }
)
GLASS_20X4: Final = SIZES["20x4"]
