"""The recorder as a process, on a database of either engine."""

import json
from pathlib import Path
from typing import Any

from rollcall.broker.topics import Kind, Topics
from tests.support.database import NOT_YET, ask
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest

TOPICS = Topics()


class RecorderProcess(ProgramUnderTest):
    """`python -m rollcall.recorder`, configured by the environment."""

    def __init__(
        self, folder: Path, broker: BrokerUnderTest, url: str, *, member: str | None = None
    ) -> None:
        self.url = url
        self.name = member or "recorder"
        self._broker = broker
        settings: dict[str, object] = {
            "ROLLCALL_BROKER__PORT": broker.port,
            "ROLLCALL_RECORDER__DATABASE": url,
        }
        if member is not None:
            settings |= {"ROLLCALL_RECORDER__NAME": member, "ROLLCALL_RECORDER__SHARED": "true"}
        super().__init__("rollcall.recorder", folder, settings=settings)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database; nothing while it is not made yet."""
        try:
            return ask(self.url, query)
        except NOT_YET as error:
            if any(said in str(error) for said in ("no such table", "unable to open", "not exist")):
                return []
            raise

    def health(self) -> dict[str, Any]:
        """What its status topic says; empty while it is not there."""
        topic = TOPICS.topic(Kind.SERVICE_STATUS, self.name)
        found = self._broker.subscribe_for(topic, first=1)
        status: dict[str, Any] = json.loads(found[0][1]) if found else {}
        return {"state": status.get("state"), **status.get("health", {})}


def check_that_each_number_is_there_once(url: str, issued: int) -> None:
    """Nothing is missing, nothing twice: one node, whose reports hold their own number."""
    assert ask(url, "SELECT * FROM gaps") == []
    spans = ask(url, "SELECT first_seq, last_seq, reason FROM ledger")
    assert spans == [(1, issued, None)]
    stored = ask(url, "SELECT value FROM samples WHERE metric = 'counter.number'")
    assert sorted(value for (value,) in stored) == list(range(1, issued + 1))
