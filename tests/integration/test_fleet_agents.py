"""Agents follow the fleet document while they run, and carry out commands: on a real broker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from rollcall.broker.topics import Kind
from tests.support.mqtt import BrokerUnderTest
from tests.support.steered import TOPICS, SteeredAgents, steered_agents
from tests.support.waiting import wait_until

FIVE: Final = ("web-1", "web-2", "db-1", "db-2", "pi-1")
FLEET: Final = TOPICS.topic(Kind.FLEET)


@pytest.fixture
def agents(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[SteeredAgents]:
    with steered_agents(tmp_path, broker) as running:
        yield running


def document(web: str = "5s", **base: Any) -> dict[str, Any]:
    """Three groups, by name and by label; `web` is the interval of cpu on two of the nodes."""
    return {
        "groups": {"all": ["*"], "web": ["web-*"], "db": ["db-*"], "edge": ["label:role=edge"]},
        "templates": {
            "base": {"groups": ["all"], "collectors": {"cpu": {"interval": "5s"}, **base}},
            "web": {"groups": ["web"], "collectors": {"cpu": {"interval": web}}},
            "edge": {"groups": ["edge"], "collectors": {"disk": {"enabled": False}}},
        },
        "nodes": {"db-2": {"description": "in the cellar"}},
    }


def intervals(agents: SteeredAgents, node: str) -> list[int]:
    """Give the intervals that the cpu reports of a node name, each change once."""
    return changes([report["interval"] for report in agents.heard(node, Kind.METRICS, "cpu")])


def told(agents: SteeredAgents, node: str) -> dict[str, Any]:
    """Give what a node told of itself last; empty before the first."""
    newest: dict[str, Any] = (agents.heard(node, Kind.INFO) or [{}])[-1]
    return newest


def infos(agents: SteeredAgents, node: str) -> list[Any]:
    """Give what a node told of itself, each change once."""
    return changes(agents.heard(node, Kind.INFO))


def changes(found: list[Any]) -> list[Any]:
    return [each for at, each in enumerate(found) if at == 0 or found[at - 1] != each]


def assert_none_is_lost(agents: SteeredAgents, node: str) -> None:
    numbers = sorted(set(agents.numbers(node)))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_a_template_reaches_those_it_is_for_at_once_and_a_late_comer_too(
    agents: SteeredAgents,
) -> None:
    agents.steer(document(), 1)
    for node in FIVE:
        agents.start(node, role="edge" if node == "pi-1" else "none")
    agents.wait_for_revision(1)
    wait_until(lambda: told(agents, "db-2").get("description") == "in the cellar")
    wait_until(lambda: told(agents, "pi-1").get("groups") == ["all", "edge"])
    assert not agents.applied("pi-1")["collectors"]["disk"]["enabled"]
    wait_until(lambda: all(agents.heard(node, Kind.METRICS, "cpu") for node in FIVE))

    # The quickest of three: a test is no measure of how busy its machine is.
    quickest_s = []
    for revision, web in ((2, "1s"), (3, "2s"), (4, "1s")):
        at_s = agents.steer(document(web), revision)
        agents.wait_for_revision(revision)
        answers = (agents.heard_at(node, Kind.APPLIED)[-1] for node in FIVE)
        quickest_s.append(max(answered_s for _, answered_s in answers) - at_s)
    assert min(quickest_s) < 1.0
    for node in ("web-1", "web-2"):
        agents.wait_for_interval(node, "cpu", 1)
    wait_until(lambda: agents.heard("web-1", Kind.STATUS)[-1]["interval"] == 1)
    agents.start("web-3")
    wait_until(lambda: agents.applied("web-3").get("revision") == 4)
    wait_until(lambda: intervals(agents, "web-3") == [1])
    for node in FIVE[2:]:
        assert set(intervals(agents, node)) == {5}
        assert {1, 2}.isdisjoint(info["collectors"]["cpu"] for info in infos(agents, node))
    for node in agents.programs:
        assert_none_is_lost(agents, node)


def test_what_is_wrong_changes_nothing_anywhere_and_a_value_out_of_bounds_is_said(
    agents: SteeredAgents,
) -> None:
    for node in ("web-1", "db-1"):
        agents.start(node)
    agents.steer(document("2s"), 1)
    agents.wait_for_revision(1)
    before = {node: agents.applied(node)["collectors"] for node in agents.programs}
    wrong = {"revision": 2, "digest": "sha256:2", "document": document() | {"grups": {}}}
    for payload in (b"rubbish", json.dumps(wrong).encode()):
        agents.publish(FLEET, payload)
        for node in agents.programs:
            answer = agents.wait_for_problem(node)
            assert (answer["revision"], answer["collectors"]) == (1, before[node])
    agents.steer(document("0s", memory={"interval": "3s"}), 3)
    agents.wait_for_revision(3)
    answer = agents.applied("web-1")
    assert answer["collectors"]["cpu"]["interval"] == 2
    assert answer["collectors"]["memory"]["interval"] == 3
    assert "cpu.interval" in answer["problems"][0]
    assert agents.applied("db-1")["problems"] == []
    agents.publish(FLEET, b"")
    agents.wait_for_revision(0)
    assert agents.applied("web-1")["collectors"]["memory"]["interval"] == 10


def test_an_agent_that_is_started_without_a_broker_follows_the_last_document(
    agents: SteeredAgents, broker: BrokerUnderTest
) -> None:
    agents.start("web-1")
    agents.steer(document("1s", process={"interval": "1s", "groups": {"web": "nginx"}}), 1)
    agents.wait_for_revision(1)
    agents.programs["web-1"].kill()
    broker.kill()
    before = len(agents.spooled("web-1", "process"))
    agents.programs["web-1"].launch()
    wait_until(lambda: len(agents.spooled("web-1", "process")) >= before + 3)
    newest = agents.spooled("web-1", "process")[-1]
    assert newest["interval"] == 1
    assert newest["instances"]["web"]["processes"] == 1


def test_commands_are_answered_as_a_user_sees_them(agents: SteeredAgents) -> None:
    for node in ("web-1", "web-2"):
        agents.start(node)
    wait_until(lambda: all(agents.heard(node, Kind.METRICS, "cpu") for node in agents.programs))
    answered = agents.command("web-*", "ping")
    assert answered.returncode == 0, answered.stderr
    assert {line.partition(":")[0] for line in answered.stdout.splitlines()} == {"web-1", "web-2"}
    told = json.loads(agents.command("--json", "web-1", "report").stdout)
    (reply,) = told["replies"]
    assert reply["result"]["reports"]["cpu"] in agents.numbers("web-1")
    boosted = agents.command("web-1", "boost", "cpu", "1s", "3s")
    assert "web-1: cpu every 1 s for 3 s, then every 10 s again" in boosted.stdout
    wait_until(lambda: len(infos(agents, "web-1")) == 3)
    shown = [info["collectors"]["cpu"] for info in infos(agents, "web-1")]
    assert shown == [10, 1, 10]
    assert len(infos(agents, "web-2")) == 1
    listed = agents.command("web-2", "processes", "memory", "2")
    assert "python3" in listed.stdout
    (event,) = wait_until(lambda: agents.heard("web-2", Kind.EVENT))
    assert event["kind"] == "processes"
    agents.programs["web-2"].stop()
    assert agents.command("web-*", "ping").returncode == 3
    assert agents.command("web-2", "ping").returncode == 5
    assert agents.command("nobody", "ping").returncode == 1
    for node in agents.programs:
        assert_none_is_lost(agents, node)
