"""`rollcall run dashboard`: from settings to the running dashboard."""

import argparse
import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette

import rollcall
from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.dashboard.actions import actions_of
from rollcall.dashboard.app import Web
from rollcall.dashboard.archive import Archive
from rollcall.dashboard.dashboard import health, run, subscriptions
from rollcall.dashboard.entry import Entry
from rollcall.dashboard.listening import ListenError, listen, listening
from rollcall.dashboard.live import Live
from rollcall.dashboard.scrape import Scrape
from rollcall.dashboard.server import ServerError, WebServer
from rollcall.dashboard.stream import Broadcast, clock
from rollcall.dashboard.tokens import Tokens
from rollcall.service import lifecycle
from rollcall.service.lock import ProcessLock
from rollcall.service.notify import Notifier
from rollcall.service.settings import Settings

_NAME: Final = "dashboard"

_log = logging.getLogger("rollcall.dashboard")


def body(settings: Settings, _arguments: argparse.Namespace, stop: threading.Event) -> None:
    """Open the real things and run. Raises ConfigError for an address that is not safe."""
    place = listening(settings.dashboard)
    folder = settings.dashboard.state_dir
    topics = Topics(settings.broker.prefix)
    live = Live(topics, cluster_name=settings.cluster.name, now=clock())
    notifier = Notifier()

    def application(broadcast: Broadcast) -> Starlette:
        entry = Entry(folder)
        archive = Archive(settings.recorder.database)
        actions = actions_of(settings)
        scrape = Scrape(live, Tokens(folder))
        hosts, secure = place.hosts, place.secure
        web = Web(broadcast, entry, archive, actions, scrape, allowed_hosts=hosts, secure=secure)
        return web.application()

    announcement = ServiceAnnouncement(
        topics,
        _NAME,
        version=rollcall.__version__,
        since=time.time(),
        health=lambda: health(live),
    )
    client = BrokerClient(
        settings.broker,
        client_id=_NAME,
        subscriptions=subscriptions(topics),
        announcement=announcement,
        watchdog=lambda: notifier.beat(lambda: _status(client, live)),
    )
    with (
        ProcessLock(folder / "dashboard.lock", "the dashboard"),
        WebServer(place, listen(place), lambda: Broadcast(live), application) as web,
        client,
    ):
        _log.info("listening at %s", place.url)
        notifier.ready()
        run(client, web, stop)


def _status(client: BrokerClient, live: Live) -> str:
    link = "connected" if client.ready else "waits for the broker"
    return f"{link}, {live.viewers} browsers"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the dashboard; give the exit code."""
    arguments = lifecycle.parser(_NAME, "show the cluster in a browser")
    return lifecycle.run(arguments, body, argv, expected=(BrokerError, ListenError, ServerError))


if __name__ == "__main__":
    sys.exit(main())
