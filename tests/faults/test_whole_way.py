"""The whole way: from a real host to the database, the display, the mail and the terminal."""

import json
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, Final

import pytest

from rollcall.broker.topics import Kind, Topics
from tests.support.cluster import ClusterUnderTest, cluster_under_test
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS: Final = Topics()
WITHIN_S: Final = 4.0
LOOK_S: Final = 1.2  # what one look with mosquitto_sub takes by itself
FLEET: Final = {
    "revision": 1,
    "digest": "sha256:test",
    "document": {
        "groups": {"all": ["*"]},
        "templates": {"base": {"groups": ["all"], "rules": ["node_offline"]}},
        "rules": {
            "node_offline": {
                "kind": "presence",
                "for": "2s",
                "keep_firing_for": "0s",
                "group_wait": "0s",
                "severity": "critical",
            }
        },
    },
}


@pytest.fixture
def cluster(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    mail = {"folder": str(tmp_path / "mail"), "from": "rollcall@example.org", "to": ["a@b.example"]}
    with cluster_under_test(tmp_path, broker, mail) as running:
        fleet = json.dumps(FLEET).encode()
        broker.publish(TOPICS.topic(Kind.FLEET), fleet, retain=True)
        yield running


def mails(cluster: ClusterUnderTest) -> list[Message]:
    files = sorted((cluster.folder / "mail" / "new").glob("*.eml"))
    return [message_from_bytes(file.read_bytes()) for file in files]


def state_in_database(cluster: ClusterUnderTest) -> tuple[Any, ...]:
    return next(iter(cluster.ask("SELECT state, reason FROM nodes WHERE node = 'pi-1'")), ())


def first_row(cluster: ClusterUnderTest) -> str:
    return next(iter(cluster.glass()), "")


def test_a_report_of_this_host_arrives_as_rows_and_for_a_late_subscriber(
    cluster: ClusterUnderTest,
) -> None:
    cluster.start("recorder", "agent")
    cluster.wait_for("SELECT 1 FROM samples WHERE node = 'pi-1' AND metric = 'load.load1'")
    cluster.wait_for("SELECT 1 FROM latest WHERE node = 'pi-1' AND metric = 'cpu.percent'")
    report = cluster.status("node/pi-1/metrics/load")
    stored = cluster.wait_for(
        "SELECT value FROM samples WHERE metric = 'load.load1' AND ts = "
        f"{round(report['time'] * 1000)}"
    )
    assert stored == [(report["fields"]["load1"],)]


def test_a_killed_agent_is_offline_everywhere_and_comes_back_everywhere(
    cluster: ClusterUnderTest,
) -> None:
    cluster.start("recorder", "alerts", "lcd", "agent")
    cluster.wait_for("SELECT 1 FROM nodes WHERE state = 'online' AND node = 'pi-1'")
    wait_until(lambda: "^" in first_row(cluster), what="the node on the glass")
    wait_until(lambda: cluster.status("service/alerts/status").get("state") == "online")

    cluster.kill("agent")
    killed_s = time.monotonic()
    wait_until(lambda: state_in_database(cluster) == ("offline", "lost"), 10)
    wait_until(lambda: "^" not in first_row(cluster), 10, what="the loss on the glass")
    assert time.monotonic() - killed_s < WITHIN_S
    assert cluster.status()["reason"] == "lost"
    table = cluster.command("status")
    assert (table.returncode, "lost" in table.stdout) == (4, True)
    document = json.loads(cluster.command("status", "--json").stdout)
    assert document["nodes"][0]["state"] == "offline"

    fired = wait_until(lambda: mails(cluster), what="the mail")
    assert fired[0]["Subject"].startswith("[FIRING] node_offline on pi-1")

    cluster.start("agent")
    wait_until(lambda: state_in_database(cluster) == ("online", None), 10)
    wait_until(lambda: "^" in first_row(cluster), what="the return on the glass")
    resolved = wait_until(lambda: mails(cluster)[1:], what="the second mail")
    assert resolved[0]["Subject"].startswith("[RESOLVED] node_offline on pi-1")
    assert resolved[0]["In-Reply-To"] == fired[0]["Message-ID"]
    assert cluster.command("status").returncode == 0
    assert len(mails(cluster)) == 2


def test_a_stopped_agent_says_goodbye_and_nobody_gets_mail(cluster: ClusterUnderTest) -> None:
    cluster.start("recorder", "alerts", "lcd", "agent")
    cluster.wait_for("SELECT 1 FROM nodes WHERE state = 'online' AND node = 'pi-1'")
    assert cluster.stop("agent") == 0
    wait_until(lambda: state_in_database(cluster) == ("offline", "stopped"))
    assert cluster.status()["reason"] == "stopped"
    stopped_s = time.monotonic()
    wait_until(lambda: time.monotonic() - stopped_s > 2 + 2, what="the rule's for, twice")
    assert mails(cluster) == []


def issued(cluster: ClusterUnderTest) -> int:
    """The newest number that the agent took, as it said with its birth."""
    return int(cluster.status().get("seq", 0))


def ledger(cluster: ClusterUnderTest) -> list[tuple[Any, ...]]:
    return cluster.ask("SELECT first_seq, last_seq, reason FROM ledger ORDER BY first_seq")


@pytest.mark.timeout(240)
def test_no_report_is_lost_or_doubled_when_recorder_and_broker_are_killed(
    cluster: ClusterUnderTest, broker: BrokerUnderTest
) -> None:
    cluster.start("recorder", "agent")
    count = "SELECT count(*) FROM samples HAVING count(*) > {}"
    for wanted in (20, 200, 400):
        cluster.wait_for(count.format(wanted), 30)
        cluster.kill("recorder")
        cluster.start("recorder")
        cluster.wait_for(count.format(wanted + 50), 60)
        broker.kill()
        broker.start()
    cluster.wait_for(count.format(600), 60)
    newest = wait_until(lambda: issued(cluster), what="the birth")
    assert newest > 20
    # What was under way when the broker died is sent again after it was unreceipted for 30 s.
    wait_until(lambda: [row for row in ledger(cluster) if row[1] >= newest], 60)
    wait_until(lambda: len(ledger(cluster)) == 1, 60, what="one interval without a hole")
    assert cluster.stop("agent") == 0
    assert cluster.ask("SELECT * FROM gaps") == []
    ((first, _, reason),) = ledger(cluster)
    assert (first, reason) == (1, None)
    doubled = (
        "SELECT node, metric, instance, ts FROM samples GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
    )
    assert cluster.ask(doubled) == []
