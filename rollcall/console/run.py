"""`rollcall run SERVICE`: become one service, in the foreground."""

import os
import sys
from typing import Final

import click

from rollcall.console.options import Options, shared

PROGRAMS: Final = {
    "agent": "rollcall.node_agent",
    "recorder": "rollcall.recorder",
    "alerts": "rollcall.alerts",
    "lcd": "rollcall.lcd_display",
    "dashboard": "rollcall.dashboard",
}


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}
)
@click.argument("service", type=click.Choice(list(PROGRAMS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@shared
@click.pass_obj
def run(options: Options, service: str, arguments: tuple[str, ...]) -> None:
    """Run one service in the foreground; ARGUMENTS go to it, such as `lcd --emulate`."""
    command = [sys.executable, "-m", PROGRAMS[service]]
    if options.config:
        command += ["--config", str(options.config)]
    if options.verbose:
        command.append("--verbose")
    # The service replaces this process, so that it carries none of the console's memory.
    os.execv(sys.executable, [*command, *arguments])  # noqa: S606 - our own program
