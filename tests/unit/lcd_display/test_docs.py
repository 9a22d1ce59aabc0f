"""docs/display.md shows what the display shows, and names every key of its health."""

import io
import re
from pathlib import Path

from rollcall.broker.session import Endpoint
from rollcall.broker.topics import Topics
from rollcall.lcd_display.assembly import presenter, screen_thread
from rollcall.lcd_display.display import Display
from rollcall.lcd_display.pages import PAGES
from rollcall.lcd_display.picture import boxed
from rollcall.service.settings import Broker, Lcd
from tests.support.screens import SCREENS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "display.md").read_text("utf-8")


def boxes() -> list[str]:
    return re.findall(r"╭─+╮\n(?:│.*│\n)+╰─+╯", DOCUMENT)


def test_every_picture_in_the_document_is_a_screen_as_it_is_drawn() -> None:
    drawn = {"\n".join(boxed(draw(), colour=False, unicode=True)) for draw in SCREENS.values()}
    assert len(boxes()) > 10
    assert [box for box in boxes() if box not in drawn] == []


def test_every_page_has_its_row_in_the_document() -> None:
    assert [name for name in PAGES if f"| `{name}` |" not in DOCUMENT] == []


def test_every_key_of_the_health_is_explained() -> None:
    endpoint: Endpoint = Broker()
    lcd, output = screen_thread(Lcd(), emulate=True, stream=io.StringIO())
    shown = presenter(Lcd(), version="1.0.0")
    display = Display(lcd, Topics(), endpoint, shown, own_node=None)
    table = "".join(line for line in DOCUMENT.splitlines() if line.startswith("| `"))
    assert [key for key in output | display.health() if f"`{key}`" not in table] == []
