"""What becomes of a display that fails: found again and brought back, or said what is wrong."""

import errno
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from rollcall.lcd_display import emulated_hd44780
from rollcall.lcd_display.emulator import Board, EmulatedBus, Wire
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.i2c import NoBusError
from rollcall.lcd_display.keeper import Clock, Frame, Keeper
from rollcall.lcd_display.panel import Panel
from tests.support.panels import BYE, FIVE, TWENTY, KeptDisplay


def plug_out_and_in(bus: EmulatedBus) -> None:
    bus.unplug()
    bus.replug()


FAULTS_THAT_PASS: list[tuple[str, Callable[[EmulatedBus], None]]] = [
    ("a byte not acknowledged", lambda bus: bus.nack_at(40)),
    ("the bus busy once", lambda bus: bus.error(errno.EAGAIN, 1)),
    ("a disturbed bus", lambda bus: bus.error(errno.EIO, 3)),
    ("a stuck bus that comes free", lambda bus: bus.error(errno.ETIMEDOUT, 4)),
    ("another driver that lets go", lambda bus: bus.error(errno.EBUSY, 2)),
    ("permission that is given", lambda bus: bus.error(errno.EACCES, 2)),
    ("the controller restarting alone", lambda bus: bus.lcd_brownout()),
    ("plugged out and in between frames", plug_out_and_in),
    ("a slipped nibble", lambda bus: bus.set_state(eight_bits=False, half=(3, False))),
    ("a slipped nibble of text", lambda bus: bus.set_state(eight_bits=False, half=(3, True))),
    ("the interface eight bits wide", lambda bus: bus.set_state(eight_bits=True, half=None)),
    ("a stray pulse on E", lambda bus: bus.extra_e(0)),
    ("a byte disturbed", lambda bus: bus.flip(3, 2)),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "fault", [fault for _, fault in FAULTS_THAT_PASS], ids=[name for name, _ in FAULTS_THAT_PASS]
)
@pytest.mark.parametrize("when", ["while nothing changes", "in the middle of a change"])
def test_the_right_glass_comes_back_after(
    fault: Callable[[EmulatedBus], None], when: str, size: str
) -> None:
    bus = EmulatedBus(geometry=SIZES[size])
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(3)
    assert kept.shows(FIVE)
    fault(bus)
    if when == "in the middle of a change":
        kept.show(TWENTY)
        kept.live(45)
        assert kept.shows(TWENTY)
    else:
        kept.live(45)
        assert kept.shows(FIVE)
    assert kept.account("display") == "ok"
    assert kept.account("error") is None
    bus.violations.clear()  # what noise did, and what was written before it was noticed
    kept.show(BYE)
    kept.live(1)
    assert kept.shows(BYE)
    bus.checkpoint()
    assert bus.violations == []


def test_nothing_is_written_while_nothing_changes_but_what_asks_how_it_is() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(2)
    written = bus.bytes_written
    kept.show(FIVE)
    kept.live(10)
    assert bus.bytes_written - written == 10 * (2 + 2 + 2 + 4)
    assert bus.record.warnings == []


def test_everything_is_written_anew_every_30_seconds_and_resynchronized_every_10_minutes() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(29)
    frames, written = kept.account("frames"), bus.bytes_written
    kept.live(2)
    assert kept.account("frames") == frames + 1
    assert bus.bytes_written - written >= 587
    kept.live(560)
    assert kept.account("resyncs") == 0
    kept.live(15)
    assert kept.account("resyncs") == 1
    assert kept.account("initializations") == 1
    assert kept.shows(FIVE)
    assert bus.violations == []


def test_where_the_controller_cannot_be_read_it_is_resynchronized_every_minute() -> None:
    bus = EmulatedBus(board=Board(rw_wired=False))
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(130)
    assert kept.account("readback") is False
    assert kept.account("resyncs") == 2
    bus.set_state(eight_bits=False, half=(3, False))
    kept.live(61)
    assert kept.shows(FIVE)
    assert {found.text for found in bus.violations} == {"address 0x7F lies in the hole"}


def test_the_display_is_probed_for_ever_more_rarely_and_then_every_30_seconds() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(2)
    bus.unplug()
    tries_s: list[float] = []
    for _ in range(1400):
        before = kept.account("errors")["nack"]
        kept.live(0.1)
        if kept.account("errors")["nack"] != before:
            tries_s.append(bus.now_us / 1e6)
    waits_s = [later - sooner for sooner, later in pairwise(tries_s)]
    assert waits_s[:8] == pytest.approx([0.5, 1, 2, 5, 10, 30, 30, 30], abs=0.2)


def test_after_a_loss_only_the_newest_frame_is_shown_and_the_others_are_counted() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(2)
    bus.unplug()
    kept.live(1.5)
    assert kept.account("display") == "lost"
    for lines in (TWENTY, FIVE, TWENTY, BYE):
        kept.show(lines)
    bus.replug()
    kept.live(5)
    assert kept.shows(BYE)
    assert kept.account("frames_skipped") == 3


def test_two_frames_a_second_are_written_at_most() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(1)
    frames = kept.account("frames")
    for number in range(20):
        kept.show((f"{number:20}", *FIVE[1:]))
        kept.live(0.05)
    assert kept.account("frames") - frames <= 3


