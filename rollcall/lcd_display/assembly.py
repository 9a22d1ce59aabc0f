"""Put the display's parts together as the settings say: real hardware, or the emulator."""

import socket
import time
from collections.abc import Callable
from typing import Final, Literal, TextIO

from pydantic import JsonValue

from rollcall.broker.topics import TopicError, node_name_from
from rollcall.lcd_display.backpack import Backpack, Wiring
from rollcall.lcd_display.carousel import Carousel
from rollcall.lcd_display.claim import claim
from rollcall.lcd_display.emulator import Board, EmulatedBus, Wire
from rollcall.lcd_display.glass_output import GlassOutput
from rollcall.lcd_display.hd44780 import SIZES, Geometry
from rollcall.lcd_display.i2c import Bus, Port, open_bus, open_port
from rollcall.lcd_display.keeper import Clock, Frame, Keeper
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.pages import Presenter
from rollcall.lcd_display.panel import Panel
from rollcall.service.lock import AlreadyRunningError, ProcessLock
from rollcall.service.settings import Agent, Broker, Lcd, data_folder

HOST_CLOCK: Final = Clock(time.monotonic, time.time)


class Connection:
    """Finds the display of `settings`, and keeps other processes off it.

    Once found, only its address is asked: what else may answer on the bus is not ours.
    """

    def __init__(self, settings: Lcd, open_bus: Callable[[int], Bus] = open_bus) -> None:
        self._bus = settings.bus
        self._address: int | Literal["auto"] = settings.address
        self._open_bus = open_bus

    def open(self) -> Port:
        """Open the bus and find the display. Raises DisplayError, AlreadyRunningError."""
        bus = self._open_bus(self._bus)
        port = open_port(bus, self._address)
        descriptor: int | None = getattr(bus, "fd", None)
        if descriptor is not None:
            try:
                claim(descriptor, port.address, f"/dev/i2c-{self._bus}")
            except AlreadyRunningError:
                port.close()
                raise
        self._address = port.address
        return port


def geometry_of(settings: Lcd) -> Geometry:
    """Give the size of the glass."""
    return SIZES[settings.size]


def panel_of(settings: Lcd, port: Port, sleep: Callable[[float], None]) -> Panel:
    """Make the panel of a display that was found."""
    wiring = Wiring(settings.pins, settings.light_active)
    return Panel(
        port,
        geometry=geometry_of(settings),
        sleep=sleep,
        backpack=Backpack(wiring=wiring, clock_khz=settings.clock),
        rom=settings.rom,
    )


def emulated_bus(settings: Lcd) -> EmulatedBus:
    """Make a bus with the display of `settings` on it."""
    return EmulatedBus(
        address=0x27 if settings.address == "auto" else settings.address,
        geometry=geometry_of(settings),
        board=Board(pins=settings.pins, light_active=settings.light_active),
        rom=settings.rom,
        wire=Wire(hz=settings.clock * 1000),
    )


def screen_thread(
    settings: Lcd, *, emulate: bool, stream: TextIO, dots: bool = False
) -> tuple[LcdThread, dict[str, JsonValue]]:
    """Make the thread that owns the display, and what the health says of its kind.

    With `emulate` the display is an emulated one, and its glass is written to `stream`; on a
    terminal every dot of it, if `dots`.
    """
    geometry = geometry_of(settings)
    output: dict[str, JsonValue] = {
        "output": "emulator" if emulate else "i2c",
        "bus": None if emulate else settings.bus,
        "columns": geometry.columns,
        "rows": geometry.rows,
    }
    if not emulate:
        connection = Connection(settings)
        keeper = Keeper(lambda: panel_of(settings, connection.open(), time.sleep), HOST_CLOCK)
        return LcdThread(keeper), output
    bus = emulated_bus(settings)
    keeper = Keeper(
        lambda: panel_of(settings, open_port(bus, bus.address), bus.sleep),
        HOST_CLOCK,
        shown=GlassOutput(bus, stream, dots=dots).write,
    )
    return LcdThread(keeper), output


def presenter(settings: Lcd, *, version: str) -> Presenter:
    """Make what chooses the pages of the display of `settings`."""
    return Presenter(geometry_of(settings), version, settings.pages, Carousel())


def leave(settings: Lcd, frame: Frame, open_bus: Callable[[int], Bus] = open_bus) -> int:
    """Leave `frame` on the display of `settings`, whatever was there; give its address.

    For when no service runs. Raises DisplayError, AlreadyRunningError.
    """
    port = Connection(settings, open_bus).open()
    try:
        panel_of(settings, port, time.sleep).make_ready(
            frame.lines, light=frame.light, keep_memory=False
        )
    finally:
        port.close()
    return port.address


def name_lock(settings: Lcd, broker: Broker) -> ProcessLock:
    """Give what keeps a second process of the same name off."""
    name = f"{settings.name}-{broker.host.replace('/', '-')}-{broker.port}"
    return ProcessLock(
        data_folder() / "lcd" / f"{name}.lock", f"the display service {settings.name}"
    )


def own_node(settings: Agent) -> str | None:
    """Give the node that this host is, where it can be one."""
    try:
        return settings.node or node_name_from(socket.gethostname())
    except TopicError:
        return None
