"""Characters to the codes of the display's font ROM (A00) and its eight glyphs of our own.

Pages are written in Unicode. A few characters stand for glyphs that we draw; they come in banks of
eight, of which one is in the display at a time. `NOTATION` is how glyphs look in plain ASCII.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rollcall.lcd_display.hd44780 import FIRST_GLYPH_CODE, GLYPH_ROWS

HORIZONTAL: Final = "▏▎▌▊█"
VERTICAL: Final = "▁▂▃▄▅▆▇"
UP: Final = "↑"
DOWN: Final = "↓"
HEART: Final = "♥"
LOST: Final = "×"  # noqa: RUF001 - the multiplication sign is meant
DEGREE: Final = "°"
UNDRAWN: Final = "▒"

NOTATION: Final = str.maketrans(
    {
        **dict.fromkeys(HORIZONTAL, "#"),
        **{bar: str(height) for height, bar in enumerate(VERTICAL, 1)},
        UP: "^",
        DOWN: "v",
        HEART: "~",
        LOST: "x",
        DEGREE: "o",
        UNDRAWN: "%",
    }
)

_UNMAPPABLE: Final = ord("?")
# 0x5C is a yen sign in A00; 0x7E and 0x7F are arrows. 0xFF is a block here and a letter in other
# ROMs: unused.
_ROM: Final = {
    **{chr(code): code for code in range(0x20, 0x7E) if code != ord("\\")},
    "¥": 0x5C,
    "→": 0x7E,
    "←": 0x7F,
    "·": 0xA5,
    DEGREE: 0xDF,
    "ä": 0xE1,
    "ß": 0xE2,
    "µ": 0xE4,
    "ñ": 0xEE,
    "ö": 0xEF,
    "Ω": 0xF4,
    "ü": 0xF5,
    "Σ": 0xF6,
    "π": 0xF7,
    "÷": 0xFD,
}
_CHARACTER: Final = {code: character for character, code in _ROM.items()}


@dataclass(frozen=True)
class Bank:
    """Eight glyphs: the characters they stand for, and 8 rows of 5 dots each (bit 4 is left)."""

    characters: str
    rows: tuple[bytes, ...]

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each glyph: 8 to 15, which show the same as 0 to 7 (p.19)."""
        return {glyph: FIRST_GLYPH_CODE + place for place, glyph in enumerate(self.characters)}


BANK_A: Final = Bank(
    HORIZONTAL + UP + DOWN + HEART,
    (
        *(bytes([row]) * GLYPH_ROWS for row in (0x10, 0x18, 0x1C, 0x1E, 0x1F)),
        bytes.fromhex("040E1F0404040000"),
        bytes.fromhex("0404041F0E040000"),
        bytes.fromhex("000A1F1F0E040000"),
    ),
)
BANK_B: Final = Bank(
    VERTICAL + LOST,
    (
        *(bytes(GLYPH_ROWS - height) + b"\x1f" * height for height in range(1, GLYPH_ROWS)),
        bytes.fromhex("00110A040A110000"),
    ),
)
_BANKS: Final = (BANK_A, BANK_B)
_GLYPH_BY_ROWS: Final = {
    rows: glyph for bank in _BANKS for glyph, rows in zip(bank.characters, bank.rows, strict=True)
}


def bank_for(lines: Sequence[str], current: Bank | None) -> Bank:
    """Give the bank that draws most of `lines`; the current one if no other draws more."""
    text = "".join(lines)
    candidates = (current, *_BANKS) if current else _BANKS
    return max(candidates, key=lambda bank: sum(glyph in bank.codes for glyph in text))


def codes_of(lines: Sequence[str], bank: Bank) -> tuple[int, ...]:
    """Give the code of each character, line after line.

    What the font lacks loses its accents; what is left over is `?`, never a space.
    """
    return tuple(_code_of(character, bank) for line in lines for character in line)


def character_of(code: int, glyph_rows: bytes) -> str:
    """Name what a cell with `code` shows; a glyph (codes 0 to 15) by its content."""
    if code < FIRST_GLYPH_CODE + 8:
        return _GLYPH_BY_ROWS.get(glyph_rows, UNDRAWN)
    return _CHARACTER.get(code, UNDRAWN)


def _code_of(character: str, bank: Bank) -> int:
    code = bank.codes.get(character) or _ROM.get(character)
    if code is not None:
        return code
    decomposed = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in decomposed if not unicodedata.combining(part))
    return _ROM.get(plain, _UNMAPPABLE)