@pytest.mark.parametrize(
    ("number", "standing", "words"),
    [
        (errno.ETIMEDOUT, "stuck", "held low"),
        (errno.EAGAIN, "stuck", "held low"),
        (errno.EACCES, "refused", "group i2c"),
        (errno.EBUSY, "refused", "kernel driver"),
        (errno.EREMOTEIO, "lost", "power"),
        (errno.ENXIO, "lost", "power"),
        (errno.EIO, "lost", "disturbed"),
    ],
    ids=["stuck", "stuck on designware", "forbidden", "taken", "nack", "nack on gpio", "disturbed"],
)
def test_a_fault_that_stays_is_said_once_with_what_to_try(
    number: int, standing: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(2)
    with caplog.at_level(logging.INFO):
        bus.error(number, 10_000)
        kept.live(120)
        assert kept.account("display") == standing
        assert words in str(kept.account("error"))
        assert len([record for record in caplog.records if words in record.message]) <= 2
        bus.error(number, 0)
        kept.live(31)
    assert kept.account("display") == "ok"
    assert kept.shows(FIVE)
    assert len(caplog.records) <= 3


def test_a_display_that_never_was_is_absent_not_lost() -> None:
    def connect() -> Panel:
        raise NoBusError("/dev/i2c-1: No such file or directory; switch I2C on")

    keeper = Keeper(connect, Clock(lambda: 0.0, lambda: 0.0))
    keeper.want(Frame(FIVE))
    assert keeper.attend() == 0.5
    assert keeper.account()["display"] == "absent"
    assert keeper.account()["errors"] == {"nack": 0, "stuck": 0, "other": 1}


def test_power_that_comes_and_goes_all_the_time_ends_in_the_right_glass() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    for _ in range(20):
        kept.live(0.7)
        bus.unplug()
        kept.live(0.7)
        bus.replug()
    kept.live(31)
    assert kept.shows(FIVE)


def test_a_brown_out_is_noticed_within_a_second_and_a_bit() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(5.5)
    bus.lcd_brownout()
    kept.live(1.3)
    assert kept.shows(FIVE)
    assert kept.account("initializations") == 2


def test_the_light_goes_and_comes_by_one_byte_and_what_is_shown_stays() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE, light=True)
    kept.live(2.5)
    lights = [bus.backlight]
    written = bus.bytes_written
    kept.show(FIVE, light=False)
    assert bus.bytes_written - written == 1
    lights.append(bus.backlight)
    kept.live(31)
    lights.append(bus.backlight)
    assert kept.shows(FIVE)
    kept.show(TWENTY, light=True)
    kept.live(1)
    lights.append(bus.backlight)
    assert lights == [True, False, False, True]
    assert kept.shows(TWENTY)
    assert bus.violations == []


def test_the_last_word_keeps_the_light_as_it_was() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE, light=False)
    kept.live(1)
    kept.keeper.say(Frame(BYE))
    assert kept.shows(BYE)
    assert not bus.backlight


def test_the_last_word_to_a_display_that_is_gone_is_no_error() -> None:
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    bus.unplug()
    kept.keeper.say(Frame(BYE))
    kept.keeper.close()


def test_a_part_that_takes_only_the_first_byte_is_found_out_and_served() -> None:
    bus = EmulatedBus(board=Board(first_byte_only=True))
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(3)
    assert kept.shows(FIVE)
    kept.show(TWENTY)
    kept.live(3)
    assert kept.shows(TWENTY)
    assert kept.account("readback") is True
    bus.lcd_brownout()
    bus.sleep(0.05)
    kept.live(3)
    assert kept.shows(TWENTY)
    assert bus.violations == []


class ComplainingBus(EmulatedBus):
    refused = 0

    def i2c_rdwr(self, *messages: Any) -> None:
        try:
            super().i2c_rdwr(*messages)
        except OSError:
            self.refused += 1
            raise


@pytest.mark.parametrize("longest", [300, 64, 8, 5])
def test_a_small_adapter_gets_what_it_takes_and_is_not_asked_for_more_again(longest: int) -> None:
    bus = ComplainingBus(wire=Wire(longest_message=longest))
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(2)
    refused = bus.refused
    assert 1 <= refused <= 10
    kept.show(TWENTY)
    kept.live(2)
    assert bus.refused == refused
    assert kept.shows(TWENTY)
    assert kept.account("display") == "ok"
    assert bus.violations == []


def test_a_copy_of_the_chip_that_counts_on_in_its_own_way_is_learned_not_repaired_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = {0x27: 0x40, 0x67: 0x28}
    monkeypatch.setattr(
        emulated_hd44780, "address_after", lambda address: steps.get(address, address + 1)
    )
    bus = EmulatedBus()
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(5)
    repairs = kept.account("resyncs"), kept.account("initializations")
    kept.show(TWENTY)
    kept.live(100)
    assert kept.account("readback") is True
    assert (kept.account("resyncs"), kept.account("initializations")) == repairs
    assert kept.shows(TWENTY)
    bus.set_state(eight_bits=False, half=(3, False))
    kept.live(3)
    assert kept.shows(TWENTY)
    assert kept.account("initializations") > repairs[1]


def test_an_adapter_that_takes_nothing_at_all_is_said() -> None:
    bus = EmulatedBus(wire=Wire(longest_message=1))
    kept = KeptDisplay(bus)
    kept.show(FIVE)
    kept.live(10)
    assert kept.account("display") == "refused"
    assert "use another bus" in str(kept.account("error"))
