"""The alert service as a process: real Mosquitto, real database, real mail server."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rollcall.broker.topics import Kind
from tests.support.alert_service import TOPICS, AlertService, Ear, WatchedNode, retained
from tests.support.mqtt import BrokerUnderTest
from tests.support.smtp import PASSWORD, USER, Certificate, SmtpUnderTest
from tests.support.waiting import wait_until

NODE = "pi-3"
OFFLINE = TOPICS.topic(Kind.ALERT, NODE, "node_offline")
HOT = TOPICS.topic(Kind.ALERT, NODE, "hot")
AT_ONCE = {"group_wait": "0s", "group_interval": "0s"}


def put_in_force(broker: BrokerUnderTest, rules: dict[str, Any], *, revision: int = 1) -> None:
    document = {
        "groups": {"all": ["*"]},
        "templates": {"base": {"groups": ["all"], "rules": list(rules)}},
        "rules": rules,
    }
    message = {"revision": revision, "digest": "sha256:0", "document": document}
    broker.publish(TOPICS.topic(Kind.FLEET), json.dumps(message).encode(), retain=True)


def is_in_force(service: AlertService, revision: int = 1) -> bool:
    return bool(service.health().get("rules_from") == f"fleet revision {revision}")


def hot(**keys: object) -> dict[str, Any]:
    rule = {"kind": "threshold", "metric": "cpu.percent", "threshold": 90, "for": "0s"}
    return {"hot": {**rule, **AT_ONCE, **keys}}


@pytest.fixture
def service(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[AlertService]:
    with AlertService(tmp_path, broker) as running:
        yield running


@pytest.fixture
def node(broker: BrokerUnderTest) -> Iterator[WatchedNode]:
    watched = WatchedNode(broker, NODE)
    yield watched
    watched.kill()


def test_a_killed_node_is_one_mail_and_its_return_one_more_in_the_same_thread(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode, tmp_path: Path
) -> None:
    rule = {"for": "1s", "keep_firing_for": "1s", **AT_ONCE}
    put_in_force(broker, {"node_offline": rule})
    wait_until(lambda: is_in_force(service), what="the document in force")
    with Ear(broker, OFFLINE, tmp_path / "ear") as ear:
        node.start()
        node.kill()
        wait_until(service.mails, what="the mail")
        alert = retained(broker, OFFLINE)
        assert (alert["state"], alert["severity"]) == ("firing", "critical")
        assert alert["incident"] in service.mails()[0]["Subject"]
        node.start()
        wait_until(lambda: len(service.mails()) == 2, what="the resolve mail")
        wait_until(lambda: ear.heard()[-1:] == [""], what="the emptied topic")
    states = [json.loads(payload)["state"] for payload in ear.heard() if payload]
    assert list(dict.fromkeys(states)) == ["pending", "firing", "ended"]
    assert retained(broker, OFFLINE) == {}
    fire, resolve = service.mails()
    assert fire["Subject"].startswith("[FIRING] node_offline on pi-3 - home ")
    assert resolve["Subject"].startswith("[RESOLVED] node_offline on pi-3 - home ")
    assert resolve["In-Reply-To"] == fire["Message-ID"]
    assert service.stop() == 0
    assert len(service.mails()) == 2


def test_a_node_that_stops_on_purpose_is_no_mail(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, {"node_offline": {"for": "0s", **AT_ONCE}, **hot()})
    other = WatchedNode(broker, "pi-4")
    other.start()
    node.start()
    goodbye = {"state": "offline", "reason": "stopped", "session": 1, "epoch": "9f3c21d07a5be4c8"}
    topic = TOPICS.topic(Kind.STATUS, NODE)
    broker.publish(topic, json.dumps(goodbye).encode(), retain=True)
    other.kill()
    wait_until(service.mails, what="the mail about the other")
    assert [mail["Subject"].split()[3] for mail in service.mails()] == ["pi-4"]


def test_killed_while_pending_it_forgets_nothing_and_mails_once(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot(**{"for": "2s"}))
    wait_until(lambda: is_in_force(service), what="the document in force")
    node.start()
    pending = wait_until(node.reporting(95, lambda: retained(broker, HOT)), what="pending")
    assert isinstance(pending, dict)
    service.kill()
    with closing(sqlite3.connect(service.state_dir / "alerts.db")) as file:
        assert file.execute("SELECT state, since FROM alert").fetchone()[0] == "pending"
    service.start()
    wait_until(node.reporting(95, service.mails), what="the mail")
    assert retained(broker, HOT)["since"] == pytest.approx(pending["since"], abs=0.01)
    node.report(95)
    assert service.stop() == 0
    assert len(service.mails()) == 1


def test_killed_before_the_mail_it_mails_once_and_resolves_once(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot(group_wait="2s"))
    wait_until(lambda: is_in_force(service), what="the document in force")
    node.start()
    wait_until(
        node.reporting(95, lambda: retained(broker, HOT).get("state") == "firing"), what="firing"
    )
    service.kill()
    assert service.mails() == []
    service.start()
    # After a start nothing is told for 15 s.
    wait_until(node.reporting(95, service.mails), 30, what="the mail")
    node.report(20)
    wait_until(lambda: len(service.mails()) == 2, what="the resolve mail")
    assert service.stop() == 0
    fire, resolve = service.mails()
    assert fire["Subject"].startswith("[FIRING] hot on pi-3")
    assert resolve["Subject"].startswith("[RESOLVED] hot on pi-3")
    assert resolve["In-Reply-To"] == fire["Message-ID"]


def test_a_wrong_password_keeps_the_mail_pauses_and_says_so_without_the_password(
    broker: BrokerUnderTest, node: WatchedNode, tmp_path: Path
) -> None:
    certificate = Certificate(tmp_path / "tls")
    wrong = "not the password 5481"
    (tmp_path / "secret").write_text(wrong)
    with SmtpUnderTest(security="starttls", certificate=certificate, login=True) as smtp:
        mail = {
            "host": "'127.0.0.1'",
            "port": smtp.port,
            "username": USER,
            "password_file": tmp_path / "secret",
            "ca_file": certificate.path,
            "to": '["admin@example.org", "ops@example.org"]',
        }
        put_in_force(broker, hot())
        with AlertService(tmp_path, broker, **mail) as service:
            node.start()
            node.report(95)
            wait_until(lambda: service.health().get("mail") == "paused", what="the pause")
            health = service.health()
            assert (health["queued"], health["dead"]) == (2, 0)
            assert "535" in health["problems"][0]
            # One connection: smtplib offers the password by PLAIN, then by LOGIN.
            assert (len(smtp.received), smtp.attempts) == (0, 2)
            assert service.stop() == 0
            (tmp_path / "secret").write_text(PASSWORD)
            service.start()
            wait_until(lambda: len(smtp.received) == 2, what="the mail to both")
            wait_until(lambda: service.health().get("mail") == "ok", what="the channel mended")
            assert service.stop() == 0
            log = service.log.read_text()
    assert {recipient for recipient, _ in smtp.received} == {"admin@example.org", "ops@example.org"}
    assert "535" in log
    assert wrong not in log
    assert PASSWORD not in log


def test_a_bad_document_changes_nothing_and_shows_as_a_problem(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot())
    put_in_force(broker, hot(treshold=5), revision=2)
    wait_until(lambda: service.health().get("problems"), what="the problem")
    assert 'did you mean "threshold"?' in service.health()["problems"][0]
    node.start()
    node.report(95)
    wait_until(service.mails, what="the mail by the old rule")
    broker.publish(TOPICS.topic(Kind.FLEET), b"not json", retain=True)
    wait_until(lambda: "JSON" in str(service.health()["problems"]), what="the other problem")
    put_in_force(broker, hot(), revision=3)
    wait_until(lambda: not service.health()["problems"], what="the problem gone")


def test_an_alert_on_the_broker_that_nobody_holds_is_emptied(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    orphan = {"state": "firing", "severity": "info", "since": 1, "evaluated": 1, "summary": "old"}
    broker.publish(OFFLINE, json.dumps(orphan).encode(), retain=True)
    assert retained(broker, OFFLINE)
    with AlertService(tmp_path, broker):
        wait_until(lambda: not retained(broker, OFFLINE), what="the topic emptied")


def test_hostile_messages_stop_nothing_and_are_counted(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot())
    hostile = [b"{", b"[]", b'{"state":"online"}', b"\xff\xfe", b'{"time":NaN}', b"[" * 5000]
    topics = [
        TOPICS.topic(Kind.STATUS, NODE),
        TOPICS.topic(Kind.INFO, NODE),
        TOPICS.topic(Kind.METRICS, NODE, "cpu"),
        TOPICS.topic(Kind.SERVICE_STATUS, "lcd"),
    ]
    for topic in topics:
        for payload in hostile:
            broker.publish(topic, payload)
    broker.publish(TOPICS.topic(Kind.METRICS, NODE, "cpu"), b"")
    node.start()
    node.report(95)
    wait_until(service.mails, what="the mail among them")
    expected = len(topics) * len(hostile)
    wait_until(lambda: service.health().get("refused") == expected, what="the count")
    assert service.stop() == 0
    assert service.status() == {"state": "offline", "reason": "stopped"}


def test_a_broker_that_comes_back_empty_hears_the_alert_again_and_no_mail_repeats(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot())
    node.start()
    node.report(95)
    wait_until(service.mails, what="the mail")
    broker.kill()
    broker.start()
    wait_until(lambda: retained(broker, HOT).get("state") == "firing", 20, what="the alert again")
    assert len(service.mails()) == 1


def test_a_removed_node_is_a_closed_incident(
    broker: BrokerUnderTest, service: AlertService, node: WatchedNode
) -> None:
    put_in_force(broker, hot())
    node.start()
    node.report(95)
    wait_until(service.mails, what="the mail")
    broker.publish(TOPICS.topic(Kind.STATUS, NODE), b"", retain=True)
    wait_until(lambda: len(service.mails()) == 2, what="the closing mail")
    assert service.mails()[1]["Subject"].startswith("[CLOSED] hot on pi-3")
    assert retained(broker, HOT) == {}


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        pytest.param(
            {"host": "mail.example.org", "security": "none", "username": "u"},
            "clear text",
            id="a password in clear text",
        ),
        pytest.param({"to": '["nobody"]'}, "no mail address", id="no address"),
    ],
)
def test_a_configuration_that_cannot_work_ends_with_78(
    broker: BrokerUnderTest, tmp_path: Path, mail: dict[str, str], words: str
) -> None:
    refused = AlertService(tmp_path, broker, **mail)
    refused.launch()
    assert refused.ended() == 78
    assert words in refused.log.read_text()


def test_a_newer_database_ends_with_78(broker: BrokerUnderTest, tmp_path: Path) -> None:
    refused = AlertService(tmp_path, broker)
    refused.state_dir.mkdir()
    with closing(sqlite3.connect(refused.state_dir / "alerts.db")) as file:
        file.execute("PRAGMA user_version = 99")
    refused.launch()
    assert refused.ended() == 78
    assert "install the newer Rollcall again" in refused.log.read_text()


def test_a_second_one_refuses_to_start(
    broker: BrokerUnderTest, service: AlertService, tmp_path: Path
) -> None:
    second = AlertService(tmp_path, broker)
    second.launch()
    assert second.ended() == 1
    assert "already running" in service.log.read_text()
