"""The glass as text for a terminal: a box with the rows in it, or every dot in Braille."""

from collections.abc import Sequence
from typing import Final

from rollcall.lcd_display.charset import NOTATION
from rollcall.lcd_display.png import with_gaps

_WHITE_ON_BLUE: Final = "\x1b[1;97;44m"
_PLAIN: Final = "\x1b[0m"
_BRAILLE_BLANK: Final = 0x2800
# Column and row of a dot within a character, and its bit.
_BRAILLE_DOTS: Final = (
    *((0, 0, 0x01), (0, 1, 0x02), (0, 2, 0x04), (0, 3, 0x40)),
    *((1, 0, 0x08), (1, 1, 0x10), (1, 2, 0x20), (1, 3, 0x80)),
)


def boxed(rows: Sequence[str], *, colour: bool, unicode: bool) -> list[str]:
    """Give the lines of a picture of `rows`, which are of equal length.

    `colour` sets the glass white on blue with ANSI sequences. Without `unicode` everything is
    ASCII: `#` bar, 1 to 7 bar height, `^` up, `v` down, `x` lost, `o` degree, `~` heart.
    """
    width = len(rows[0]) if rows else 0
    across, side, corners = ("─", "│", "╭╮╰╯") if unicode else ("-", "|", "++++")
    glass = [row if unicode else _in_ascii(row) for row in rows]
    if colour:
        glass = [f"{_WHITE_ON_BLUE}{row}{_PLAIN}" for row in glass]
    return [
        f"{corners[0]}{across * width}{corners[1]}",
        *(f"{side}{row}{side}" for row in glass),
        f"{corners[2]}{across * width}{corners[3]}",
    ]


def in_braille(dots: Sequence[Sequence[bool]], *, colour: bool) -> list[str]:
    """Draw every dot, two by four to a character: 60 x 9 characters for a glass of 20 x 4."""
    spread = with_gaps(dots)
    width, height = len(spread[0]), len(spread)
    lines = []
    for top in range(0, height, 4):
        line = ""
        for left in range(0, width, 2):
            raised = sum(
                bit
                for right, down, bit in _BRAILLE_DOTS
                if top + down < height and left + right < width and spread[top + down][left + right]
            )
            line += chr(_BRAILLE_BLANK + raised)
        lines.append(f"{_WHITE_ON_BLUE}{line}{_PLAIN}" if colour else line)
    return lines


def _in_ascii(row: str) -> str:
    return row.translate(NOTATION).encode("ascii", "replace").decode("ascii")
