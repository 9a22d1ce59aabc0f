"""The thread that owns the display: lost, found again, and never in the way."""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

from rollcall.lcd_display.assembly import HOST_CLOCK
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.glass_output import GlassOutput
from rollcall.lcd_display.hd44780 import GLASS_20X4
from rollcall.lcd_display.i2c import NoBusError, Port, open_port
from rollcall.lcd_display.keeper import Keeper
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.panel import Panel
from tests.support.panels import BYE, FIVE
from tests.support.panels import TWENTY as BOOT
from tests.support.waiting import wait_until


def thread_on(
    bus: EmulatedBus,
    connect: Callable[[], Port] | None = None,
    probe_after_s: tuple[float, ...] = (0.01,),
) -> LcdThread:
    found = connect or (lambda: open_port(bus, "auto"))
    keeper = Keeper(
        lambda: Panel(found(), geometry=GLASS_20X4, sleep=bus.sleep),
        HOST_CLOCK,
        probe_after_s=probe_after_s,
    )
    return LcdThread(keeper)


def test_the_newest_frame_is_shown_and_the_goodbye_is_the_last() -> None:
    bus = EmulatedBus()
    with thread_on(bus) as lcd:
        lcd.post(BOOT)
        lcd.post(FIVE)
        wait_until(lambda: bus.text() == list(FIVE))
        assert lcd.account()["display"] == "ok"
        lcd.finish(BYE)
        assert bus.text() == list(BYE)
    assert bus.violations == []


def test_a_display_that_is_unplugged_comes_back_with_the_newest_frame() -> None:
    bus = EmulatedBus()
    with thread_on(bus) as lcd:
        lcd.post(BOOT)
        wait_until(lambda: lcd.account()["display"] == "ok")
        bus.unplug()
        lcd.post(FIVE)
        wait_until(lambda: lcd.account()["display"] == "lost")
        assert "0x20" in str(lcd.account()["error"]) or "0x27" in str(lcd.account()["error"])
        bus.replug()
        wait_until(lambda: bus.text() == list(FIVE))
        wait_until(lambda: lcd.account()["error"] is None)
        assert lcd.account()["initializations"] == 2
    assert bus.violations == []


def test_a_refused_byte_is_answered_with_a_resynchronization() -> None:
    bus = EmulatedBus()
    with thread_on(bus) as lcd:
        lcd.post(BOOT)
        wait_until(lambda: lcd.account()["readback"] is not None)
        bus.nack_at(40)
        lcd.post(FIVE)
        wait_until(lambda: bus.text() == list(FIVE))
        wait_until(lambda: lcd.account()["display"] == "ok")
        account = lcd.account()
        assert (account["resyncs"], account["initializations"]) == (1, 1)
        assert account["errors"] == {"nack": 1, "stuck": 0, "other": 0}


class CountingBus(EmulatedBus):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_each_loss_is_probed_for_quickly_at_first_and_gives_the_bus_back() -> None:
    bus = CountingBus()
    with thread_on(bus, probe_after_s=(0.01, 30)) as lcd:
        lcd.post(BOOT)
        for losses in (1, 2):
            wait_until(lambda: lcd.account()["display"] == "ok")
            bus.nack_at(0)
            lcd.post(FIVE if losses % 2 else BOOT)
            wait_until(lambda: bus.closed == losses)  # noqa: B023 - waited for within the round
        wait_until(lambda: lcd.account()["display"] == "ok")
        lcd.finish(BYE)
    assert bus.closed == 3


def test_a_controller_that_restarts_shows_the_frame_again_unasked() -> None:
    bus = EmulatedBus()
    with thread_on(bus) as lcd:
        lcd.post(FIVE)
        wait_until(lambda: lcd.account()["readback"] is True)
        bus.lcd_brownout()
        bus.sleep(0.05)
        wait_until(lambda: bus.text() == list(FIVE))


def test_without_a_bus_it_is_absent_and_goes_on_probing() -> None:
    bus = EmulatedBus()
    tries = []

    def connect() -> Port:
        tries.append(1)
        if len(tries) < 5:
            raise NoBusError("/dev/i2c-1: no such file; switch I2C on")
        return open_port(bus, "auto")

    with thread_on(bus, connect) as lcd:
        lcd.post(FIVE)
        wait_until(lambda: tries)
        wait_until(lambda: lcd.account()["display"] == "ok")
        assert lcd.account()["errors"] == {"nack": 0, "stuck": 0, "other": 4}


def test_a_bus_that_hangs_does_not_hold_up_who_posts_or_stops() -> None:
    bus, hanging = EmulatedBus(), threading.Event()

    def connect() -> Port:
        hanging.wait(30)
        return open_port(bus, "auto")

    lcd = thread_on(bus, connect)
    with lcd:
        for _ in range(100):
            lcd.post(FIVE)
        lcd.finish(BYE)
        wait_until(lambda: int(str(lcd.account()["frames_skipped"])) >= 98)
    hanging.set()
    lcd._thread.join(5)
    assert not lcd._thread.is_alive()


class HangingBus(EmulatedBus):
    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def i2c_rdwr(self, *messages: Any) -> None:
        self.free.wait(30)
        super().i2c_rdwr(*messages)


def test_a_call_that_never_returns_is_told_of_as_a_stuck_display() -> None:
    bus = HangingBus()
    keeper = Keeper(
        lambda: Panel(open_port(bus, "auto"), geometry=GLASS_20X4, sleep=bus.sleep), HOST_CLOCK
    )
    with LcdThread(keeper, hung_after_s=0.05) as lcd:
        lcd.post(FIVE)
        wait_until(lambda: lcd.account()["display"] == "ok")
        bus.free.clear()
        lcd.post(BOOT)
        wait_until(lambda: lcd.account()["display"] == "stuck")
        assert "does not return" in str(lcd.account()["error"])
        bus.free.set()
        wait_until(lambda: lcd.account()["display"] == "ok")
        assert lcd.account()["error"] is None
        wait_until(lambda: bus.text() == list(BOOT))


def test_a_fault_of_our_own_on_the_thread_is_handed_to_the_main_thread() -> None:
    def connect() -> Port:
        raise ZeroDivisionError

    with thread_on(EmulatedBus(), connect) as lcd:
        lcd.post(FIVE)
        wait_until(lambda: isinstance(lcd.fault, ZeroDivisionError))


def test_each_change_of_the_glass_is_one_json_line() -> None:
    bus, stream = EmulatedBus(), io.StringIO()
    output = GlassOutput(bus, stream)
    panel = Panel(open_port(bus, "auto"), geometry=GLASS_20X4, sleep=bus.sleep)
    panel.make_ready(FIVE, keep_memory=False)
    output.write()
    output.write()
    panel.show(BYE)
    output.write()
    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        {"rows": list(FIVE), "backlight": True},
        {"rows": list(BYE), "backlight": True},
    ]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_picture_stays_in_its_place() -> None:
    bus, stream = EmulatedBus(), Terminal()
    output = GlassOutput(bus, stream)
    output.write()
    Panel(open_port(bus, "auto"), geometry=GLASS_20X4, sleep=bus.sleep).make_ready(
        FIVE, keep_memory=False
    )
    output.write()
    first, second = stream.getvalue().split("\x1b[H")[1:]
    assert first.count("\n") == second.count("\n") == 6
    assert FIVE[0] in second
