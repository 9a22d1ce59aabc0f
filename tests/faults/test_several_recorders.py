"""Several recorders divide the work on one PostgreSQL database, and one of them dies."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rollcall.broker.topics import Kind, Topics
from tests.support.database import ask
from tests.support.mqtt import BrokerUnderTest
from tests.support.postgresql import PostgresqlUnderTest
from tests.support.publisher import Publisher
from tests.support.recorder import RecorderProcess
from tests.support.waiting import wait_until

TOPICS = Topics()
NODES = ("pi-3", "pi-4", "pi-5")
MEMBERS = ("recorder", "recorder-2")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def url(postgresql: PostgresqlUnderTest) -> Iterator[str]:
    with postgresql.databases() as new:
        yield new()


@pytest.fixture
def members(
    opened: ExitStack, tmp_path: Path, broker: BrokerUnderTest, url: str
) -> dict[str, RecorderProcess]:
    started = {}
    for name in MEMBERS:
        (tmp_path / name).mkdir()
        member = RecorderProcess(tmp_path / name, broker, url, member=name)
        started[name] = opened.enter_context(member)
        wait_until(lambda m=member: m.health().get("state") == "online")  # type: ignore[misc]
    return started


def leaders(members: dict[str, RecorderProcess]) -> list[str]:
    return [name for name, member in members.items() if member.health().get("leads")]


def has_share(member: RecorderProcess, broker: BrokerUnderTest) -> bool:
    """Whether it has stored reports; called dead, a service says at once how it fares."""
    topic = TOPICS.topic(Kind.SERVICE_STATUS, member.name)
    broker.publish(topic, b'{"state":"offline","reason":"lost"}', retain=True)
    told = wait_until(lambda: member.health().get("state") == "online" and member.health())
    return bool(told["reports"] > 20)


def check_that_each_number_is_there_once(url: str, publishers: list[Publisher]) -> None:
    assert ask(url, "SELECT * FROM gaps") == []
    stored = (
        "SELECT node, count(*), count(DISTINCT value), min(value), max(value) FROM samples "
        "GROUP BY node ORDER BY node"
    )
    expected = [(p.node, p.issued, p.issued, 1, p.issued) for p in publishers]
    assert ask(url, stored) == expected


def test_two_recorders_divide_the_work_and_one_that_is_killed_costs_nothing(
    members: dict[str, RecorderProcess],
    opened: ExitStack,
    broker: BrokerUnderTest,
    url: str,
) -> None:
    publishers = [
        opened.enter_context(Publisher(broker.endpoint, node, per_s=60)) for node in NODES
    ]
    first = wait_until(lambda: leaders(members), what="a leader")
    assert len(first) == 1
    for member in members.values():
        wait_until(lambda m=member: has_share(m, broker), 15, what="its share")  # type: ignore[misc]

    (leader,) = first
    (other,) = set(MEMBERS) - set(first)
    members[leader].kill()
    wait_until(lambda: leaders({other: members[other]}), 15, what="the next leader")
    reached = f"SELECT 1 FROM ledger WHERE last_seq > {publishers[0].issued + 50}"
    wait_until(lambda: ask(url, reached), 20, what="more reports with one member")
    members[leader].launch()
    wait_until(lambda: has_share(members[leader], broker), 20, what="its share again")
    members[other].kill()

    for publisher in publishers:
        publisher.pause()
    for publisher in publishers:
        wait_until(lambda p=publisher: p.unreceipted == 0, 40, what="every receipt")  # type: ignore[misc]
    check_that_each_number_is_there_once(url, publishers)
    told: dict[str, Any] = {}
    for topic, payload in broker.subscribe_for(TOPICS.topic_filter(Kind.RECEIPT, "+")):
        told[topic.rpartition("/")[2]] = json.loads(payload)
    issued: dict[str, Any] = {publisher.node: (publisher.issued, []) for publisher in publishers}
    assert {node: (r["through"], r["missing"]) for node, r in told.items()} == issued
    states = ask(url, "SELECT node, state FROM nodes ORDER BY node")
    assert states == [(node, "online") for node in NODES]


def test_sqlite_cannot_be_shared(tmp_path: Path, broker: BrokerUnderTest) -> None:
    url = f"sqlite:///{tmp_path / 'rollcall.db'}"
    with RecorderProcess(tmp_path, broker, url, member="recorder-2") as recorder:
        assert recorder.ended() == 78
        assert "not a file of SQLite" in recorder.log.read_text("utf-8")
