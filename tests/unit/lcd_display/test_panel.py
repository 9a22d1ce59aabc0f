"""The real bytes on the emulated chip: the glass shows what was meant, whatever happened before."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.lcd_display.emulated_hd44780 import Specimen
from rollcall.lcd_display.emulator import Board, EmulatedBus
from rollcall.lcd_display.hd44780 import SIZES, Geometry
from rollcall.lcd_display.i2c import NotAcknowledgedError
from rollcall.lcd_display.panel import Condition
from tests.support.panels import FIVE as LINES
from tests.support.panels import TWENTY as OTHER
from tests.support.panels import panel_on

STATES = [(True, None), (False, None)] + [
    (False, (nibble, rs)) for nibble in range(16) for rs in (False, True)
]


@pytest.mark.parametrize("open_low", [0x0, 0xF])
@pytest.mark.parametrize("oscillator_khz", [270, 190])
@pytest.mark.parametrize("latch", [0x08, 0x09, 0x39], ids=hex)
@pytest.mark.parametrize("keep_memory", [False, True], ids=["init", "resync"])
def test_every_phase_the_interface_can_be_in_is_recovered_from(
    open_low: int, oscillator_khz: float, latch: int, *, keep_memory: bool
) -> None:
    for eight_bits, half in STATES:
        bus = EmulatedBus(specimen=Specimen(oscillator_khz, open_low))
        bus.sleep(1)
        bus.set_state(eight_bits=eight_bits, half=half, latch=latch)
        bus.sleep(1)
        panel_on(bus).make_ready(LINES, keep_memory=keep_memory)
        assert bus.text() == list(LINES), (eight_bits, half)
        assert bus.violations == [], (eight_bits, half)


@pytest.mark.long
@pytest.mark.parametrize(
    ("wanted", "places", "cleared"),
    [(["x" * 20] * 4, range(325), {False}), (OTHER, range(587), {False, True})],
    ids=["text", "glyphs, of which some look like power-on"],
)
def test_a_byte_refused_anywhere_in_a_frame_leaves_nothing_wrong_after_recovery(
    wanted: Sequence[str], places: range, cleared: set[bool]
) -> None:
    found = set()
    for place in places:
        bus = EmulatedBus()
        panel = panel_on(bus)
        panel.make_ready(["." * 20] * 4, keep_memory=False)
        bus.nack_at(place)
        with pytest.raises(NotAcknowledgedError):
            panel.show(wanted)
        found.add(panel.make_ready(wanted, keep_memory=True))
        assert bus.text() == list(wanted), place
        assert bus.violations == [], place
    assert found == cleared


def test_sending_the_frame_again_after_a_refusal_would_often_be_wrong() -> None:
    wrong = 0
    for place in range(0, 325, 5):
        bus = EmulatedBus()
        panel = panel_on(bus)
        panel.make_ready(["." * 20] * 4, keep_memory=False)
        panel.show([" " * 20] * 4)
        bus.nack_at(place)
        with pytest.raises(NotAcknowledgedError):
            panel.show(["x" * 20] * 4)
        panel.show(["x" * 20] * 4)
        wrong += bus.text() != ["x" * 20] * 4
    assert wrong > 20


def test_a_refusal_during_recovery_itself_is_recovered_from() -> None:
    for place in range(60):
        bus = EmulatedBus()
        panel = panel_on(bus)
        bus.nack_at(place)
        with pytest.raises(NotAcknowledgedError):
            panel.make_ready(LINES, keep_memory=False)
        panel.make_ready(LINES, keep_memory=False)
        assert bus.text() == list(LINES), place


def test_a_display_plugged_in_again_between_frames_is_noticed_and_initialized() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready(LINES, keep_memory=False)
    bus.unplug()
    bus.replug()
    assert bus.text() == [" " * 20] * 4
    assert panel.check() is Condition.RESTARTED
    assert panel.make_ready(LINES, keep_memory=True)
    assert bus.text() == list(LINES)
    assert bus.violations == []


def test_a_controller_that_restarted_alone_is_noticed_by_reading_back() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready(LINES, keep_memory=False)
    assert panel.check() is Condition.WELL
    assert panel.readback
    bus.lcd_brownout()
    bus.sleep(0.05)
    assert panel.check() is Condition.RESTARTED


def test_a_slipped_nibble_is_noticed_by_reading_back() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready(LINES, keep_memory=False)
    assert panel.check() is Condition.WELL
    bus.chip.set_state(eight_bits=False, half=(3, False))
    panel.show(["x" + LINES[0][1:], *LINES[1:]])
    assert panel.check() is Condition.SLIPPED


def test_a_board_with_grounded_rw_is_used_without_reading_back() -> None:
    bus = EmulatedBus(board=Board(rw_wired=False))
    panel = panel_on(bus)
    panel.make_ready(LINES, keep_memory=False)
    assert panel.check() is Condition.WELL
    assert panel.readback is False
    panel.show(OTHER)
    assert panel.check() is Condition.WELL
    assert bus.text() == list(OTHER)


def test_no_bank_is_left_behind_on_the_glass() -> None:
    bus = EmulatedBus()
    panel = panel_on(bus)
    panel.make_ready(LINES, keep_memory=False)
    panel.show(OTHER)
    panel.show(LINES)
    assert bus.text() == list(LINES)


# A page needs the glyphs of one bank at most.
ALPHABETS = (" aZ9%é°日~\\▏█↑↓♥?ü\x00", " aZ9%é°日~\\▁▂▃▇×?ü\x00")  # noqa: RUF001 - a lost node


def page_from(seed: bytes, geometry: Geometry) -> tuple[str, ...]:
    alphabet = ALPHABETS[seed[0] % 2]
    cells = [alphabet[value % len(alphabet)] for value in seed]
    columns = geometry.columns
    return tuple(
        "".join(cells[start : start + columns])
        for start in range(0, geometry.rows * columns, columns)
    )


@pytest.mark.long
@settings(max_examples=1000, deadline=None)
@given(
    size=st.sampled_from(sorted(SIZES)),
    seeds=st.tuples(*[st.binary(min_size=80, max_size=80)] * 2),
)
def test_a_difference_and_a_whole_frame_give_the_same_glass(
    size: str, seeds: tuple[bytes, bytes]
) -> None:
    geometry = SIZES[size]
    first, second = (page_from(seed, geometry) for seed in seeds)
    stepwise, anew = EmulatedBus(geometry=geometry), EmulatedBus(geometry=geometry)
    panel = panel_on(stepwise)
    panel.make_ready(first, keep_memory=False)
    written = stepwise.bytes_written
    assert panel.show(second) == stepwise.bytes_written - written
    assert panel.show(second) == 0
    panel_on(anew).make_ready(second, keep_memory=False)
    assert stepwise.text() == anew.text()
    assert stepwise.violations == anew.violations == []
