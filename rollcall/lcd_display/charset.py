"""Characters to the codes of the display's font ROM and its eight glyphs of our own.

Pages are written in Unicode. A few characters stand for glyphs that we draw; they come in banks of
eight, of which one is in the display at a time. `NOTATION` is how glyphs look in plain ASCII.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal

from rollcall.lcd_display.hd44780 import FIRST_GLYPH_CODE, GLYPH_ROWS

Rom = Literal["A00", "A02", "ST0B"]

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
_PRINTABLE: Final = {chr(code): code for code in range(0x20, 0x7E) if chr(code) != "\\"}
_A00: Final = dict(
    zip(
        "¥→←·°äßµñöΩüΣπ÷",
        b"\x5c\x7e\x7f\xa5\xdf\xe1\xe2\xe4\xee\xef\xf4\xf5\xf6\xf7\xfd",
        strict=True,
    )
)
_A02: Final = {
    **dict(zip("\\~→←πΣΩ", b"\x5c\x7e\x1a\x1b\x93\x94\x9a", strict=True)),
    **dict(zip("¡¢£¥°±²³µ·¿", b"\xa1\xa2\xa3\xa5\xb0\xb1\xb2\xb3\xb5\xb7\xbf", strict=True)),
    # The sign is a glyph of ours, and the letter is another one there.
    **{chr(code): code for code in range(0xC0, 0x100) if code not in {0xD7, 0xD8}},
}
_ST0B: Final = {
    **dict(zip("\\~±²³°÷¢£", b"\x5c\x7e\x10\x1e\x1f\xb2\xb8\xa4\xa5", strict=True)),
    **dict(zip("¥¡→←ΣΩßµπ", b"\xa6\xa9\xc7\xc8\xda\xde\xe0\xea\xed", strict=True)),
    **dict(zip("ÇüéâäàåçêëèïîìÄÅ", range(0x80, 0x90), strict=True)),
    **dict(zip("ÉæÆôöòûùÿÖÜñÑ", range(0x90, 0x9D), strict=True)),
    **dict(zip("¿áíóú", range(0x9F, 0xA4), strict=True)),
    **dict(zip("ÃãÕõØø", range(0xAA, 0xB0), strict=True)),
}
# 0xFF is a block in A00 and a letter in other ROMs: unused.
_CODES: Final[Mapping[Rom, Mapping[str, int]]] = MappingProxyType(
    {
        "A00": _PRINTABLE | _A00,
        "A02": _PRINTABLE | _A02,
        "ST0B": _PRINTABLE | _ST0B,
    }
)


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
BANKS: Final = (BANK_A, BANK_B)
_GLYPH_BY_ROWS: Final = {
    rows: glyph for bank in BANKS for glyph, rows in zip(bank.characters, bank.rows, strict=True)
}


def bank_for(lines: Sequence[str], current: Bank | None) -> Bank:
    """Give the bank that draws most of `lines`; the current one if no other draws more."""
    text = "".join(lines)
    candidates = (current, *BANKS) if current else BANKS
    return max(candidates, key=lambda bank: sum(glyph in bank.codes for glyph in text))


def codes_of(lines: Sequence[str], bank: Bank, rom: Rom = "A00") -> tuple[int, ...]:
    """Give the code of each character, line after line, in the font ROM `rom`.

    What the font lacks loses its accents; what is left over is `?`, never a space.
    """
    return tuple(_code_of(character, bank, _CODES[rom]) for line in lines for character in line)


def glyph_named(rows: bytes) -> str:
    """Name a glyph of ours by its 8 rows; `UNDRAWN` when it is none."""
    return _GLYPH_BY_ROWS.get(rows, UNDRAWN)


def writable(rom: Rom) -> Mapping[str, int]:
    """Give the characters that `rom` is asked for, with their codes."""
    return _CODES[rom]


def _code_of(character: str, bank: Bank, codes: Mapping[str, int]) -> int:
    code = bank.codes.get(character) or codes.get(character)
    if code is not None:
        return code
    decomposed = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in decomposed if not unicodedata.combining(part))
    return codes.get(plain, _UNMAPPABLE)
