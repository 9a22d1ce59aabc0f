"""Characters to codes and back."""

from typing import Final

import pytest
from RPLCD.codecs import A00Codec, A02Codec, ST0BCodec

from rollcall.lcd_display.charset import (
    BANK_A,
    BANK_B,
    NOTATION,
    Rom,
    bank_for,
    codes_of,
    glyph_named,
    writable,
)
from rollcall.lcd_display.font import dots_of, is_drawn
from rollcall.lcd_display.rom import character_at

ROMS: Final[tuple[Rom, ...]] = ("A00", "A02", "ST0B")


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


def test_a_glyph_is_named_by_its_content() -> None:
    for bank in (BANK_A, BANK_B):
        for glyph, rows in zip(bank.characters, bank.rows, strict=True):
            assert glyph_named(rows) == glyph


def test_a_drawing_that_is_not_ours_is_hatched() -> None:
    assert glyph_named(b"\x15\x0a\x15\x0a\x15\x0a\x15\x0a") == "▒"


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


@pytest.mark.parametrize("rom", ROMS)
def test_what_is_written_is_what_the_rom_holds(rom: Rom) -> None:
    for character, code in writable(rom).items():
        assert character_at(rom, code) == character


# Where an independent library means another thing by a code than we do, and why we differ.
TAKEN_FOR_ANOTHER: Final = {
    "A00": {"·": "named as katakana there", "ß": "beta there", "µ": "another code point of mu"},
    "A02": {"°": "a raised o there", "µ": "another code point of mu"},
    "ST0B": {"µ": "another code point of mu", "`": "a lone mark there"},
}


@pytest.mark.parametrize(
    ("rom", "codec"), [("A00", A00Codec), ("A02", A02Codec), ("ST0B", ST0BCodec)]
)
def test_an_independent_library_knows_the_same_codes(rom: Rom, codec: type) -> None:
    known = codec().codec.encoding_table
    different = {
        character
        for character, code in writable(rom).items()
        if known.get(character) != code and character not in TAKEN_FOR_ANOTHER[rom]
    }
    assert different == set()


@pytest.mark.parametrize(
    ("rom", "character", "code"),
    [
        ("A02", "\\", 0x5C),
        ("A02", "É", 0xC9),
        ("A02", "°", 0xB0),
        ("A02", "ø", 0xF8),
        ("A02", "\N{MULTIPLICATION SIGN}", ord("?")),
        ("ST0B", "°", 0xB2),
        ("ST0B", "é", 0x82),
        ("ST0B", "ő", ord("o")),
    ],
    ids=ascii,
)
def test_a_european_rom_writes_more_of_europe(rom: Rom, character: str, code: int) -> None:
    assert codes_of([character], BANK_A, rom) == (code,)


def test_no_two_characters_that_are_written_look_the_same() -> None:
    for rom in ROMS:
        looks: dict[tuple[int, ...], str] = {}
        for character in (*writable(rom), *BANK_A.characters, *BANK_B.characters):
            if is_drawn(character) and character != " ":
                assert looks.setdefault(dots_of(character), character) == character


def test_what_nobody_has_drawn_is_hatched() -> None:
    assert not is_drawn("日")
    assert dots_of("日") == dots_of("▒") == (0x15, 0x0A) * 4


def test_a_letter_with_a_mark_is_put_together() -> None:
    assert dots_of("ä")[:2] == (0x0A, 0x00)
    assert dots_of("ä")[2:] == dots_of("a")[2:]
    assert dots_of("É")[1:] == dots_of("E")[:-1]
    assert dots_of("ç")[:-1] == dots_of("c")[:-1]
