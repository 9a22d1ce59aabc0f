"""The emulated chip says when the datasheet is broken, and takes real smbus2 messages only so."""

import errno
from collections.abc import Sequence

import pytest
from smbus2 import i2c_msg

from rollcall.lcd_display.backpack import Backpack
from rollcall.lcd_display.charset import BANK_B
from rollcall.lcd_display.datasheet_rules import ViolationError
from rollcall.lcd_display.emulated_hd44780 import Specimen
from rollcall.lcd_display.emulator import EmulatedBus, Wire
from rollcall.lcd_display.hd44780 import SET_DDRAM, Transfer
from rollcall.lcd_display.screen import glyph_transfers
from tests.support.panels import panel_on

BLANK = [" " * 20] * 4


def write(bus: EmulatedBus, *values: int) -> None:
    bus.i2c_rdwr(i2c_msg.write(bus.address, values))


def nibble(value: int) -> tuple[int, int]:
    return value << 4 | 0x0C, value << 4 | 0x08


def ready() -> EmulatedBus:
    bus = EmulatedBus()
    panel_on(bus).make_ready(BLANK, keep_memory=False)
    write(bus, *b"".join(Backpack().encode([Transfer(SET_DDRAM)], rs=True)[0]))
    return bus


def fresh() -> EmulatedBus:
    bus = EmulatedBus()
    bus.sleep(0.1)
    write(bus, 0xFB, 0x08)
    return bus


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("V01", [0x4D, 0x49, 0x1D, 0x19]),
        ("V02", [0x08, 0x3C, 0x39, 0x09]),
        ("V03", [0x08, 0x8C, 0x18]),
        ("V04", [0x08, 0x8C, 0x8D, 0x89]),
        ("V10", [*nibble(4), 0x49, 0x1D, 0x19]),
        ("V11", [*nibble(0xA), *nibble(8)]),
        ("V12", [*nibble(2), *nibble(0)]),
        ("V13", [0x0A, 0x0E, 0x0A]),
    ],
)
def test_a_byte_that_breaks_a_rule_is_recorded(code: str, values: Sequence[int]) -> None:
    bus = ready()
    assert bus.violations == []
    write(bus, *values)
    assert [violation.code for violation in bus.violations] == [code]


def test_writing_while_the_controller_clears_is_recorded_and_lost() -> None:
    bus = ready()
    write(bus, *nibble(0), *nibble(1), *nibble(0xC), *nibble(0))
    assert {violation.code for violation in bus.violations} == {"V05"}


def test_writing_within_40_ms_of_power_on_is_recorded() -> None:
    bus = EmulatedBus()
    bus.sleep(0.02)
    write(bus, 0xFB, 0x08, *nibble(3))
    assert [violation.code for violation in bus.violations] == ["V06"]


def test_anything_before_the_first_function_set_is_recorded() -> None:
    bus = fresh()
    write(bus, *nibble(0xC))
    assert [violation.code for violation in bus.violations] == ["V07"]


@pytest.mark.parametrize(
    ("wait_s", "codes"), [(0.001, ["V08"]), (0.005, [])], ids=["too early", "late enough"]
)
def test_the_first_two_nibbles_have_to_be_apart(wait_s: float, codes: list[str]) -> None:
    bus = fresh()
    write(bus, *nibble(3))
    bus.sleep(wait_s)
    write(bus, *nibble(3))
    assert [violation.code for violation in bus.violations] == codes


def test_the_second_and_third_nibble_have_to_be_apart() -> None:
    bus = fresh()
    write(bus, *nibble(3))
    bus.sleep(0.005)
    bus.chip.specimen = Specimen(oscillator_khz=2700.0)
    write(bus, *nibble(3))
    bus.now_us -= 200
    write(bus, *nibble(3))
    assert [violation.code for violation in bus.violations] == ["V09"]


def test_a_message_lasts_as_long_as_its_bits() -> None:
    bus = EmulatedBus()
    bus.sleep(1)
    began_us = bus.now_us
    write(bus, *[0x08] * 325)
    assert bus.now_us - began_us == (11 + 9 * 325) * 10


def test_after_power_on_the_expander_reads_as_its_pins_stand() -> None:
    bus = EmulatedBus()
    reading = i2c_msg.read(bus.address, 1)
    bus.i2c_rdwr(reading)
    assert bytes(reading) == bytes([bus.read_byte(bus.address)]) == b"\x27"


def test_after_power_on_nothing_is_shown() -> None:
    bus = EmulatedBus()
    assert bus.codes() == [[None] * 20] * 4
    assert bus.text() == BLANK


def test_the_memory_can_be_read_back() -> None:
    bus = EmulatedBus()
    panel_on(bus).make_ready(["Q" + " " * 19, *BLANK[1:]], keep_memory=False)
    write(bus, *b"".join(Backpack().encode([Transfer(SET_DDRAM)], rs=True)[0]))
    nibbles = []
    for values in ([0xFB, 0xFF], [0xFB, 0xFF]):
        write(bus, *values)
        nibbles.append(bus.read_byte(bus.address) >> 4)
    write(bus, 0xFB, 0x09)
    assert nibbles == [ord("Q") >> 4, ord("Q") & 0xF]
    assert bus.violations == []


