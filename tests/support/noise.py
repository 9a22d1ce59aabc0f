"""Frames that are disturbed on their way, and what becomes of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import SIZES
from tests.support.panels import KeptDisplay, cut_to

BEFORE = ("abcdefghijklmnopqrst",) * 4
AFTER = (
    "ABCDEFGHIJKLMNOPQRST",
    "0123456789,.-;:_!$%&",
    "zyxwvutsrqponmlkjihg",
    "{}[]()<>=?*+#/1a2b3c",
)


@dataclass
class Outcome:
    """What became of frames that were disturbed."""

    wrong: int = 0
    noticed_at_once: int = 0
    noticed_later: int = 0
    unhealed: int = 0


def outcome_of(disturbances: Iterator[Callable[[EmulatedBus], None]], size: str) -> Outcome:
    found = Outcome()
    for disturb in disturbances:
        bus = EmulatedBus(geometry=SIZES[size])
        kept = KeptDisplay(bus)
        kept.show(BEFORE)
        kept.live(0.6)
        disturb(bus)
        kept.show(AFTER)
        if bus.text() == list(cut_to(bus, AFTER)):
            continue
        found.wrong += 1
        repairs = repairs_of(kept)
        kept.live(0.1)
        found.noticed_at_once += repairs_of(kept) > repairs
        kept.live(1.5)
        found.noticed_later += repairs_of(kept) > repairs
        if bus.text() != list(cut_to(bus, AFTER)):
            kept.live(31)
        found.unhealed += not kept.shows(AFTER)
    return found


def repairs_of(kept: KeptDisplay) -> int:
    return int(kept.account("resyncs")) + int(kept.account("initializations"))


def flip(byte: int, bit: int, bus: EmulatedBus) -> None:
    bus.flip(byte, bit)


def pulse(byte: int, bus: EmulatedBus) -> None:
    bus.extra_e(byte)


def flips(count: int, step: int) -> Iterator[Callable[[EmulatedBus], None]]:
    for byte in range(0, count, step):
        for bit in range(8):
            yield partial(flip, byte, bit)


def pulses(count: int) -> Iterator[Callable[[EmulatedBus], None]]:
    for byte in range(count):
        yield partial(pulse, byte)
