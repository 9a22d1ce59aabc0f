"""docs/display.md shows what the display shows, and names every key of its health."""

import io
from pathlib import Path

import pytest

from rollcall.broker.session import Endpoint
from rollcall.broker.topics import Topics
from rollcall.lcd_display.assembly import screen_thread
from rollcall.lcd_display.display import Display
from rollcall.lcd_display.picture import boxed
from rollcall.service.settings import Broker, Lcd
from tests.support.glass import SCREENS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "display.md").read_text("utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_every_screen_stands_in_the_document_as_it_is_drawn(name: str) -> None:
    assert "\n".join(boxed(SCREENS[name](), colour=False, unicode=True)) in DOCUMENT


def test_every_key_of_the_health_is_explained() -> None:
    endpoint: Endpoint = Broker()
    lcd, output = screen_thread(Lcd(), emulate=True, stream=io.StringIO())
    display = Display(lcd, Topics(), endpoint, version="1.0.0", own_node=None)
    table = "".join(line for line in DOCUMENT.splitlines() if line.startswith("| `"))
    assert [key for key in output | display.health() if f"`{key}`" not in table] == []
