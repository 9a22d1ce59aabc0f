"""The emulated display, driven by the real panel with real smbus2 messages."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import GLASS_20X4
from rollcall.lcd_display.i2c import open_port
from rollcall.lcd_display.pages import (
    Link,
    LinkState,
    boot,
    broker_lost,
    goodbye,
    page_of,
)
from rollcall.lcd_display.panel import Panel
from tests.support import scenes
from tests.support.scenes import CONNECTED, LOCAL, MOMENT, WALL_S, Scene

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "screens"


def panel_on(bus: EmulatedBus) -> Panel:
    return Panel(open_port(bus, "auto"), geometry=GLASS_20X4, sleep=bus.sleep)


def _drawn(scene: Callable[[], Scene]) -> Callable[[], tuple[str, ...]]:
    return lambda: page_of(scene().cluster, CONNECTED, MOMENT, version="1.0.0").lines


_LOST: Final = Link(LinkState.LOST, "192.168.1.2", 1883, WALL_S - 372, 372, 12, 8)
_NEW: Final = Link(LinkState.CONNECTING, "192.168.1.2", 1883, WALL_S, 0)

SCREENS: Final[Mapping[str, Callable[[], tuple[str, ...]]]] = MappingProxyType(
    {
        "one_node": _drawn(scenes.one_node),
        "five_nodes": _drawn(scenes.five_nodes),
        "five_nodes_held_back": _drawn(scenes.held_back),
        "twenty_nodes": _drawn(scenes.twenty_nodes),
        "two_hundred_nodes": _drawn(scenes.two_hundred_nodes),
        "nothing_fresh": _drawn(scenes.silent),
        "broker_lost": lambda: broker_lost(_LOST, MOMENT),
        "boot": lambda: boot(_NEW, version="1.0.0", nodes=0),
        "goodbye": lambda: goodbye(LOCAL),
    }
)
