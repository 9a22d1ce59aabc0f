"""Run the recorder in the foreground."""

import argparse
import logging
import sys
import threading

from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.recorder.errors import RecorderError
from rollcall.recorder.recorder import SERVICE, Recorder
from rollcall.recorder.store import Store
from rollcall.service import lifecycle
from rollcall.service.settings import Settings

_log = logging.getLogger("rollcall.recorder")


def _record(settings: Settings, _arguments: argparse.Namespace, stop: threading.Event) -> None:
    try:
        with Store(settings.recorder.database) as store:
            recorder = Recorder(store, Topics(settings.broker.prefix))
            with recorder.client(settings.broker) as client:
                recorder.run(client, stop)
    except (RecorderError, BrokerError) as error:
        _log.error("%s", error)
        raise SystemExit(lifecycle.EXIT_FAILED) from error


def main() -> int:
    """Run until told to stop; give the exit code."""
    purpose = "Store what nodes report in the database, and give them receipts."
    return lifecycle.run(lifecycle.parser(SERVICE, purpose), _record)


if __name__ == "__main__":
    sys.exit(main())
