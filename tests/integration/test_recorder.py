"""The recorder as a process, on a real Mosquitto and a real database."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rollcall.broker.client import BrokerClient
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.store import Store
from tests.support.database import birth, end, report, url_of
from tests.support.hostile import hostile_messages
from tests.support.mqtt import BrokerUnderTest
from tests.support.publisher import EPOCH, Publisher
from tests.support.recorder import RecorderProcess, check_that_each_number_is_there_once
from tests.support.waiting import wait_until

TOPICS = Topics()
NODE = "pi-3"


@pytest.fixture
def recorder(
    broker: BrokerUnderTest, tmp_path: Path, database_url: str
) -> Iterator[RecorderProcess]:
    with ExitStack() as opened:
        yield opened.push(RecorderProcess(tmp_path, broker, database_url))


@pytest.fixture
def on_sqlite(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[RecorderProcess]:
    """For what does not depend on the engine."""
    with ExitStack() as opened:
        yield opened.push(RecorderProcess(tmp_path, broker, url_of(tmp_path / "rollcall.db")))


def publish(broker: BrokerUnderTest, leaf: str, payload: object, *, retain: bool = False) -> None:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    broker.publish(f"{TOPICS.root}/{leaf}", raw, retain=retain)


def wait_until_recording(recorder: RecorderProcess) -> None:
    recorder.launch()
    wait_until(lambda: recorder.health().get("leads"), what="the recorder's birth")


def test_a_report_arrives_as_rows_and_its_number_is_receipted(
    recorder: RecorderProcess, broker: BrokerUnderTest
) -> None:
    wait_until_recording(recorder)
    now_ms = time.time_ns() // 1_000_000
    publish(broker, "node/pi-3/metrics/cpu", report(1, now_ms, {"percent": 12.5}), retain=True)
    query = "SELECT value, ts FROM {} WHERE node = 'pi-3' AND metric = 'cpu.percent'"
    for view in ("samples", "latest"):
        found = wait_until(lambda view=view: recorder.ask(query.format(view)))  # type: ignore[misc]
        assert found == [(12.5, now_ms)]
    ((_, text),) = broker.subscribe_for(TOPICS.topic(Kind.RECEIPT, NODE))
    receipt = json.loads(text)
    ((uuid,),) = recorder.ask("SELECT uuid FROM about")
    assert receipt == {"database": uuid, "epoch": EPOCH, "through": 1, "missing": []}
    assert recorder.health()["database"] == "ok"


def test_what_was_published_before_the_recorder_came_is_recorded(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    then_ms = time.time_ns() // 1_000_000 - 30_000
    publish(broker, "node/pi-3/status", birth(then_ms, seq=1), retain=True)
    publish(broker, "node/pi-3/metrics/cpu", report(1, then_ms, {"percent": 5}), retain=True)
    on_sqlite.launch()
    wait_until(lambda: on_sqlite.ask("SELECT 1 FROM samples"))
    ((state, silent),) = on_sqlite.ask("SELECT state, silent_seconds FROM nodes")
    assert state == "online"
    assert 30 <= silent < 45


def test_a_lost_node_is_offline_in_the_database_within_about_a_second(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    wait_until_recording(on_sqlite)
    publish(broker, "node/pi-3/status", birth(time.time_ns() // 1_000_000), retain=True)
    wait_until(lambda: on_sqlite.ask("SELECT state FROM nodes") == [("online",)])
    publish(broker, "node/pi-3/status", end("lost"), retain=True)
    told_s = time.monotonic()
    lost = [("offline", "lost")]
    wait_until(lambda: on_sqlite.ask("SELECT state, reason FROM nodes") == lost, 3)
    assert time.monotonic() - told_s < 2


def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed_in_mid_stream(
    recorder: RecorderProcess, broker: BrokerUnderTest
) -> None:
    recorder.launch()
    with Publisher(broker.endpoint, NODE, per_s=200) as publisher:
        for round_number in range(1, 4):
            stored = f"SELECT 1 FROM ledger WHERE last_seq > {publisher.issued + 100}"
            wait_until(lambda query=stored: recorder.ask(query), 20, what=f"round {round_number}")  # type: ignore[misc]
            recorder.kill()
            recorder.launch()
        publisher.pause()
        wait_until(lambda: publisher.unreceipted == 0, 30, what="every receipt")
        issued = publisher.issued
    assert issued > 300
    wait_until(lambda: recorder.ask("SELECT state FROM nodes") == [("offline",)])
    assert recorder.stop() == 0
    check_that_each_number_is_there_once(recorder.url, issued)


def test_nothing_is_lost_or_doubled_when_the_broker_is_killed_and_comes_back_empty(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    on_sqlite.launch()
    with Publisher(broker.endpoint, NODE, per_s=200) as publisher:
        for _ in range(2):
            stored = f"SELECT 1 FROM ledger WHERE last_seq > {publisher.issued + 100}"
            wait_until(lambda query=stored: on_sqlite.ask(query), 30, what="more reports")  # type: ignore[misc]
            broker.kill()
            broker.start()
        publisher.pause()
        wait_until(lambda: publisher.unreceipted == 0, 30, what="every receipt")
        issued = publisher.issued
    assert on_sqlite.stop() == 0
    check_that_each_number_is_there_once(on_sqlite.url, issued)


def test_a_locked_database_is_waited_for_and_nothing_is_lost(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    on_sqlite.launch()
    with Publisher(broker.endpoint, NODE, per_s=50) as publisher:
        wait_until(lambda: on_sqlite.ask("SELECT 1 FROM ledger"))
        with closing(
            sqlite3.connect(on_sqlite.url.removeprefix("sqlite:///"), isolation_level=None)
        ) as other:
            wait_until(lambda: other.execute("BEGIN IMMEDIATE"))
            before = on_sqlite.ask("SELECT last_seq FROM ledger")
            wait_until(lambda: on_sqlite.health()["database"] == "locked", what="the word")
            assert on_sqlite.ask("SELECT last_seq FROM ledger") == before
            assert publisher.unreceipted > 0
        publisher.pause()
        wait_until(lambda: publisher.unreceipted == 0, 30, what="every receipt")
        wait_until(lambda: on_sqlite.health()["database"] == "ok")
        issued = publisher.issued
    assert on_sqlite.stop() == 0
    check_that_each_number_is_there_once(on_sqlite.url, issued)


def test_a_thousand_hostile_payloads_stop_nothing_and_each_is_rejected(
    recorder: RecorderProcess, broker: BrokerUnderTest
) -> None:
    wait_until_recording(recorder)
    hostile = [(leaf, raw) for leaf, raw in hostile_messages(NODE, 1050) if len(raw) <= 262_144]
    assert len(hostile) >= 1000
    with BrokerClient(broker.endpoint, client_id="mallory", subscriptions=[]) as mallory:
        wait_until(lambda: mallory.receive(0.1) is not None, what="the connection")
        with Publisher(broker.endpoint, "good", per_s=100) as publisher:
            for leaf, payload in hostile:
                topic = f"{TOPICS.root}/{leaf}"
                wait_until(lambda t=topic, p=payload: mallory.publish(t, p))  # type: ignore[misc]
            total = "SELECT sum(times) FROM rejected WHERE topic NOT LIKE '%/good/%'"
            wait_until(
                lambda: (recorder.ask(total)[0][0] or 0) >= len(hostile), 15, what="all rejections"
            )
            publisher.pause()
            wait_until(lambda: publisher.unreceipted == 0, 20, what="every receipt")
            issued = publisher.issued
    assert recorder.is_running()
    stored = recorder.ask("SELECT count(*) FROM samples WHERE node = 'good'")
    assert stored == [(issued,)]
    assert recorder.ask("SELECT sum(times) FROM rejected") == [(len(hostile),)]
    assert recorder.ask("SELECT count(*) FROM rejected WHERE reason = '' OR error = ''") == [(0,)]
    assert recorder.ask("SELECT count(*) FROM rejected WHERE reason = 'fault'") == [(0,)]
    assert recorder.stop() == 0


def test_receipts_of_another_database_end_the_recorder(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    foreign = {"database": "somebody-else", "epoch": EPOCH, "through": 5, "missing": []}
    publish(broker, "receipt/pi-9", foreign, retain=True)
    on_sqlite.launch()
    assert on_sqlite.ended() == 1
    assert "one prefix has one database" in on_sqlite.log.read_text("utf-8")
    ((_, text),) = broker.subscribe_for(TOPICS.topic(Kind.RECEIPT, "pi-9"))
    assert json.loads(text) == foreign


def test_receipts_of_the_database_before_a_restore_are_its_own(
    on_sqlite: RecorderProcess, broker: BrokerUnderTest
) -> None:
    with Store(on_sqlite.url) as store:
        store.apply(
            lambda connection: connection.exec_driver_sql(
                "INSERT INTO about (uuid, made_ts) VALUES ('the-one-before', 1)"
            )
        )
        ours = store.uuid
    before = {"database": "the-one-before", "epoch": EPOCH, "through": 5, "missing": []}
    publish(broker, "receipt/pi-3", before, retain=True)
    wait_until_recording(on_sqlite)
    now_ms = time.time_ns() // 1_000_000
    publish(broker, "node/pi-3/metrics/cpu", report(1, now_ms, {"percent": 12.5}), retain=True)
    topic = TOPICS.topic(Kind.RECEIPT, NODE)
    wait_until(lambda: ours in broker.subscribe_for(topic)[0][1], what="a receipt of its own")


def test_a_database_that_we_do_not_have_ends_with_78(on_sqlite: RecorderProcess) -> None:
    on_sqlite._environment["ROLLCALL_RECORDER__DATABASE"] = "mysql://host/db"
    on_sqlite.launch()
    assert on_sqlite.ended() == 78
    assert "'mysql' is not supported" in on_sqlite.log.read_text("utf-8")
