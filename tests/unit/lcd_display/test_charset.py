"""Characters to codes and back."""

import pytest

from rollcall.lcd_display.charset import BANK_A, BANK_B, NOTATION, bank_for, character_of, codes_of


@pytest.mark.parametrize(
    ("character", "code"),
    [
        ("A", 0x41),
        ("°", 0xDF),
        ("ü", 0xF5),
        ("é", ord("e")),
        ("Å", ord("A")),
        ("ﬁ", ord("?")),
        ("\\", ord("?")),
        ("~", ord("?")),
        ("日", ord("?")),
        ("\x00", ord("?")),
        ("\n", ord("?")),
        ("▁", ord("?")),
        ("█", 12),
    ],
    ids=ascii,
)
def test_a_character_becomes_a_code_of_the_font(character: str, code: int) -> None:
    assert codes_of([character], BANK_A) == (code,)


def test_a_glyph_is_named_by_its_content_at_both_of_its_codes() -> None:
    for bank in (BANK_A, BANK_B):
        for glyph, rows in zip(bank.characters, bank.rows, strict=True):
            code = bank.codes[glyph]
            assert character_of(code, rows) == character_of(code - 8, rows) == glyph


def test_a_drawing_that_is_not_ours_is_hatched() -> None:
    assert character_of(3, b"\x15\x0a\x15\x0a\x15\x0a\x15\x0a") == "▒"


def test_codes_are_never_those_that_differ_between_roms() -> None:
    text = "".join(map(chr, range(0x250)))
    assert 0xFF not in codes_of([text], BANK_A)


def test_the_bank_changes_only_where_it_must() -> None:
    assert bank_for(["plain"], BANK_B) is BANK_B
    assert bank_for(["plain"], None) is BANK_A
    assert bank_for(["▁▂▃"], BANK_A) is BANK_B
    assert bank_for(["♥"], BANK_B) is BANK_A


def test_every_glyph_has_a_notation_in_ascii() -> None:
    assert (BANK_A.characters + BANK_B.characters).translate(NOTATION) == "#####^v~1234567x"