def test_at_another_address_nobody_answers() -> None:
    with pytest.raises(OSError, match="121"):
        EmulatedBus(address=0x3F).read_byte(0x27)


def test_a_glass_that_nobody_initialized_shows_solid_rows() -> None:
    dots = EmulatedBus().dots()
    assert [all(dots[row * 8]) for row in range(4)] == [True, False, True, False]
    assert len(dots) == 32
    assert {len(line) for line in dots} == {100}


def test_while_the_display_is_off_nothing_is_lit() -> None:
    bus = ready()
    write(bus, *nibble(0), *nibble(8))
    assert not any(map(any, bus.dots()))


def test_the_cursor_is_a_line_under_its_cell() -> None:
    bus = ready()
    write(bus, *nibble(0), *nibble(0xE))
    dots = bus.dots()
    assert dots[7][:6] == [True] * 5 + [False]
    assert not any(map(any, dots[:7]))


def test_a_checkpoint_finds_half_a_byte_and_a_display_that_is_off_or_shifted() -> None:
    bus = ready()
    bus.checkpoint()
    assert bus.violations == []
    write(bus, *nibble(8))
    bus.checkpoint()
    assert [found.code for found in bus.violations] == ["V10"]
    for low in (0x8, 0xC):
        bus = ready()
        write(bus, *nibble(0 if low == 0x8 else 1), *nibble(low))
        bus.checkpoint()
        assert [found.code for found in bus.violations] == ["V18"]


def test_a_glyph_drawn_anew_under_cells_that_show_it_is_warned_of() -> None:
    bus = EmulatedBus()
    panel_on(bus).make_ready(["▏" + " " * 19, *BLANK[1:]], keep_memory=False)
    write(bus, 0x08, *b"".join(Backpack().encode(glyph_transfers(BANK_B), rs=False)[0]))
    bus.checkpoint()
    assert [noted.code for noted in bus.record.warnings] == ["V17"]
    assert bus.text()[0][0] == "▁"


def test_a_write_to_an_address_where_nobody_lives_is_a_violation_and_a_read_is_not() -> None:
    bus = EmulatedBus()
    with pytest.raises(OSError, match="121"):
        bus.read_byte(0x20)
    assert bus.violations == []
    with pytest.raises(OSError, match="121"):
        bus.write_byte(0x20, 0)
    assert [found.code for found in bus.violations] == ["V16"]


def test_e_may_not_be_shorter_than_the_datasheet_says() -> None:
    bus = EmulatedBus(wire=Wire(hz=25_000_000))
    bus.sleep(0.1)
    write(bus, 0xFB, 0x08, *nibble(3))
    assert "V14" in [found.code for found in bus.violations]


def test_strict_rules_raise_at_once() -> None:
    bus = EmulatedBus(strict=True)
    with pytest.raises(ViolationError, match="V06"):
        write(bus, 0xFB, 0x08, *nibble(3))


def test_several_bytes_may_be_written_in_every_way_smbus2_has() -> None:
    buses = [ready(), ready(), ready()]
    values = (*nibble(0), *nibble(0xE))
    write(buses[0], *values)
    buses[1].write_i2c_block_data(0x27, values[0], values[1:])
    for value in values:
        buses[2].write_byte(0x27, value)
    assert buses[0].dots() == buses[1].dots() == buses[2].dots()
    assert not hasattr(buses[0], "read_word_data")


@pytest.mark.parametrize(
    ("messages", "number"),
    [
        ([i2c_msg.write(0x27, bytes(8192))], None),
        ([i2c_msg.write(0x27, bytes(8193))], errno.EINVAL),
        ([i2c_msg.write(0x27, b"\x08")] * 42, None),
        ([i2c_msg.write(0x27, b"\x08")] * 43, errno.EINVAL),
        ([i2c_msg.write(0x27, b"\x08"), i2c_msg.read(0x27, 1)], None),
        ([i2c_msg.read(0x27, 1), i2c_msg.write(0x27, b"\x08")], errno.EOPNOTSUPP),
    ],
    ids=["long", "too long", "many", "too many", "read last", "read first"],
)
def test_a_call_has_the_limits_of_the_kernel(messages: list[i2c_msg], number: int | None) -> None:
    bus = EmulatedBus()
    bus.sleep(1)
    if number is None:
        bus.i2c_rdwr(*messages)
        return
    with pytest.raises(OSError, match=f"{number}"):
        bus.i2c_rdwr(*messages)


@pytest.mark.parametrize("values", [[0x02, 0x0E, 0x0A], [0x4D, 0x49]], ids=["V13", "V01"])
def test_after_a_fault_the_rules_of_the_wire_still_hold(values: list[int]) -> None:
    bus = ready()
    bus.set_state(eight_bits=False, half=None)
    write(bus, *values)
    assert bus.violations
