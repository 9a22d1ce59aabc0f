"""What runs on a node: as it was recorded, and as it answers when it may be asked."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pydantic import JsonValue

from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import COMMAND, Online, Reply, encode
from rollcall.broker.session import Arrived, Ready
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.store import Store
from rollcall.service.settings import Broker
from tests.support.browser import DashboardUnderTest, Visitor, violations, visiting
from tests.support.database import EPOCH, message
from tests.support.mqtt import BrokerUnderTest

TOPICS = Topics()
HOSTILE = '<img src=x onerror="document.title=1">'
ANSWERS: dict[str, JsonValue] = {
    "cpu": {
        "by": "cpu",
        "processes": [
            {"pid": 4711, "name": HOSTILE, "user": HOSTILE, "cpu_percent": 61.2,
             "memory_percent": 3.5, "resident_bytes": 52_428_800},
            {"pid": 1, "name": "init", "user": None, "cpu_percent": 0.1},
        ],
    },
    "memory": {"by": "memory", "processes": [{"pid": "many", "name": "x"}]},
}  # fmt: skip


class AnsweringNode:
    """Answers the command `processes` as `ANSWERS` says, on a thread, until the context ends."""

    def __init__(self, port: int, node: str) -> None:
        self._node = node
        listened = [(TOPICS.topic(Kind.COMMAND, node), 1)]
        self._client = BrokerClient(Broker(port=port), client_id=node, subscriptions=listened)
        self._stop = threading.Event()
        self._hears = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._hears.wait(20)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._client:
            while not self._stop.is_set():
                item = self._client.receive(0.2)
                if isinstance(item, Ready):
                    self._hears.set()
                elif isinstance(item, Arrived):
                    asked = COMMAND.decode(item.payload)
                    answer = ANSWERS[str((asked.model_extra or {})["by"])]
                    topic = TOPICS.topic(Kind.NODE_REPLY, self._node, asked.id)
                    self._client.publish(topic, encode(Reply(id=asked.id, ok=True, result=answer)))


@pytest.fixture
def pi_3(broker: BrokerUnderTest, now_s: float) -> None:
    online = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(online), retain=True)


@pytest.fixture
def acting(
    tmp_path: Path, broker: BrokerUnderTest, browser: Browser, pi_3: None
) -> Iterator[Visitor]:
    """A visitor of a dashboard that may act, and whose database is empty."""
    with (
        DashboardUnderTest(tmp_path, broker, ROLLCALL_DASHBOARD__ACTIONS="true") as dashboard,
        Store(dashboard.database_url),
        visiting(browser, dashboard) as visitor,
    ):
        yield visitor


def test_a_node_is_asked_with_the_keyboard_and_its_words_are_words(
    acting: Visitor, broker: BrokerUnderTest
) -> None:
    acting.page.goto(f"{acting.url}/node/pi-3")
    acting.page.get_by_text("No list of processes was recorded yet").wait_for()
    with AnsweringNode(broker.port, "pi-3"):
        acting.page.get_by_role("button", name="Ask for the largest by CPU").focus()
        acting.page.keyboard.press("Enter")
        rows = acting.page.get_by_role("region", name="Largest processes").locator("tbody tr")
        expect(rows).to_have_count(2, timeout=15_000)
        told = " ".join(rows.first.inner_text().split())
        assert told == f"{HOSTILE} 61 % 3.5 % 50.0 MiB {HOSTILE} 4711"
        acting.page.get_by_text("The node answered at").wait_for()
        assert acting.page.locator("main img").count() == 0
        assert violations(acting.page) == []
        acting.page.get_by_role("button", name="by memory").click()
        acting.page.get_by_text("the node's answer is no list of processes").wait_for()
        expect(rows).to_have_count(2)
    assert all("409" in fault for fault in acting.faults)
    acting.faults.clear()


def test_who_only_looks_sees_what_was_recorded_and_how_to_ask(
    visitor: Visitor, dashboard: DashboardUnderTest, pi_3: None, now_s: float
) -> None:
    event = {"epoch": EPOCH, "seq": 1, "time": now_s - 120, "kind": "processes"}
    recorded = {**event, "detail": ANSWERS["cpu"]}
    with Store(dashboard.database_url) as store:
        store.commit([message("node/pi-3/event", recorded, round(now_s * 1000))])
    visitor.page.goto(f"{visitor.url}/node/pi-3")
    visitor.page.get_by_role("region", name="Largest processes").wait_for()
    section = visitor.page.get_by_role("region", name="Processes", exact=True)
    told = " ".join(section.inner_text().split())
    assert "2 m ago; the largest by CPU" in told
    assert f"{HOSTILE} 61 %" in told
    assert "rollcall command pi-3 processes" in told
    assert section.get_by_role("button").count() == 0
    answer = visitor.page.request.post(
        f"{visitor.url}/api/actions",
        data=json.dumps({"action": "processes", "node": "pi-3"}),
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status == 403


def test_nobody_is_asked_by_a_name_that_is_none(acting: Visitor) -> None:
    answer = acting.page.request.post(
        f"{acting.url}/api/actions",
        data=json.dumps({"action": "processes", "node": "pi-3/#"}),
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status == 400
