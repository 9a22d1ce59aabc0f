"""Pictures of the emulated glass: those in the documents, and those that only tests look at.

`python -m tests.support.pictures` draws them anew: look at each before you commit it.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display.photograph import photograph
from rollcall.service.settings import Lcd
from tests.support.screens import GOLDEN, SCREENS

_DOCUMENTS: Final = Path(__file__).parents[2] / "docs" / "pictures"


@dataclass(frozen=True, slots=True)
class Picture:
    """A screen, by its name in SCREENS, and how it is lit."""

    screen: str
    colour: str = "blue"
    light: bool = True

    def draw(self) -> bytes:
        size = self.screen.partition("/")[0]
        settings = Lcd.model_validate({"size": size})
        lines = SCREENS[self.screen]()
        return photograph(settings, lines, colour=self.colour, light=self.light)


PICTURES: Final[Mapping[Path, Picture]] = MappingProxyType(
    {
        _DOCUMENTS / "one-node.png": Picture("20x4/1/overview/first"),
        _DOCUMENTS / "five-nodes.png": Picture("20x4/5/overview/first"),
        _DOCUMENTS / "twenty-nodes.png": Picture("20x4/20/overview/first"),
        _DOCUMENTS / "two-thousand-nodes.png": Picture("20x4/2000/overview/first"),
        _DOCUMENTS / "addresses.png": Picture("20x4/5_one_silent/addresses/first"),
        _DOCUMENTS / "worst.png": Picture("20x4/20/worst/first"),
        _DOCUMENTS / "heat.png": Picture("20x4/200/heat/first"),
        _DOCUMENTS / "groups.png": Picture("20x4/200/groups/first"),
        _DOCUMENTS / "node-lost.png": Picture("20x4/states/alert_lost"),
        _DOCUMENTS / "broker-lost.png": Picture("20x4/states/broker_lost"),
        _DOCUMENTS / "goodbye.png": Picture("20x4/states/goodbye"),
        _DOCUMENTS / "small.png": Picture("16x2/20/heat/first", "green"),
        GOLDEN / "16x2-five-nodes.png": Picture("16x2/5/overview/first"),
        GOLDEN / "16x4-twenty-nodes.png": Picture("16x4/20/overview/first"),
        GOLDEN / "20x2-alert.png": Picture("20x2/states/alert_critical", "green"),
        GOLDEN / "20x4-histogram.png": Picture("20x4/200/histogram/first"),
        GOLDEN / "20x4-held-back.png": Picture("20x4/5_held_back/overview/first"),
        GOLDEN / "20x4-night.png": Picture("20x4/5/overview/first", light=False),
        GOLDEN / "20x4-compact.png": Picture("20x4/20/compact/first"),
    }
)


def decoded(png: bytes) -> tuple[int, int, bytes, bytes]:
    """Width, height, palette and pixels: what a picture is, whichever zlib has packed it."""
    chunks = {}
    place = 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length)[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        place += 12 + length
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    return width, height, chunks[b"PLTE"], zlib.decompress(chunks[b"IDAT"])


if __name__ == "__main__":
    for file, picture in PICTURES.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.draw())
