"""What is written for a new frame: exactly as many bytes as it must be."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.lcd_display import screen
from rollcall.lcd_display.backpack import Backpack
from rollcall.lcd_display.charset import BANK_A
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.hd44780 import GLASS_20X4, Geometry, Transfer, address_after
from tests.support.panels import panel_on

BLANK = (0x20,) * 80


def bytes_for(shown: tuple[int, ...] | None, wanted: tuple[int, ...], *, rs: bool = False) -> int:
    runs = screen.difference(shown, wanted, GLASS_20X4)
    return on_the_wire(screen.text_transfers(runs), rs=rs)


def on_the_wire(transfers: Sequence[Transfer], *, rs: bool) -> int:
    return sum(map(len, Backpack().encode(transfers, rs=rs)[0]))


def with_cells(*cells: int) -> tuple[int, ...]:
    return tuple(0x41 if cell in cells else 0x20 for cell in range(80))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (BLANK, 0),
        (with_cells(7), 9),
        (with_cells(20, 21, 22), 17),
        (with_cells(*range(12, 20)), 37),
        (with_cells(*(row + cell for row in (3, 25, 47, 69) for cell in range(3))), 71),
        (with_cells(1, 3), 17),
        (with_cells(1, 4), 19),
        (with_cells(19, 40), 13),
        (with_cells(59, 20), 13),
    ],
    ids=[
        "unchanged",
        "one cell",
        "three adjacent",
        "a clock",
        "four numbers in four rows",
        "one clean cell between is written too",
        "two clean cells between are not",
        "row 2 continues row 0",
        "row 1 continues row 2",
    ],
)
def test_a_difference_costs_exactly(wanted: tuple[int, ...], count: int) -> None:
    assert bytes_for(BLANK, wanted) == count


def test_a_full_frame_costs_325_bytes_and_one_more_after_text() -> None:
    assert bytes_for(None, BLANK) == 325
    assert bytes_for(None, BLANK, rs=True) == 326


def test_two_rows_of_sixteen_cost_139_bytes() -> None:
    runs = screen.difference(None, (0x20,) * 32, Geometry(16, 2))
    assert on_the_wire(screen.text_transfers(runs), rs=False) == 139


def test_glyphs_and_a_full_frame_cost_588_bytes_after_text() -> None:
    glyphs = screen.glyph_transfers(BANK_A)
    text = screen.text_transfers(screen.difference(None, BLANK, GLASS_20X4))
    assert on_the_wire(glyphs, rs=False) == 261
    assert on_the_wire([*glyphs, *text], rs=True) == 588


@pytest.mark.parametrize(
    ("lines", "frame_bytes", "frame_us"),
    [
        (("", "", "", ""), 0, 0),
        (("x", "", "", ""), 10, 1010),
        (("x" * 20,) * 4, 326, 29_450),
    ],
    ids=["unchanged", "one cell", "everything"],
)
def test_a_frame_is_one_transaction_without_a_sleep(
    lines: tuple[str, ...], frame_bytes: int, frame_us: float
) -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready([" " * 20] * 4, keep_memory=False)
    panel.show(["." + " " * 19, *[" " * 20] * 3])
    panel.show([" " * 20] * 4)
    transactions, written, began_us = bus.transactions, bus.bytes_written, bus.now_us
    panel.show([line.ljust(20) for line in lines])
    assert bus.bytes_written - written == frame_bytes
    assert bus.transactions - transactions == (1 if frame_bytes else 0)
    assert bus.now_us - began_us == pytest.approx(frame_us)


def test_asking_how_the_display_is_takes_less_than_two_milliseconds() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready([" " * 20] * 4, keep_memory=False)
    began_us = bus.now_us
    panel.check()
    assert bus.now_us - began_us == pytest.approx(200 + 1630)


def test_another_bank_of_glyphs_goes_before_the_whole_text_in_the_same_message() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready(["▏" + " " * 19, *[" " * 20] * 3], keep_memory=False)
    transactions = bus.transactions
    assert panel.show(["▁" + " " * 19, *[" " * 20] * 3]) == 587
    assert bus.transactions - transactions == 1
    assert bus.text()[0][0] == "▁"


@pytest.mark.long
@settings(max_examples=1000, deadline=None)
@given(old=st.binary(min_size=80, max_size=80), changed=st.binary(max_size=30))
def test_the_difference_and_the_whole_frame_leave_the_same_in_the_memory(
    old: bytes, changed: bytes
) -> None:
    new = bytearray(old)
    for cell in changed:
        new[cell % 80] ^= 1
    memory = dict(zip(GLASS_20X4.addresses, old, strict=True))
    for run in screen.difference(old, new, GLASS_20X4):
        address = run.address
        for code in run.codes:
            memory[address] = code
            address = address_after(address)
        assert address == screen.address_behind(run)
    assert bytes(memory[address] for address in GLASS_20X4.addresses) == new
