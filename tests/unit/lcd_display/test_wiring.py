"""Backpacks, wires, buses and controllers of all kinds: the same glass."""

import pytest

from rollcall.lcd_display.backpack import Backpack, Wiring
from rollcall.lcd_display.charset import Rom
from rollcall.lcd_display.emulated_hd44780 import BusyError, Specimen
from rollcall.lcd_display.emulator import Adapter, Board, EmulatedBus, Wire
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.i2c import BusFaultError, NotAcknowledgedError
from rollcall.lcd_display.panel import Condition
from tests.support.panels import BYE, FIVE, TWENTY, cut_to, drawn, panel_on

REVERSED = "d7 d6 d5 d4 light e rw rs"
MIXED = "d4 d5 d6 d7 e rw rs light"


@pytest.mark.parametrize("pins", ["rs rw e light d4 d5 d6 d7", REVERSED, MIXED])
@pytest.mark.parametrize("light_active", ["high", "low"])
@pytest.mark.parametrize("size", SIZES)
def test_any_wiring_at_any_size_shows_the_same(pins: str, light_active: str, size: str) -> None:
    wiring = Wiring(pins, "high" if light_active == "high" else "low")
    board = Board(pins=pins, light_active=wiring.light_active)
    bus = EmulatedBus(geometry=SIZES[size], board=board)
    panel = panel_on(bus, backpack=Backpack(wiring=wiring))
    panel.make_ready(cut_to(bus, FIVE), keep_memory=False)
    lights = [bus.backlight]
    assert panel.check() is Condition.WELL
    assert panel.readback
    panel.show(cut_to(bus, TWENTY), light=False)
    lights.append(bus.backlight)
    assert lights == [True, False]
    assert bus.text() == list(cut_to(bus, TWENTY))
    assert bus.dots() == drawn(cut_to(bus, TWENTY))
    bus.checkpoint()
    assert bus.violations == bus.record.warnings == []


def test_a_wiring_that_is_not_the_real_one_does_not_pass_for_it() -> None:
    bus = EmulatedBus(board=Board(pins=MIXED))
    panel_on(bus).make_ready(FIVE, keep_memory=False)
    assert bus.text() != list(FIVE)


@pytest.mark.parametrize("oscillator_khz", [190, 270, 350])
@pytest.mark.parametrize("clock_khz", [50, 100, 200, 400])
def test_no_instruction_comes_too_early_at_any_clock_of_the_bus(
    clock_khz: int, oscillator_khz: float
) -> None:
    bus = EmulatedBus(
        specimen=Specimen(oscillator_khz, busy_policy="raise"), wire=Wire(hz=clock_khz * 1000)
    )
    panel = panel_on(bus, backpack=Backpack(clock_khz=clock_khz))
    panel.make_ready(FIVE, keep_memory=False)
    panel.show(TWENTY)
    assert panel.check() is Condition.WELL
    panel.show(BYE)
    assert bus.text() == list(BYE)
    assert bus.violations == []
    assert [noted.code for noted in bus.record.warnings] == ["V15"] * (clock_khz > 100)


def test_at_400_khz_the_bytes_of_100_khz_would_come_too_early() -> None:
    bus = EmulatedBus(specimen=Specimen(190, busy_policy="raise"), wire=Wire(hz=400_000))
    with pytest.raises(BusyError, match="too early"):
        panel_on(bus).make_ready(FIVE, keep_memory=False)


@pytest.mark.parametrize(
    ("adapter", "address_error", "byte_error"),
    [
        ("bcm2835", NotAcknowledgedError, NotAcknowledgedError),
        ("designware", NotAcknowledgedError, NotAcknowledgedError),
        ("i2c-gpio", NotAcknowledgedError, BusFaultError),
    ],
)
def test_every_adapter_of_a_raspberry_pi_says_a_refusal_in_its_way(
    adapter: Adapter, address_error: type[Exception], byte_error: type[Exception]
) -> None:
    bus = EmulatedBus(wire=Wire(adapter=adapter))
    panel = panel_on(bus)
    bus.nack_at(20)
    with pytest.raises(byte_error, match="0x27"):
        panel.make_ready(FIVE, keep_memory=False)
    bus.unplug()
    with pytest.raises(address_error, match="0x27"):
        panel.make_ready(FIVE, keep_memory=False)
    bus.replug()
    panel.make_ready(FIVE, keep_memory=False)
    assert bus.text() == list(FIVE)


@pytest.mark.parametrize(
    ("rom", "text", "shown"),
    [
        ("A00", "C:\\ Å~é 52°", "C:? A?e 52°"),
        ("A02", "C:\\ Å~é 52°", "C:\\ Å~é 52°"),
        ("ST0B", "C:\\ Å~é 52°", "C:\\ Å~é 52°"),
    ],
)
def test_each_rom_shows_what_it_has_and_a_question_mark_for_the_rest(
    rom: Rom, text: str, shown: str
) -> None:
    bus = EmulatedBus(rom=rom)
    panel_on(bus, rom=rom).make_ready((text.ljust(20), *FIVE[1:]), keep_memory=False)
    assert bus.text() == [shown.ljust(20), *FIVE[1:]]
    assert bus.dots() == drawn((shown.ljust(20), *FIVE[1:]))


@pytest.mark.parametrize("policy", ["ignore", "accept"])
def test_a_frame_does_not_depend_on_what_a_busy_controller_does(policy: str) -> None:
    specimen = Specimen(busy_policy="accept" if policy == "accept" else "ignore")
    bus = EmulatedBus(specimen=specimen)
    panel_on(bus).make_ready(FIVE, keep_memory=False)
    assert bus.text() == list(FIVE)
