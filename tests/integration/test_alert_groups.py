"""Nodes that go together are one mail; what an outage holds back; real broker, real process."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.topics import Kind
from tests.support.alert_service import EPOCH, TOPICS, AlertService, retained
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

RACK_A = [f"a-{number:02}" for number in range(12)]
RACK_B = ["b-00", "b-01"]
UP = ["a-03", "a-07"]
QUICK = {"group_wait": "1s", "group_wait_max": "3s", "group_interval": "1s"}
DOCUMENT: dict[str, Any] = {
    "groups": {"all": ["*"]},
    "templates": {"base": {"groups": ["all"], "rules": ["node_offline", "cpu_high"]}},
    "rules": {
        "node_offline": {"for": "1s", "keep_firing_for": "0s", **QUICK},
        # Its first mail would come long after the node's own.
        "cpu_high": {"for": "0s", "group_wait": "5s", "group_wait_max": "5s"},
    },
}


class Cluster:
    """Many nodes that one client speaks for."""

    def __init__(self, client: BrokerClient) -> None:
        self._client = client
        self._seq = 0

    def online(self, node: str, session: int = 1) -> None:
        birth = messages.Online(
            since=time.time(), session=session, epoch=EPOCH, interval=10, seq=self._seq
        )
        self._say(Kind.STATUS, node, birth)

    def lost(self, node: str) -> None:
        self._say(Kind.STATUS, node, messages.Offline(reason="lost", session=1, epoch=EPOCH))

    def announce(self, node: str, **labels: str) -> None:
        info = messages.Info(hostname=node, agent="1.0.0", interval=10, labels=labels)
        self._say(Kind.INFO, node, info)

    def report(self, node: str, percent: float) -> None:
        self._seq += 1
        report = messages.Report(
            time=time.time(), interval=10, fields={"percent": percent}, epoch=EPOCH, seq=self._seq
        )
        topic = TOPICS.topic(Kind.METRICS, node, "cpu")
        assert self._client.publish(topic, messages.encode(report), retain=True)

    def _say(self, kind: Kind, node: str, message: messages.Message) -> None:
        topic = TOPICS.topic(kind, node)
        assert self._client.publish(topic, messages.encode(message), retain=True)


@pytest.fixture
def service(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[AlertService]:
    with AlertService(tmp_path, broker) as running:
        said = {"revision": 3, "digest": "sha256:0", "document": DOCUMENT}
        said |= {"file": "fleet.toml", "lines": {"node_offline": 12}}
        broker.publish(TOPICS.topic(Kind.FLEET), json.dumps(said).encode(), retain=True)
        wait_until(
            lambda: running.health().get("rules_from") == "fleet revision 3",
            what="the document in force",
        )
        yield running


@pytest.fixture
def cluster(broker: BrokerUnderTest, service: AlertService) -> Iterator[Cluster]:
    with BrokerClient(broker.endpoint, client_id="many", subscriptions=[]) as client:
        wait_until(lambda: client.receive(0.1) or client.ready, what="the connection")
        many = Cluster(client)
        for node in RACK_A + RACK_B:
            many.announce(node, rack=node[0], site="home")
            many.online(node)
        yield many


def test_ten_nodes_of_a_rack_are_one_mail_that_names_the_rack_and_who_is_up(
    service: AlertService, cluster: Cluster
) -> None:
    gone = [node for node in RACK_A if node not in UP]
    for node in gone:
        cluster.lost(node)
    wait_until(service.mails, timeout_s=20, what="the mail")
    (mail,) = service.mails()
    text = mail.get_body(("plain",))
    assert text is not None
    told = text.get_content()
    assert "[FIRING 10]" in mail["Subject"]
    assert "rack=a" in mail["Subject"]
    assert all(node in told for node in UP + gone)
    assert "b-00" not in told
    for node in gone:
        cluster.online(node, session=2)
    wait_until(lambda: len(service.mails()) >= 2, timeout_s=20, what="the mail that all are back")
    assert "[RESOLVED]" in service.mails()[-1]["Subject"]


def test_what_a_node_says_of_itself_is_held_back_while_it_is_offline(
    broker: BrokerUnderTest, service: AlertService, cluster: Cluster
) -> None:
    topic = TOPICS.topic(Kind.ALERT, "b-00", "cpu_high")

    def fires() -> bool:
        # A broker with much to hand out may let a report overtake the birth: then it is no sample.
        cluster.report("b-00", 99)
        return bool(retained(broker, topic).get("state") == "firing")

    wait_until(fires, what="the alert")
    cluster.lost("b-00")
    wait_until(
        lambda: "inhibited" in retained(broker, topic).get("flags", []),
        what="that it is held back",
    )
    wait_until(service.mails, timeout_s=20, what="the mail")
    wait_until(lambda: service.health().get("firing") == 2, what="both alerts in the account")
    assert [mail["Subject"].split()[1] for mail in service.mails()] == ["node_offline"]
