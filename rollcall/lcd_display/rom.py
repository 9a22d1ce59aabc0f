"""What the font ROMs of character displays hold: the character behind each code.

After the tables of Hitachi's HD44780U datasheet (A00 p.17, A02 p.18) and Sitronix' ST7066U (0B).
The emulator looks here; `charset`, which writes, has tables of its own, and tests compare the two.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display.charset import UNDRAWN, Rom

_ASCII: Final = "".join(map(chr, range(0x20, 0x7E)))
_KATAKANA: Final = "".join(map(chr, range(0xFF61, 0xFFA0)))
_LATIN_1: Final = "".join(map(chr, range(0xC0, 0x100)))
_NONE: Final = UNDRAWN

_A00: Final = (
    _NONE * 16
    + _ASCII.replace("\\", "¥")
    + "→←"
    + _NONE * 32
    + " "
    + _KATAKANA[:4]
    + "·"
    + _KATAKANA[5:-1]
    + "°"
    + "αäßεµσρg√⁻j×¢£ñö"  # noqa: RUF001 - Greek and signs are what stands there
    + "pqθ∞ΩüΣπx̄y千万円÷ █".replace("x̄", "x")
)
_A02: Final = (
    "▶◀“”⏫⏬●↲↑↓→←≤≥▲▼"
    + _ASCII
    + "~⌂"
    + "БДЖЗИЙЛПУЦЧШЩЪЫЭ"
    + "α♪ΓπΣσ♬τ🔔θΩδ∞♥ε∩"  # noqa: RUF001 - likewise
    + "‖¡¢£¤¥¦§ƒ©ª«ЮЯ®´"  # noqa: RUF001 - likewise
    + "°±²³₧µ¶·ω¹º»¼½¾¿"
    + _LATIN_1.replace("Ø", "Φ")
)
_ST0B: Final = (
    "±≡⎲⎳⎛⎝⎞⎠⎰⎱≈∫₌˷²³"
    + _ASCII
    + "~⌂"
    + "ÇüéâäàåçêëèïîìÄÅ"
    + "ÉæÆôöòûùÿÖÜñÑªº¿"
    + "áíóú¢£¥ЯƒiÃãÕõØø".replace("i", "¡")
    + "˙¨°`´½¼×÷≤≥«»≠√⁻"  # noqa: RUF001 - likewise
    + "⌠⌡∞◸↲↑↓→←┌┐└┘●®©"
    + "™†§¶ΓΔΘΛΞΠΣΥΦΨΩα"
    + "ßγδεζηθικλµνξπρσ"
    + "τυχψω▼▶◀R↤F⇥☐━SP"
)
_FIRST: Final = 0x10

CHARACTERS: Final[Mapping[Rom, str]] = MappingProxyType({"A00": _A00, "A02": _A02, "ST0B": _ST0B})


def character_at(rom: Rom, code: int) -> str:
    """Give what `rom` shows for a code from 16 to 255; a hatched cell where nobody knows."""
    return CHARACTERS[rom][code - _FIRST]
