"""The glass as text for a terminal: a box with the rows in it."""

from collections.abc import Sequence
from typing import Final

from rollcall.lcd_display.charset import NOTATION

_WHITE_ON_BLUE: Final = "\x1b[1;97;44m"
_PLAIN: Final = "\x1b[0m"


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


def _in_ascii(row: str) -> str:
    return row.translate(NOTATION).encode("ascii", "replace").decode("ascii")
