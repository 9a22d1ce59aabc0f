"""`python -m rollcall.lcd_display`: the display service in the foreground."""

import argparse
import sys
import threading
import time
from contextlib import ExitStack

from rollcall import __version__
from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.session import BrokerError, Session
from rollcall.broker.topics import Topics
from rollcall.lcd_display.assembly import name_lock, own_node, presenter, screen_thread
from rollcall.lcd_display.display import GATHER_S, Display, subscriptions
from rollcall.lcd_display.lcd_thread import LcdThread
from rollcall.lcd_display.night import Night
from rollcall.service import lifecycle
from rollcall.service.notify import Notifier
from rollcall.service.settings import Settings


def serve(settings: Settings, arguments: argparse.Namespace, stop: threading.Event) -> None:
    """Run the display until `stop` is set."""
    topics = Topics(settings.broker.prefix)
    notifier = Notifier()
    lcd, output = screen_thread(
        settings.lcd, emulate=arguments.emulate, stream=sys.stdout, dots=arguments.dots
    )
    display = Display(
        lcd,
        topics,
        settings.broker,
        presenter(settings.lcd, version=__version__),
        groups=settings.lcd.groups,
        own_node=own_node(settings.agent),
        night=Night.parse(settings.lcd.night),
    )
    announcement = ServiceAnnouncement(
        topics,
        settings.lcd.name,
        version=__version__,
        since=time.time(),
        health=lambda: output | display.health(),
    )
    client = BrokerClient(
        settings.broker,
        client_id=settings.lcd.name,
        subscriptions=subscriptions(topics),
        announcement=announcement,
        session=Session(gather_s=GATHER_S),
        watchdog=lambda: notifier.beat(lambda: _status(client, lcd)),
    )
    with ExitStack() as opened:
        opened.enter_context(name_lock(settings.lcd, settings.broker))
        opened.enter_context(client)
        opened.enter_context(lcd)
        notifier.ready()
        display.run(client, stop)


def _status(client: BrokerClient, lcd: LcdThread) -> str:
    link = "connected" if client.ready else "waits for the broker"
    return f"{link}, display {lcd.account()['display']}"


def main() -> int:
    """Run the service; give its exit code."""
    arguments = lifecycle.parser("lcd", "shows the cluster on a character display")
    arguments.add_argument(
        "--emulate", action="store_true", help="draw the glass in the terminal, without a display"
    )
    arguments.add_argument(
        "--dots", action="store_true", help="with --emulate on a terminal: draw every dot"
    )
    return lifecycle.run(arguments, serve, expected=(BrokerError,))


if __name__ == "__main__":
    sys.exit(main())
