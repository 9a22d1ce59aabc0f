"""`rollcall lcd`: look for the display, and leave a last word on it."""

import json
from datetime import UTC, datetime

import click

from rollcall.console.lcd_png import png
from rollcall.console.options import CommandError, Options, shared
from rollcall.lcd_display.assembly import geometry_of, leave
from rollcall.lcd_display.i2c import DisplayError
from rollcall.lcd_display.keeper import Frame
from rollcall.lcd_display.night import Night
from rollcall.lcd_display.state_pages import goodbye as goodbye_page
from rollcall.lcd_display.survey import BusFound, bus_numbers, survey
from rollcall.service.lock import AlreadyRunningError
from rollcall.service.settings import Lcd


@click.group()
@shared
def lcd() -> None:
    """Look after the character display; `rollcall run lcd` is the service that draws on it."""


@lcd.command()
@shared
@click.pass_obj
def probe(options: Options) -> None:
    """Look for the display on every I2C bus; only reads, so that no device is disturbed.

    Exit code 0 when the display that `[lcd]` means answers, 1 when not.
    """
    settings = options.settings().lcd
    buses = survey(bus_numbers())
    if options.json:
        click.echo(json.dumps(document(buses), indent=2))
    for bus in () if options.json else buses:
        for line in described(bus):
            click.echo(line)
    judge(settings, buses)


@lcd.command()
@shared
@click.pass_obj
def goodbye(options: Options) -> None:
    """Leave the goodbye on the glass: for ExecStopPost of systemd, also after a kill.

    A display that a running service owns is left alone.
    """
    settings = options.settings().lcd
    local = datetime.now(UTC).astimezone()
    night = Night.parse(settings.night)
    frame = Frame(
        tuple(goodbye_page(geometry_of(settings), local)),
        light=not (night and night.covers(local)),
    )
    try:
        address = leave(settings, frame)
    except (DisplayError, AlreadyRunningError) as error:
        raise CommandError(f"no goodbye on the glass: {error}", "rollcall lcd probe") from error
    click.echo(f"the display at 0x{address:02x} says goodbye")


lcd.add_command(png)


def document(buses: tuple[BusFound, ...]) -> dict[str, object]:
    """Give what was found as a JSON document."""
    return {
        "schema": 1,
        "buses": [
            {
                "bus": bus.number,
                "error": bus.error,
                "devices": [
                    {"address": f"0x{device.address:02x}", "process": device.process}
                    for device in bus.devices
                ],
            }
            for bus in buses
        ],
    }


def described(bus: BusFound) -> list[str]:
    """Give what was found on a bus, in lines."""
    lines = [f"/dev/i2c-{bus.number}"]
    if bus.error:
        lines.append(f"  {bus.error}")
    elif not bus.devices:
        lines.append("  nothing answers at 0x20-0x27 and 0x38-0x3f")
    for device in bus.devices:
        user = f"; process {device.process} uses it" if device.process else ""
        lines.append(f"  0x{device.address:02x} answers{user}")
    return lines


def judge(settings: Lcd, buses: tuple[BusFound, ...]) -> None:
    """Pass when the display of `settings` answers. Raises CommandError with what to try."""
    if not buses:
        raise CommandError(
            "this machine shows no I2C bus (/dev/i2c-*)",
            "on a Raspberry Pi `sudo raspi-config nonint do_i2c 0`, elsewhere `sudo modprobe"
            " i2c-dev`; without a display `rollcall run lcd --emulate`",
        )
    meant = next((bus for bus in buses if bus.number == settings.bus), None)
    if meant is None:
        there = ", ".join(str(bus.number) for bus in buses)
        raise CommandError(
            f"[lcd] bus is {settings.bus}, and this machine has {there}",
            f"set bus = {buses[0].number} in the section [lcd]",
        )
    if meant.error:
        raise CommandError(f"/dev/i2c-{meant.number} cannot be asked", meant.error)
    _judge_devices(settings, meant)


def _judge_devices(settings: Lcd, bus: BusFound) -> None:
    found = [f"0x{device.address:02x}" for device in bus.devices]
    wanted = None if settings.address == "auto" else f"0x{settings.address:02x}"
    if wanted in found or (wanted is None and len(found) == 1):
        return
    if found:
        raise CommandError(
            f"[lcd] address is {wanted}, and {', '.join(found)} answers"
            if wanted
            else f"several devices answer: {', '.join(found)}",
            f'set address = "{found[0]}" in the section [lcd], if that is the display',
        )
    raise CommandError(
        f"nothing answers on /dev/i2c-{bus.number}",
        "check that VCC has 5 V, that SDA and SCL are not swapped, and the level shifter",
    )
