"""Noise on the wire: every bit of a frame turned over, a stray pulse behind every byte.

Nothing tells of most of it when it happens. What was promised is checked here: the glass is right
again after a while in every case, and much of what is wrong is noticed within the next second.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

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
FULL_16X2 = 139
FULL_20X4 = 325


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


@pytest.mark.parametrize(
    ("size", "count", "step"), [("16x2", FULL_16X2, 1), ("20x4", FULL_20X4, 9)]
)
def test_after_any_bit_turned_over_the_glass_is_right_again_within_half_a_minute(
    size: str, count: int, step: int
) -> None:
    found = outcome_of(flips(count, step), size)
    assert found.wrong > count // step * 2
    assert found.unhealed == 0
    assert found.noticed_at_once > 0.4 * found.wrong


@pytest.mark.parametrize(("size", "count"), [("16x2", FULL_16X2), ("20x4", FULL_20X4)])
def test_every_stray_pulse_that_changes_the_glass_is_noticed_within_a_second_and_a_half(
    size: str, count: int
) -> None:
    found = outcome_of(pulses(count), size)
    assert found.wrong > count // 3
    assert found.noticed_later == found.wrong
    assert found.unhealed == 0
