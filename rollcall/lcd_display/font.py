"""How characters look: 8 rows of 5 dots each, in our own drawing after the datasheet's tables.

Hitachi's HD44780U datasheet (ADE-207-272, p.17-18) shows the patterns of the font ROMs; the manner
of A00 is kept for the others too. Accented letters are put together from a letter and its mark.
What nobody has drawn is hatched: it never passes for something else.
"""

import unicodedata
from functools import cache
from typing import Final

from rollcall.lcd_display.charset import BANKS, UNDRAWN

_ROWS: Final = 8
_HATCHED: Final = (0x15, 0x0A) * 4
_DRAWN: Final = """
! 04040404000004  " 0A0A0A00000000  # 0A0A1F0A1F0A0A  $ 040F140E051E04  % 18190204081303
& 0C12140815120D  ' 0C040800000000  ( 02040808080402  ) 08040202020408  * 0004150E150400
+ 0004041F040400  , 000000000C0408  - 0000001F000000  . 00000000000C0C  / 00010204081000
0 0E11131519110E  1 040C040404040E  2 0E11010204081F  3 1F02040201110E  4 02060A121F0202
5 1F101E0101110E  6 0608101E11110E  7 1F010204080808  8 0E11110E11110E  9 0E11110F01020C
: 000C0C000C0C00  ; 000C0C000C0408  < 02040810080402  = 00001F001F0000  > 08040201020408
? 0E110102040004  @ 0E11010D15150E  A 0E1111111F1111  B 1E11111E11111E  C 0E11101010110E
D 1C12111111121C  E 1F10101E10101F  F 1F10101E101010  G 0E11101711110F  H 1111111F111111
I 0E04040404040E  J 0702020202120C  K 11121418141211  L 1010101010101F  M 111B1515111111
N 11111915131111  O 0E11111111110E  P 1E11111E101010  Q 0E11111115120D  R 1E11111E141211
S 0F10100E01011E  T 1F040404040404  U 1111111111110E  V 11111111110A04  W 1111111515150A
X 11110A040A1111  Y 1111110A040404  Z 1F01020408101F  [ 0E08080808080E  ] 0E02020202020E
^ 040A1100000000  _ 0000000000001F  ` 08040200000000  a 00000E010F110F  b 1010161911111E
c 00000E1010110E  d 01010D1311110F  e 00000E111F100E  f 0609081C080808  g 000F11110F010E
h 10101619111111  i 04000C0404040E  j 0200060202120C  k 10101214181412  l 0C04040404040E
m 00001A15151111  n 00001619111111  o 00000E1111110E  p 00001E111E1010  q 00000D130F0101
r 00001619101010  s 00000E100E011E  t 08081C08080906  u 0000111111130D  v 00001111110A04
w 0000111115150A  x 0000110A040A11  y 000011110F010E  z 00001F0204081F  { 02040408040402
| 04040404040404  } 08040402040408  ~ 00000815020000  \\ 00100804020100  ¥ 110A1F041F0404
→ 0004021F020400  ← 0004081F080400  · 00000C0C000000  ° 1C141C00000000  ß 000E111E111E1010
µ 0000111111131D10  Ω 000E1111110A1B  Σ 1F10080408101F  π 00001F0A0A0A13  ÷ 0004001F000400
ı 00000C0404040E  ± 04041F0404001F  ² 0C0204080E0000  ³ 0C0204020C0000  ¡ 04000004040404
¿ 0400040810110E  ¢ 00040E14150E04  £ 06091C081C091E  α 0000091512120D  θ 000E111F11110E
∞ 00000A15150A00  √ 07040404140C04  ø 00000E1315190E  Ø 0E13131519190E
"""  # noqa: RUF001 - the characters that look like others are meant
# A mark over a small letter takes two rows, over a capital one: below it stand seven rows.
_MARKS: Final = {
    "\N{COMBINING GRAVE ACCENT}": ((0x08, 0x04), 0x08),
    "\N{COMBINING ACUTE ACCENT}": ((0x02, 0x04), 0x02),
    "\N{COMBINING CIRCUMFLEX ACCENT}": ((0x04, 0x0A), 0x04),
    "\N{COMBINING TILDE}": ((0x0D, 0x12), 0x0D),
    "\N{COMBINING DIAERESIS}": ((0x0A, 0x00), 0x0A),
    "\N{COMBINING RING ABOVE}": ((0x0E, 0x0A), 0x0E),
}
_DOTLESS: Final = "\N{LATIN SMALL LETTER DOTLESS I}"
_CEDILLA: Final = "\N{COMBINING CEDILLA}"


def dots_of(character: str) -> tuple[int, ...]:
    """Give the 8 rows of `character`, 5 dots each (bit 4 is left); glyphs of ours included."""
    return _drawn().get(character) or _with_its_mark(character) or _HATCHED


def is_drawn(character: str) -> bool:
    """Say whether there is a drawing of `character`."""
    return dots_of(character) is not _HATCHED


@cache
def _drawn() -> dict[str, tuple[int, ...]]:
    drawn: dict[str, tuple[int, ...]] = {" ": (0,) * _ROWS, "█": (0x1F,) * _ROWS, UNDRAWN: _HATCHED}
    for line in _DRAWN.strip().splitlines():
        for entry in line.split("  "):
            character, rows = entry[0], bytes.fromhex(entry[1:])
            drawn[character] = tuple(rows.ljust(_ROWS, b"\0"))
    for bank in BANKS:
        drawn |= {
            glyph: tuple(rows) for glyph, rows in zip(bank.characters, bank.rows, strict=True)
        }
    return drawn


def _with_its_mark(character: str) -> tuple[int, ...] | None:
    letter, mark = (*unicodedata.normalize("NFD", character), "", "")[:2]
    base = _drawn().get(_DOTLESS if letter == "i" else letter)
    if base is None or not mark:
        return None
    if mark == _CEDILLA:
        return (*base[:-1], 0x04)
    if mark not in _MARKS:
        return None
    over_small, over_capital = _MARKS[mark]
    if letter.isupper():
        return (over_capital, *base[:-1])
    return (*over_small, *base[2:])
