"""Put the display's parts together as the settings say: real hardware, or the emulator."""

import socket
import time
from collections.abc import Iterator
from typing import TextIO

from pydantic import JsonValue

from rollcall.broker.topics import TopicError, node_name_from
from rollcall.lcd_display.emulator import EmulatedBus
from rollcall.lcd_display.glass_output import GlassOutput
from rollcall.lcd_display.hd44780 import GLASS_20X4
from rollcall.lcd_display.i2c import Port, open_bus, open_port
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.panel import Panel
from rollcall.service.lock import ProcessLock
from rollcall.service.settings import Agent, Broker, Lcd, data_folder


def screen_thread(
    settings: Lcd, *, emulate: bool, stream: TextIO
) -> tuple[LcdThread, dict[str, JsonValue]]:
    """Make the thread that owns the display, and what the health says of its kind.

    With `emulate` the display is an emulated one, and its glass is written to `stream`.
    """
    output: dict[str, JsonValue] = {
        "output": "emulator" if emulate else "i2c",
        "bus": None if emulate else settings.bus,
        "columns": GLASS_20X4.columns,
        "rows": GLASS_20X4.rows,
    }
    if not emulate:

        def connect() -> Port:
            return open_port(open_bus(settings.bus), settings.address)

        return LcdThread(
            connect, lambda port: Panel(port, geometry=GLASS_20X4, sleep=time.sleep)
        ), output
    bus = EmulatedBus()
    lcd = LcdThread(
        lambda: open_port(bus, "auto"),
        lambda port: Panel(port, geometry=GLASS_20X4, sleep=bus.sleep),
        shown=GlassOutput(bus, stream).write,
    )
    return lcd, output


def locks(settings: Lcd, broker: Broker, *, emulate: bool) -> Iterator[ProcessLock]:
    """Give what keeps a second process off: of the same name, or on the same display."""
    folder = data_folder() / "lcd"
    name = f"{settings.name}-{broker.host.replace('/', '-')}-{broker.port}"
    yield ProcessLock(folder / f"{name}.lock", f"the display service {settings.name}")
    if not emulate:
        address = settings.address
        place = address if address == "auto" else f"0x{address:02x}"
        yield ProcessLock(
            folder / f"i2c-{settings.bus}-{place}.lock",
            f"a display service on I2C bus {settings.bus}, address {place},",
        )


def own_node(settings: Agent) -> str | None:
    """Give the node that this host is, where it can be one."""
    try:
        return settings.node or node_name_from(socket.gethostname())
    except TopicError:
        return None
