"""The emulated display, driven by the real panel with real smbus2 messages."""

from typing import Any, Final

from rollcall.lcd_display.backpack import Backpack
from rollcall.lcd_display.charset import Rom
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.font import dots_of
from rollcall.lcd_display.i2c import open_port
from rollcall.lcd_display.keeper import Clock, Frame, Keeper
from rollcall.lcd_display.panel import Panel

# Two pages that need different banks of glyphs, and one that needs none.
FIVE: Final = (
    "4/5 online !1♥ 12:04",
    "CPU  23% ██▎        ",
    "RAM 11.6/20.0GB  58%",
    "hot pi-4 71°  cpu88%",
)
TWENTY: Final = (
    "19/20 on   !1* 12:04",
    "CPU 21% max97% pi-14",
    "RAM 61% 97.4/160.0GB",
    "▁▂×▁▁▃▄▂▁▅▁▁▂▇▃▁▁▂▁▁",  # noqa: RUF001 - the sign of a lost node
)
BYE: Final = (
    "DISPLAY STOPPED     ",
    "2026-08-03 12:04:15 ",
    "not live any more   ",
    "                    ",
)


def panel_on(bus: EmulatedBus, *, backpack: Backpack | None = None, rom: Rom = "A00") -> Panel:
    return Panel(
        open_port(bus, "auto"),
        geometry=bus.chip.geometry,
        sleep=bus.sleep,
        backpack=backpack,
        rom=rom,
    )


def cut_to(bus: EmulatedBus, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The upper left part of a page, as much as the glass has."""
    geometry = bus.chip.geometry
    return tuple(line[: geometry.columns] for line in lines[: geometry.rows])


def drawn(lines: tuple[str, ...]) -> list[list[bool]]:
    """The dots of a page, from its characters alone."""
    return [
        [bool(dots_of(character)[row] >> bit & 1) for character in line for bit in (4, 3, 2, 1, 0)]
        for line in lines
        for row in range(8)
    ]


class KeptDisplay:
    """A keeper and its emulated display; the only clock is that of the bus."""

    def __init__(self, bus: EmulatedBus, backpack: Backpack | None = None) -> None:
        self.bus = bus
        self.keeper = Keeper(
            lambda: panel_on(bus, backpack=backpack),
            Clock(lambda: bus.now_us / 1e6, lambda: 1.7e9 + bus.now_us / 1e6),
        )
        self._due_s = 0.0

    def show(self, lines: tuple[str, ...], *, light: bool | None = None) -> None:
        self.keeper.want(Frame(cut_to(self.bus, lines), light))
        self._due_s = self.keeper.attend()

    def live(self, seconds: float) -> None:
        """Let virtual time pass, and the keeper do what is due in it."""
        end_s = self.bus.now_us / 1e6 + seconds
        while self._due_s <= end_s:
            self.bus.sleep(max(0.0, self._due_s - self.bus.now_us / 1e6))
            self._due_s = self.keeper.attend()
        self.bus.sleep(max(0.0, end_s - self.bus.now_us / 1e6))

    def shows(self, lines: tuple[str, ...]) -> bool:
        """Whether text and dots are those of a page."""
        wanted = cut_to(self.bus, lines)
        return self.bus.text() == list(wanted) and self.bus.dots() == drawn(wanted)

    def account(self, key: str) -> Any:
        return self.keeper.account()[key]
