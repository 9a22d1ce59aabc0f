"""An agent that is steered while it runs: the fleet document, heard, kept and answered."""

import itertools
from pathlib import Path
from typing import Any, Final

from rollcall.broker.messages import Fleet, encode
from rollcall.broker.session import Arrived, Ready
from rollcall.broker.topics import Kind
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Memory
from tests.support.agent_stage import (
    APPLIED,
    INFO,
    SEVEN,
    START_S,
    TOPICS,
    ScriptedClient,
    Stage,
    arrived,
    metrics,
)

FLEET: Final = TOPICS.topic(Kind.FLEET)


def fleet(revision: int = 1, *, description: str = "rack 2", **collectors: Any) -> Arrived:
    template = {"groups": ["all"], "collectors": collectors}
    nodes = {"pi-3": {"description": description}}
    document: dict[str, Any] = {
        "groups": {"all": ["*"]},
        "templates": {"base": template},
        "nodes": nodes,
    }
    told = Fleet(revision=revision, digest=f"sha256:{revision}", document=document)
    return arrived(FLEET, encode(told), replayed=True)


def steps(client: ScriptedClient, collector: str) -> list[int]:
    times = [report["time"] - START_S for report in client.all(metrics(collector))]
    return [round(b - a) for a, b in itertools.pairwise(times[1:])]


def test_a_document_holds_at_once_and_is_answered(stage: Stage) -> None:
    change = fleet(cpu={"interval": "2s"}, network={"enabled": False})
    client = stage.run((0.5, Ready(1)), (25.0, change), end_s=45)
    assert steps(client, "cpu")[-5:] == [2] * 5
    assert set(steps(client, "memory")) == {10}
    assert client.emptied == [metrics("network")]
    first, last = client.all(APPLIED)
    assert (first["revision"], first["digest"]) == (0, "")
    assert (last["revision"], last["digest"], last["problems"]) == (1, "sha256:1", [])
    assert last["collectors"]["cpu"]["interval"] == 2
    info = client.all(INFO)[-1]
    assert (info["groups"], info["description"]) == (["all"], "rack 2")
    assert info["interval"] == 2


def test_no_number_is_lost_when_settings_change(stage: Stage) -> None:
    script = [(5.0 + n, fleet(n, cpu={"interval": f"{1 + n % 5}s"})) for n in range(1, 20)]
    client = stage.run((0.5, Ready(1)), *script, end_s=40)
    numbers = sorted(each["seq"] for topic, each in client.sent if "/metrics/" in topic)
    assert numbers == list(range(1, stage.spool.last_seq + 1))


def test_the_same_document_again_changes_and_says_nothing(stage: Stage) -> None:
    same = fleet(cpu={"interval": "2s"})
    client = stage.run((0.5, Ready(1)), (5.0, same), (25.0, same), end_s=30)
    assert len(client.all(APPLIED)) == 2


def test_a_document_that_is_wrong_changes_nothing_and_is_said(stage: Stage) -> None:
    wrong = arrived(FLEET, b'{"revision":2,"digest":"x","document":{"nods":{}}}')
    client = stage.run(
        (0.5, Ready(1)), (5.0, fleet(cpu={"interval": "2s"})), (25.0, wrong), end_s=45
    )
    assert set(steps(client, "cpu")[2:]) == {2}
    last = client.all(APPLIED)[-1]
    assert (last["revision"], last["digest"]) == (1, "sha256:1")
    assert "nods" in last["problems"][0]


def test_the_right_document_after_a_wrong_one_ends_the_problem(stage: Stage) -> None:
    right, wrong = fleet(cpu={"interval": "2s"}), arrived(FLEET, b"rubbish")
    client = stage.run((0.5, Ready(1)), (5.0, right), (8.0, wrong), (12.0, right), end_s=15)
    problems = [len(each["problems"]) for each in client.all(APPLIED)]
    assert problems == [0, 0, 1, 0]


def test_another_shortest_interval_is_announced_at_once(stage: Stage) -> None:
    slow: dict[str, Any] = {name: {"interval": "120s"} for name in SEVEN}
    client = stage.run((0.5, Ready(1)), (25.0, fleet(**slow)), end_s=40)
    assert stage.announcement.interval_s == 120
    # From what it was made with to the local file's, and from that to the document's.
    assert client.announced == 2


def test_a_restart_without_a_broker_follows_the_last_document(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        Stage(spool).run((0.5, Ready(1)), (5.0, fleet(cpu={"interval": "2s"})), end_s=10)
    with Spool(tmp_path) as spool:
        again = Stage(spool)
        again.run(end_s=30)
        assert again.announcement.interval_s == 2
        taken = [each for each in spool.waiting(10**6, [], 10**6) if each.item.name == "cpu"]
    assert len(taken) >= 14 + 5


def test_an_emptied_document_is_forgotten_for_the_next_start_too(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        script = ((5.0, fleet(cpu={"interval": "2s"})), (8.0, arrived(FLEET, b"")))
        first = Stage(spool)
        client = first.run((0.5, Ready(1)), *script, end_s=12)
        assert client.all(APPLIED)[-1]["revision"] == 0
        assert client.all(INFO)[-1]["groups"] == []
    with Spool(tmp_path) as spool:
        again = Stage(spool)
        again.run(end_s=5)
        assert again.announcement.interval_s == 10


def test_a_disk_that_refuses_does_not_keep_a_document_from_its_work(stage: Stage) -> None:
    def fill() -> None:
        (pages,) = stage.spool._db.execute("PRAGMA page_count").fetchone()
        stage.spool._db.execute(f"PRAGMA max_page_count = {pages}")

    large = {f"g{n}": f"name-{n}" for n in range(2000)}
    change = fleet(cpu={"interval": "2s"}, process={"groups": large})
    client = stage.run((0.5, Ready(1)), (5.0, fill), (6.0, change), end_s=200)
    assert client.all(APPLIED)[-1]["revision"] == 1
    assert set(steps(client, "cpu")[2:]) == {2}
    assert not stage.spool.in_memory
    assert "sha256:1" in str(stage.spool.recalled(Memory.FLEET))
