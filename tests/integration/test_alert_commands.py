"""What people ask of the alert service: the real command line, service, broker and mail server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from rollcall.broker import messages
from rollcall.broker.topics import Kind
from tests.support.alert_service import TOPICS, AlertService, Ear, WatchedNode, retained
from tests.support.mqtt import BrokerUnderTest
from tests.support.smtp import PASSWORD, USER, Certificate, SmtpUnderTest
from tests.support.waiting import wait_until

NODE = "pi-3"
HOT = TOPICS.topic(Kind.ALERT, NODE, "hot")
RULE = {
    "kind": "threshold",
    "metric": "cpu.percent",
    "threshold": 90,
    "group_wait": "1s",
    "group_interval": "0s",
}


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[SmtpUnderTest]:
    certificate = Certificate(tmp_path / "tls")
    with SmtpUnderTest(security="starttls", certificate=certificate, login=True) as running:
        yield running


@pytest.fixture
def service(broker: BrokerUnderTest, smtp: SmtpUnderTest, tmp_path: Path) -> Iterator[AlertService]:
    (tmp_path / "secret").write_text(PASSWORD)
    mail = {
        "host": "'127.0.0.1'",
        "port": smtp.port,
        "username": USER,
        "password_file": tmp_path / "secret",
        "ca_file": tmp_path / "tls" / "mail.crt",
        "from": "rollcall@example.org",
        "to": '["admin@example.org"]',
        "late_after": "1h",
    }
    document = {
        "groups": {"all": ["*"]},
        "templates": {"base": {"groups": ["all"], "rules": ["hot"]}},
        "rules": {"hot": RULE},
    }
    fleet = {"revision": 1, "digest": "sha256:0", "document": document}
    broker.publish(TOPICS.topic(Kind.FLEET), json.dumps(fleet).encode(), retain=True)
    with AlertService(tmp_path, broker, **mail) as running:
        yield running


@pytest.fixture
def node(broker: BrokerUnderTest) -> Iterator[WatchedNode]:
    watched = WatchedNode(broker, NODE)
    watched.start()
    yield watched
    watched.kill()


def rollcall(
    broker: BrokerUnderTest, tmp_path: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollcall.console", "alerts", *words],
        env={
            **os.environ,
            "ROLLCALL_BROKER__PORT": str(broker.port),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def answer(broker: BrokerUnderTest, tmp_path: Path, *words: str) -> dict[str, Any]:
    done = rollcall(broker, tmp_path, *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_alert_is_listed_taken_on_and_silenced_and_its_end_is_told_when_the_silence_ends(
    broker: BrokerUnderTest,
    service: AlertService,
    smtp: SmtpUnderTest,
    node: WatchedNode,
    tmp_path: Path,
) -> None:
    wait_until(node.reporting(95, lambda: smtp.mails), what="the first mail")
    (listed,) = answer(broker, tmp_path, "list")["alerts"]
    assert (listed["rule"], listed["node"], listed["value"]) == ("hot", NODE, 95)
    assert (listed["told"], listed["mails"]) == (["default"], 1)
    table = rollcall(broker, tmp_path, "list")
    assert listed["incident"] in table.stdout

    done = rollcall(broker, tmp_path, "ack", listed["incident"].lower(), "-m", "on it")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: retained(broker, HOT)["flags"] == ["acknowledged"], what="the flag")
    assert rollcall(broker, tmp_path, "ack", "ZZZZZZ").returncode == 1

    made = answer(broker, tmp_path, "silence", "pi-*", "--rule", "hot", "--for", "1h")
    wait_until(lambda: "silenced" in retained(broker, HOT)["flags"], what="the flag")
    assert made["id"] in rollcall(broker, tmp_path, "silence", "--list").stdout
    wait_until(node.reporting(20, lambda: not retained(broker, HOT)), what="the end")
    assert answer(broker, tmp_path, "list")["alerts"] == []
    assert len(smtp.mails) == 1
    assert rollcall(broker, tmp_path, "silence", "--end", made["id"]).returncode == 0
    wait_until(lambda: len(smtp.mails) == 2, what="what the silence held back")
    assert smtp.mails[1]["Subject"].startswith("[RESOLVED] hot on pi-3")


def test_a_test_mail_shows_the_conversation_and_fails_unless_it_is_accepted(
    broker: BrokerUnderTest, service: AlertService, smtp: SmtpUnderTest, tmp_path: Path
) -> None:
    done = rollcall(broker, tmp_path, "test", "--to", "ops@example.org")
    assert done.returncode == 0, done.stderr
    assert "mail to ops@example.org: accepted" in done.stdout
    assert "> STARTTLS" in done.stdout
    assert PASSWORD not in done.stdout
    assert smtp.mails[0]["Subject"].startswith("[TEST] mail from Rollcall - home")
    assert smtp.mails[0]["To"] == "ops@example.org"
    smtp.answers["RCPT"] = "550 no such user"
    refused = rollcall(broker, tmp_path, "test")
    assert refused.returncode == 1
    assert "mail to admin@example.org: NOT accepted" in refused.stdout
    assert "< 550 no such user" in refused.stdout


def test_the_mail_names_the_processes_that_ran_when_it_began(
    broker: BrokerUnderTest,
    service: AlertService,
    smtp: SmtpUnderTest,
    node: WatchedNode,
    tmp_path: Path,
) -> None:
    commands = TOPICS.topic(Kind.COMMAND, NODE)
    with Ear(broker, commands, tmp_path / "commands") as ear:
        wait_until(
            node.reporting(20, lambda: service.health()["rules_from"] != ""), what="a report"
        )
        wait_until(node.reporting(95, ear.heard), what="the question")
    asked = json.loads(ear.heard()[0])
    assert (asked["command"], asked["by"], asked["top"]) == ("processes", "cpu", 5)
    busy: dict[str, JsonValue] = {
        "pid": 4211,
        "name": "stress-ng",
        "user": "root",
        "cpu_percent": 98.2,
    }
    result: JsonValue = {"by": "cpu", "processes": [{**busy, "resident_bytes": 125_829_120}]}
    reply = messages.Reply(id=asked["id"], ok=True, result=result)
    topic = TOPICS.topic(Kind.NODE_REPLY, NODE, asked["id"])
    broker.publish(topic, messages.encode(reply))
    wait_until(lambda: smtp.mails, what="the mail")
    body = smtp.mails[0].get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Top processes of pi-3 by cpu" in text
    assert "stress-ng  4211  root  98.2 %  120 MiB" in text


def test_nobody_there_is_an_error_with_something_to_try(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    done = rollcall(broker, tmp_path, "silence")
    assert done.returncode == 2
    assert "name a NODE" in done.stderr
