"""What had no room in the recorder's inbox is asked for again."""

import threading
from dataclasses import replace
from pathlib import Path

from rollcall.broker.topics import Topics
from rollcall.recorder.engine import Membership
from rollcall.recorder.recorder import Recorder
from rollcall.recorder.store import Store
from rollcall.service.settings import Keep
from tests.support.database import ask, url_of
from tests.support.mqtt import BrokerUnderTest
from tests.support.publisher import Publisher
from tests.support.waiting import wait_until


def test_messages_that_had_no_room_are_fetched_and_the_stream_goes_on(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    path = tmp_path / "rollcall.db"
    stop = threading.Event()
    with Store(url_of(path)) as store:
        recorder = Recorder(store, Topics(), Keep(), Membership())
        with (
            recorder.client(broker.endpoint) as client,
            # Never sends again by itself: what comes, the broker has sent again.
            Publisher(broker.endpoint, "pi-3", per_s=50, resend_after_s=3600) as publisher,
        ):
            loop = threading.Thread(target=recorder.run, args=(client, stop))
            loop.start()
            try:
                wait_until(lambda: ask(path, "SELECT 1 FROM samples"), what="recording")
                roomy, connections = client._session, client.connections
                client._session = replace(roomy, inbox_limit=0)
                wait_until(lambda: client.dropped > 5, what="messages without room")
                client._session = roomy
                publisher.pause()
                held = "SELECT first_seq, last_seq FROM ledger"
                wait_until(lambda: ask(path, held) == [(1, publisher.issued)], 30, what="all of it")
                assert client.connections > connections
            finally:
                stop.set()
                loop.join(20)
