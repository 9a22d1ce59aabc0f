"""The glass as a picture: every dot where it is on the glass, and the files as they are drawn."""

import io
from pathlib import Path

import pytest

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.glass_output import GlassOutput
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.photograph import photograph
from rollcall.lcd_display.picture import in_braille
from rollcall.lcd_display.png import png_of
from rollcall.service.settings import Lcd
from tests.support.panels import drawn, panel_on
from tests.support.pictures import PICTURES, decoded
from tests.support.screens import GOLDEN, SCREENS

DOCUMENTS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.stem)
def test_a_picture_is_drawn_as_it_is_kept(file: Path) -> None:
    assert decoded(PICTURES[file].draw()) == decoded(file.read_bytes())


def test_no_picture_is_left_over_and_the_document_shows_all_that_are_its_own() -> None:
    drawn = (file for file in (DOCUMENTS / "pictures").iterdir() if file.name != "dashboard.png")
    kept = {*GOLDEN.rglob("*.png"), *drawn}
    assert kept == set(PICTURES)
    text = (DOCUMENTS / "display.md").read_text("utf-8")
    own = [file for file in PICTURES if file.is_relative_to(DOCUMENTS)]
    assert [file.name for file in own if f"(pictures/{file.name})" not in text] == []


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("20x4", (625, 205)), ("16x2", (505, 115)), ("16x4", (505, 205)), ("20x2", (625, 115))],
)
def test_every_dot_of_the_glass_is_a_square_in_the_picture(
    size: str, pixels: tuple[int, int]
) -> None:
    lines = SCREENS[f"{size}/20/heat/first"]()
    png = photograph(Lcd.model_validate({"size": size}), lines, colour="blue")
    width, height, palette, content = decoded(png)
    assert (width, height) == pixels
    assert len(palette) == 9
    stride = width + 1
    for y, dot_row in enumerate(drawn(lines)):
        for x, lit in enumerate(dot_row):
            left, top = 15 + (x + x // 5) * 5, 15 + (y + y // 8) * 5
            square = [
                content[(top + down) * stride + 1 + left + right]
                for down in range(4)
                for right in range(4)
            ]
            assert square == [2 if lit else 1] * 16, (x, y)
    assert content.count(2) == 16 * sum(map(sum, drawn(lines)))


def test_without_its_light_the_glass_has_a_quarter_of_the_brightness() -> None:
    dots = [[True] * 5] * 8
    bright, dark = (decoded(png_of(dots, backlight=light))[2] for light in (True, False))
    assert [round(part / 4) for part in bright] == list(dark)


def test_braille_has_a_point_for_every_dot_two_by_four_to_a_character() -> None:
    bus = EmulatedBus(geometry=SIZES["20x4"])
    lines = SCREENS["20x4/5/overview/first"]()
    panel_on(bus).make_ready(lines, keep_memory=False)
    shown = in_braille(bus.dots(), colour=False)
    assert [len(line) for line in shown] == [60] * 9
    points = sum((ord(character) - 0x2800).bit_count() for line in shown for character in line)
    assert points == sum(map(sum, drawn(lines)))
    assert shown[0][:3] == "⡠⢺⠀"


class Terminal(io.StringIO):
    """A terminal that understands Unicode."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("dots", "rows"), [(False, 6), (True, 9)], ids=["boxed", "every dot"])
def test_on_a_terminal_the_glass_is_drawn_in_its_place_and_only_when_it_changes(
    *, dots: bool, rows: int
) -> None:
    bus = EmulatedBus(geometry=SIZES["20x4"])
    panel = panel_on(bus)
    panel.make_ready(SCREENS["20x4/5/overview/first"](), keep_memory=False)
    terminal = Terminal()
    output = GlassOutput(bus, terminal, dots=dots)
    output.write()
    output.write()
    first = terminal.getvalue()
    assert first.startswith("\x1b[2J\x1b[H")
    assert first.count("\n") == rows
    assert ("⡠⢺⠀" in first, "4/5 online" in first) == (dots, not dots)
    panel.show(SCREENS["20x4/20/overview/first"]())
    output.write()
    assert terminal.getvalue().removeprefix(first).startswith("\x1b[H")
