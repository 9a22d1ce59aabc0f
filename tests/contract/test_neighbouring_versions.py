"""Whoever reads messages goes on reading those of version 1.0, and those that say more."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from docs.generate import CODECS
from rollcall.broker import fleet, messages
from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import BacklogEvent
from rollcall.broker.node_view import NodeState, Now
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.findings import Arrival, Freshness, Refused
from rollcall.recorder.intake import read

FROZEN: Final = Path(__file__).parents[1] / "golden/messages-1.0"
TOPICS: Final = Topics()
STORED: Final = {
    Kind.STATUS, Kind.INFO, Kind.METRICS, Kind.BACKLOG, Kind.EVENT, Kind.ALERT, Kind.FLEET,
}  # fmt: skip


class Frozen(NamedTuple):
    topic: str
    payload: bytes

    @property
    def kind(self) -> Kind:
        return TOPICS.parse(self.topic).kind


def frozen() -> Iterator[Frozen]:
    for file in sorted(FROZEN.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            told = json.loads(line)
            packed = told.get("base64")
            payload = base64.b64decode(packed) if packed else told["payload"].encode()
            yield Frozen(told["topic"], payload)


MESSAGES: Final = list(frozen())


def test_of_every_kind_of_topic_there_is_a_message() -> None:
    assert {message.kind for message in MESSAGES} == set(Kind) == set(CODECS)
    states = {json.loads(each.payload)["state"] for each in MESSAGES if each.kind is Kind.STATUS}
    reasons = {
        json.loads(each.payload).get("reason") for each in MESSAGES if each.kind is Kind.STATUS
    }
    assert (states, reasons) == ({"online", "offline"}, {None, "lost", "stopped"})
    assert any(b'"ended"' in each.payload for each in MESSAGES if each.kind is Kind.ALERT)
    collectors = {TOPICS.parse(each.topic).leaf for each in MESSAGES if each.kind is Kind.METRICS}
    assert {"cpu", "memory", "disk", "network", "temperature", "process"} <= collectors


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic)
def test_a_message_of_1_0_is_read_with_all_it_says(message: Frozen) -> None:
    read_back = messages.encode(CODECS[message.kind].decode(message.payload))
    if not message.payload.startswith(b"\x1f\x8b"):
        assert_holds(json.loads(read_back), json.loads(message.payload))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic)
def test_what_a_later_version_says_beside_it_is_passed_over(message: Frozen) -> None:
    if message.payload.startswith(b"\x1f\x8b"):
        return
    told = json.loads(message.payload)
    later = {**told, "zz_later": {"since": "1.1", "list": [1, None]}}
    codec = CODECS[message.kind]
    assert_holds(json.loads(messages.encode(codec.decode(json.dumps(later).encode()))), told)


def test_the_recorder_stores_every_message_of_1_0() -> None:
    arrival = Arrival(1_795_301_000_000, Freshness.LIVE, 0)
    found = [
        (message, finding)
        for message in MESSAGES
        if message.kind in {*STORED, Kind.APPLIED, Kind.NODE_REPLY}
        for finding in read(TOPICS, message.topic, message.payload, arrival)
    ]
    assert [finding for _, finding in found if isinstance(finding, Refused)] == []
    assert {message.kind for message, _ in found} == STORED


def test_display_dashboard_alerts_and_console_see_the_cluster_of_1_0() -> None:
    cluster, now = Cluster(), Now(1_795_301_000.0, 1000.0)
    for message in MESSAGES:
        address = TOPICS.parse(message.topic)
        cluster.fold(address, message.payload, replayed=False, now=now)
    nodes = {view.name: view for view in cluster.nodes(now)}
    assert set(nodes) == {"nas-1", "pi-1", "pi-7"}
    assert nodes["nas-1"].state is NodeState.ONLINE
    assert nodes["pi-7"].reason == "lost"
    cpu = nodes["pi-1"].value("cpu.percent", now)
    assert cpu is not None
    assert nodes["pi-1"].info is not None
    assert {"recorder", "alerts"} <= set(cluster.services)
    assert cluster.fleet is not None


def test_agents_and_alerts_follow_a_fleet_document_of_1_0() -> None:
    for message in MESSAGES:
        if message.kind is Kind.FLEET:
            found = fleet.read(messages.FLEET.decode(message.payload).document)
            assert found.groups_of("nas-1", {}) == ("all",)
            assert set(found.rules_for("nas-1", {})) <= {"disk_full", "busy"}


def test_a_backlog_of_1_0_has_reports_and_numbers() -> None:
    (backlog,) = (each for each in MESSAGES if each.kind is Kind.BACKLOG)
    told = messages.BACKLOG.decode(backlog.payload)
    items = [messages.BACKLOG_ITEM.decode_value(item) for item in told.reports]
    assert items
    assert all(item.seq > 0 for item in items)
    assert any(not isinstance(item, BacklogEvent) for item in items)


def assert_holds(read_back: Any, told: Any) -> None:
    """Everything that was told is in what was read; numbers may be written another way."""
    if isinstance(told, dict):
        for key, value in told.items():
            if value is not None:
                assert_holds(read_back[key], value)
    else:
        assert read_back == told
