"""A thousand hostile payloads on every topic there is: nobody stops, nothing good is lost."""

import time
from pathlib import Path

import pytest

from rollcall.broker.client import BrokerClient
from rollcall.broker.codec import MAX_PAYLOAD_BYTES
from rollcall.broker.session import Ready
from rollcall.broker.topics import BRANCHES, Topics, branch_of
from tests.support.cluster import ClusterUnderTest, cluster_under_test
from tests.support.hostile import hostile_messages
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()
NAMES = {
    "<node>": "pi-1",
    "<name>": "recorder",
    "<collector>": "cpu",
    "<rule>": "disk_full",
    "<id>": "x1",
}
SERVICES = ("recorder", "alerts", "lcd", "agent")


def every_topic() -> list[tuple[str, bool]]:
    """Each topic of the tree once, with whether it is retained."""
    found = []
    for branch in BRANCHES:
        names = [NAMES[level] for level in branch.levels if level in NAMES]
        found.append((TOPICS.topic(branch.kind, *names), branch_of(branch.kind).retained))
    return found


def flood(broker: BrokerUnderTest, count: int) -> int:
    """Publish `count` hostile payloads, each on the next topic; give how many went."""
    topics = every_topic()
    payloads = [payload for _, payload in hostile_messages("pi-1", count)]
    with BrokerClient(broker.endpoint, client_id="hostile", subscriptions=[]) as client:
        wait_until(lambda: isinstance(client.receive(0.1), Ready) or None)
        sent = 0
        for number, payload in enumerate(payloads):
            if not payload or len(payload) > MAX_PAYLOAD_BYTES:
                continue
            topic, retained = topics[number % len(topics)]
            wait_until(lambda: client.unacknowledged < 500)
            assert client.publish(topic, payload, retain=retained)
            sent += 1
        wait_until(lambda: client.unacknowledged == 0)
    return sent


@pytest.mark.timeout(180)
def test_a_thousand_hostile_payloads_on_every_topic_stop_nobody(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    with cluster_under_test(tmp_path, broker, {"folder": str(tmp_path / "mail")}) as cluster:
        cluster.start(*SERVICES)
        cluster.wait_for("SELECT 1 FROM nodes WHERE state = 'online'")
        wait_until(lambda: cluster.status("service/lcd/status").get("state") == "online")
        before = {name: cluster.status(f"service/{name}/status")["since"] for name in SERVICES[:3]}

        flooded_ms = round(time.time() * 1000)
        assert flood(broker, 1000) > 900

        good = f"SELECT 1 FROM samples WHERE metric = 'load.load1' AND ts > {flooded_ms + 3000}"
        cluster.wait_for(good, 30)
        for name, since in before.items():
            healed = wait_until(lambda name=name: _online(cluster, name), 30)  # type: ignore[misc]
            assert healed["since"] == since
        own = wait_until(lambda: _online(cluster, None), 30, what="the node's own status")
        assert cluster.ask(f"SELECT * FROM gaps WHERE epoch = '{own['epoch']}'") == []
        reasons = cluster.ask("SELECT reason, count(*) FROM rejected GROUP BY reason")
        assert {"invalid", "not_json", "not_gzip", "too_large"} <= {reason for reason, _ in reasons}
        table = cluster.command("status")
        assert (table.returncode, "pi-1" in table.stdout) == (0, True)


def _online(cluster: ClusterUnderTest, service: str | None) -> dict[str, object] | None:
    topic = f"service/{service}/status" if service else "node/pi-1/status"
    try:
        status = cluster.status(topic)
    except ValueError:
        return None
    return status if status.get("state") == "online" else None
