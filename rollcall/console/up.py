"""`rollcall up`: a whole cluster on this machine, nothing to configure."""

import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from rollcall import __version__
from rollcall.broker.mosquitto import MosquittoError
from rollcall.console.household import Household
from rollcall.console.options import CommandError, Options, shared
from rollcall.console.supervisor import Supervisor
from rollcall.console.terminal import console, has_shapes, is_live
from rollcall.dashboard.entry import Entry
from rollcall.dashboard.listening import listening
from rollcall.lcd_display.picture import boxed
from rollcall.service.config import runtime_file
from rollcall.service.lifecycle import stop_on_signals
from rollcall.service.lock import AlreadyRunningError, ProcessLock

_LOOK_EVERY_S: Final = 0.2
_PLAIN_GLASS_EVERY_S: Final = 10.0
_BROKER_WITHIN_S: Final = 5.0
_MOST_DEMO_NODES: Final = 50


@click.command()
@click.option(
    "--demo",
    type=click.IntRange(0, _MOST_DEMO_NODES),
    default=0,
    metavar="N",
    help="Add N simulated nodes beside this host.",
)
@shared
@click.pass_obj
def up(options: Options, demo: int) -> None:
    """Run a private broker, an agent, the recorder, the alert service and the display here.

    Ctrl-C stops all of it; starting again goes on with the same data.
    """
    # What is kept here is this user's alone; the programs inherit it.
    os.umask(0o077)
    file = runtime_file()
    stop = stop_on_signals(signal.SIGHUP)
    try:
        with ProcessLock(file.parent / "lock", "rollcall up"):
            # What an earlier run left is no configuration of the user's.
            file.unlink(missing_ok=True)
            household = Household(file, options.settings())
            household.prepare()
            _run(household, demo, stop)
    except AlreadyRunningError as error:
        raise CommandError(str(error), "rollcall status") from error
    except MosquittoError as error:
        raise CommandError(str(error), "sudo apt-get install mosquitto") from error
    except OSError as error:
        raise CommandError(
            f"{file.parent}: {error}", "free the folder, or set XDG_DATA_HOME"
        ) from error


def _run(household: Household, demo: int, stop: threading.Event) -> None:
    screen = _Screen(console(soft_wrap=True))
    supervisor = Supervisor(household.programs(demo), screen.say)
    screen.introduce(household)
    try:
        supervisor.start_group(0)
        _wait_for_broker(household.port, stop)
        supervisor.start_group(1)
        supervisor.start_group(2)
        with screen:
            while not stop.wait(_LOOK_EVERY_S):
                supervisor.look_after()
                screen.show(supervisor.lines())
    finally:
        screen.say("stopping")
        supervisor.stop()
        screen.say("stopped; the data stays")


def _wait_for_broker(port: int, stop: threading.Event) -> None:
    """Wait until the broker listens, so that the services need not try twice."""
    deadline_s = time.monotonic() + _BROKER_WITHIN_S
    while time.monotonic() < deadline_s and not stop.wait(0.05):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return


class _Screen:
    """The terminal: what happens scrolls, the glass stays below; in a pipe, plain lines."""

    def __init__(self, screen: Console) -> None:
        self._console = screen
        self._live = Live(console=screen, auto_refresh=False) if is_live() else None
        self._unicode = has_shapes()
        self._plain_due_s = 0.0

    def __enter__(self) -> None:
        if self._live:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def introduce(self, household: Household) -> None:
        """Say where things are, with lines to paste."""
        mail = household.settings.mail
        where = (
            f"through {mail.host} to {', '.join(mail.to)}"
            if mail.host
            else f"no SMTP server is set: mails are written into {mail.folder} as .eml files"
        )
        entry = Entry(household.settings.dashboard.state_dir)
        address = listening(household.settings.dashboard).url
        command = shlex.quote(sys.argv[0])
        database = shlex.quote(str(household.database))
        query = '"SELECT * FROM latest"'
        lines = (
            f"Rollcall {__version__}: a whole cluster on this machine. Ctrl-C stops it.",
            f"  data      {household.folder}",
            f"  broker    127.0.0.1:{household.port}, for this machine only; to look inside:",
            f"            mosquitto_sub -p {household.port} -v -t 'rollcall/v1/#'",
            f"  database  {household.database}; to ask it:",
            f"            sqlite3 -readonly -box {database} {query}",
            f"  mail      {where}",
            f"  status    {command} status",
            f"  dashboard {address}/login/{entry.make_link(time.time())}",
            f"            (once, within five minutes; another: {command} dashboard link)",
        )
        for line in lines:
            self._console.print(Text(line))

    def say(self, text: str) -> None:
        """Tell what happened, with the time."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')}  {text}"))

    def show(self, lines: list[str]) -> None:
        """Show the newest glass of those that the display has sent."""
        if not lines:
            return
        rows = json.loads(lines[-1])["rows"]
        colour = self._live is not None
        picture = "\n".join(boxed(rows, colour=colour, unicode=self._unicode))
        if self._live:
            self._live.update(Text.from_ansi(picture), refresh=True)
        elif time.monotonic() >= self._plain_due_s:
            self._plain_due_s = time.monotonic() + _PLAIN_GLASS_EVERY_S
            self._console.print(Text(picture))
