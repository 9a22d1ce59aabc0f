"""`rollcall run alerts`: from settings to the running alert service."""

import argparse
import logging
import sys
import threading
import time
from collections.abc import Sequence

import rollcall
from rollcall.alerts.alerter import Alerter, Patience, subscriptions
from rollcall.alerts.assembly import assembled, delivery_queue
from rollcall.alerts.health import Health
from rollcall.alerts.outbox import NewerSchemaError, Outbox
from rollcall.alerts.settings import WayOut, way_out
from rollcall.broker.announcement import ServiceAnnouncement
from rollcall.broker.client import BrokerClient
from rollcall.broker.node_view import Now
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.service import lifecycle
from rollcall.service.config import ConfigError, Fault
from rollcall.service.lock import ProcessLock
from rollcall.service.notify import Notifier
from rollcall.service.settings import Settings

_NAME = "alerts"
# The dozen small answers of a mail server each wait for the main thread: 5 ms unless told.
_SWITCH_EVERY_S = 0.0005

_log = logging.getLogger("rollcall.alerts")


def clock() -> Now:
    """Give this moment on the real clocks."""
    return Now(time.time(), time.monotonic())


def body(
    settings: Settings,
    _arguments: argparse.Namespace,
    stop: threading.Event,
    patience: Patience | None = None,
) -> None:
    """Open the real things and run. Raises ConfigError for a configuration that cannot work."""
    mail = way_out(settings.mail)
    folder = settings.alerts.state_dir
    try:
        with (
            ProcessLock(folder / "alerts.lock", "the alert service"),
            Outbox(folder / "alerts.db") as outbox,
        ):
            _run(settings, mail, outbox, stop, patience)
    except NewerSchemaError as error:
        raise ConfigError("the state folder", [Fault("", str(error))]) from error


def _run(
    settings: Settings,
    mail: WayOut,
    outbox: Outbox,
    stop: threading.Event,
    patience: Patience | None,
) -> None:
    _log.info("%s", mail.told)
    sys.setswitchinterval(_SWITCH_EVERY_S)
    stored = outbox.load(clock())
    queue = delivery_queue(settings.mail)
    topics = Topics(settings.broker.prefix)
    health = Health()
    notifier = Notifier()
    announcement = ServiceAnnouncement(
        topics, _NAME, version=rollcall.__version__, since=time.time(), health=health.account
    )
    with BrokerClient(
        settings.broker,
        client_id=_NAME,
        subscriptions=subscriptions(topics),
        announcement=announcement,
        watchdog=lambda: notifier.beat(lambda: _status(client, health)),
    ) as client:
        telling = assembled(
            settings, mail, outbox=outbox, queue=queue, install=stored.install, wake=client.wake
        )
        alerter = Alerter(
            client=client,
            topics=topics,
            outbox=outbox,
            telling=telling,
            queue=queue,
            health=health,
            clock=clock,
            patience=patience or Patience(settings.alerts.blind_after),
        )
        alerter.restore(stored)
        notifier.ready()
        alerter.run(stop)


def _status(client: BrokerClient, health: Health) -> str:
    link = "connected" if client.ready else "waits for the broker"
    return f"{link}, {health.account().get('firing', 0)} alerts fire"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the alert service; give the exit code."""
    arguments = lifecycle.parser(_NAME, "decide what is wrong in the cluster, and tell by mail")
    return lifecycle.run(arguments, body, argv, expected=(BrokerError,))


if __name__ == "__main__":
    sys.exit(main())
