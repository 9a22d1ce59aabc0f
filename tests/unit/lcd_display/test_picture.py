"""The glass in a box."""

from rollcall.lcd_display.picture import boxed
from tests.support.panels import FIVE, TWENTY


def test_in_unicode_the_glass_has_a_box_around_it() -> None:
    assert boxed(FIVE, colour=False, unicode=True) == [
        "╭────────────────────╮",
        "│4/5 online !1♥ 12:04│",
        "│CPU  23% ██▎        │",
        "│RAM 11.6/20.0GB  58%│",
        "│hot pi-4 71°  cpu88%│",
        "╰────────────────────╯",
    ]


def test_in_ascii_glyphs_have_a_notation() -> None:
    assert boxed(TWENTY, colour=False, unicode=False) == [
        "+--------------------+",
        "|19/20 on   !1* 12:04|",
        "|CPU 21% max97% pi-14|",
        "|RAM 61% 97.4/160.0GB|",
        "|12x11342151127311211|",
        "+--------------------+",
    ]


def test_colour_surrounds_each_row_and_ends_with_it() -> None:
    lines = boxed(["ab"], colour=True, unicode=False)
    assert lines == ["+--+", "|\x1b[1;97;44mab\x1b[0m|", "+--+"]


def test_what_ascii_has_not_becomes_a_question_mark() -> None:
    assert boxed(["ü→"], colour=False, unicode=False)[1] == "|??|"
