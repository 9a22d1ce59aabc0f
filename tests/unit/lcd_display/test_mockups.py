"""The screens as they were designed, in plain ASCII: `^` up, `v` down, `x` lost, `o` degree."""

import re
from pathlib import Path

import pytest

from rollcall.lcd_display.charset import NOTATION
from tests.support.screens import SCREENS

MOCKUPS = Path(__file__).with_name("mockups.txt").read_text("utf-8")


def mockups() -> dict[str, list[str]]:
    """The designed screens by the name of the screen that is drawn."""
    blocks = re.findall(r"^([^|\n]+)\n((?:\|.*\|\n)+)", MOCKUPS, flags=re.MULTILINE)
    return {name: [row[1:-1] for row in rows.splitlines()] for name, rows in blocks}


@pytest.mark.parametrize("name", mockups())
def test_a_screen_is_what_was_designed(name: str) -> None:
    assert [line.translate(NOTATION) for line in SCREENS[name]()] == mockups()[name]
