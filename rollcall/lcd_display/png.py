"""The dots of the glass as a PNG picture; nothing but zlib is needed for one of three colours.

A dot is a square of 4 pixels with 1 between; a cell has 5 x 8 dots, and a gap of one dot's width to
the next. Unlit dots are faintly there, as on real glass.
"""

import struct
import zlib
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

_DOT_PX: Final = 4
_PITCH_PX: Final = 5
_MARGIN_PX: Final = 15
_CELL_COLUMNS: Final = 5
_CELL_ROWS: Final = 8
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BITS: Final = 8
_PALETTE_COLOUR: Final = 3
_DARK: Final = 0.25
_GROUND, _FAINT, _LIT = range(3)
# Background, unlit dot, lit dot.
COLOURS: Final = MappingProxyType(
    {
        "blue": ((0x10, 0x38, 0xC8), (0x1C, 0x46, 0xD6), (0xF2, 0xF6, 0xFF)),
        "green": ((0x8F, 0xB8, 0x1E), (0x86, 0xAE, 0x1A), (0x12, 0x22, 0x08)),
    }
)


def png_of(dots: Sequence[Sequence[bool]], *, backlight: bool, colour: str = "blue") -> bytes:
    """Draw `dots`, 8 rows for each row of cells and 5 for each column, in one of `COLOURS`."""
    wide = _spread(len(dots[0]), _CELL_COLUMNS)
    high = _spread(len(dots), _CELL_ROWS)
    width, height = _length_px(wide[-1]), _length_px(high[-1])
    ground = bytes(width)
    rows = [ground] * height
    for dot_row, place in zip(dots, high, strict=True):
        line = bytearray(ground)
        for lit, column in zip(dot_row, wide, strict=True):
            start = _MARGIN_PX + column * _PITCH_PX
            line[start : start + _DOT_PX] = bytes([_LIT if lit else _FAINT]) * _DOT_PX
        start = _MARGIN_PX + place * _PITCH_PX
        rows[start : start + _DOT_PX] = [bytes(line)] * _DOT_PX
    light = 1.0 if backlight else _DARK
    palette = bytes(round(part * light) for shade in COLOURS[colour] for part in shade)
    header = struct.pack(">IIBBBBB", width, height, _BITS, _PALETTE_COLOUR, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in rows), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def with_gaps(dots: Sequence[Sequence[bool]]) -> list[list[bool]]:
    """Give the dots with one empty line between cells: 119 x 35 for a glass of 20 x 4."""
    wide, high = _spread(len(dots[0]), _CELL_COLUMNS), _spread(len(dots), _CELL_ROWS)
    spread = [[False] * (wide[-1] + 1) for _ in range(high[-1] + 1)]
    for dot_row, row in zip(dots, high, strict=True):
        for lit, column in zip(dot_row, wide, strict=True):
            spread[row][column] = lit
    return spread


def _spread(count: int, in_a_cell: int) -> list[int]:
    """Give the place of each of `count` dots, with a gap after every cell."""
    return [place + place // in_a_cell for place in range(count)]


def _length_px(last: int) -> int:
    return (last + 1) * _PITCH_PX + 2 * _MARGIN_PX


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
