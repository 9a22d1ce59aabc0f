"""Run the recorder in the foreground."""

import argparse
import gc
import sys
import threading

from rollcall.broker.session import BrokerError
from rollcall.broker.topics import Topics
from rollcall.recorder.engine import Membership
from rollcall.recorder.errors import RecorderError
from rollcall.recorder.recorder import SERVICE, Recorder
from rollcall.recorder.store import Store
from rollcall.service import lifecycle
from rollcall.service.notify import Notifier
from rollcall.service.settings import Settings

# A small database is upgraded before anything else can be done, and copied before that.
_UPGRADE_WITHIN_S = 600
# A batch is tens of thousands of objects that live until it is committed and are in no cycle;
# looking for cycles among them after every 700 took a fifth of the time.
COLLECT_AFTER = 100_000


def _record(settings: Settings, _arguments: argparse.Namespace, stop: threading.Event) -> None:
    chosen = settings.recorder
    membership = Membership(chosen.name, chosen.shared)
    notifier = Notifier()
    notifier.extend_start(_UPGRADE_WITHIN_S)
    with Store(chosen.database, membership) as store:
        topics = Topics(settings.broker.prefix)
        recorder = Recorder(store, topics, chosen.keep, membership, notifier)
        with recorder.client(settings.broker) as client:
            recorder.run(client, stop)


def main() -> int:
    """Run until told to stop; give the exit code."""
    gc.set_threshold(COLLECT_AFTER)
    purpose = "Store what nodes report in the database, and give them receipts."
    arguments = lifecycle.parser(SERVICE, purpose)
    return lifecycle.run(arguments, _record, expected=(RecorderError, BrokerError))


if __name__ == "__main__":
    sys.exit(main())
