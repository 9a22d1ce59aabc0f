"""Commands: each is carried out once, answered, and changes nothing but what it is for."""

import itertools
import json
import threading
from pathlib import Path
from typing import Any, Final

import pytest

from rollcall.broker.messages import Command, encode
from rollcall.broker.session import Arrived, Lost, Ready
from rollcall.broker.topics import Kind
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.spool import Spool
from tests.support.agent_stage import (
    EVENT,
    INFO,
    NODE,
    START_S,
    TOPICS,
    ScriptedClient,
    Stage,
    arrived,
    metrics,
)

COMMAND: Final = TOPICS.topic(Kind.COMMAND, NODE)


def command(name: str, command_id: str = "c1", *, replayed: bool = False, **more: Any) -> Arrived:
    """Give a command; `for_s` stands for the word that Python keeps to itself."""
    told = {"for" if key == "for_s" else key: value for key, value in more.items()}
    asked = Command(id=command_id, command=name, expires=START_S + 1000, **told)
    return arrived(COMMAND, encode(asked), replayed=replayed)


def replies(client: ScriptedClient, command_id: str = "c1") -> list[dict[str, Any]]:
    return client.all(TOPICS.topic(Kind.NODE_REPLY, NODE, command_id))


def steps(client: ScriptedClient, collector: str, from_s: float, to_s: float) -> set[int]:
    times = [report["time"] - START_S for report in client.all(metrics(collector))]
    within = [time for time in times if from_s <= time <= to_s]
    return {round(b - a) for a, b in itertools.pairwise(within)}


def test_a_ping_is_answered_with_the_version(stage: Stage) -> None:
    client = stage.run((0.5, Ready(1)), (5.0, command("ping")), end_s=6)
    (reply,) = replies(client)
    assert (reply["id"], reply["ok"]) == ("c1", True)
    assert reply["result"]["agent"]


def test_a_repeated_command_is_carried_out_once(stage: Stage) -> None:
    again = command("ping")
    client = stage.run((0.5, Ready(1)), (5.0, again), (5.5, again), end_s=7)
    assert len(replies(client)) == 1


def test_a_command_that_was_retained_is_not_carried_out(stage: Stage) -> None:
    client = stage.run((0.5, Ready(1)), (5.0, command("ping", replayed=True)), end_s=6)
    assert replies(client) == []


def test_an_expired_command_is_answered_with_how_late_it_came(stage: Stage) -> None:
    late = Command(id="c1", command="report", expires=START_S - 7)
    client = stage.run((0.5, Ready(1)), (5.0, arrived(COMMAND, encode(late))), end_s=9)
    (reply,) = replies(client)
    assert not reply["ok"]
    assert "expired 12 s ago" in reply["error"]
    assert len(client.all(metrics("cpu"))) == 1


def test_without_a_good_clock_the_expiry_is_left_to_the_broker(stage: Stage) -> None:
    stage.clock.wrong_by_s = 10_000.0
    client = stage.run((0.5, Ready(1)), (5.0, command("ping")), end_s=6)
    assert replies(client)[0]["ok"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"rubbish", b"{}", b'{"id":"a/b","command":"ping"}', b'{"id":1,"command":"ping"}'],
    ids=["empty", "no JSON", "no keys", "an id that is no topic level", "an id that is no text"],
)
def test_what_is_no_command_stops_nothing(stage: Stage, payload: bytes) -> None:
    client = stage.run((0.5, Ready(1)), (5.0, arrived(COMMAND, payload)), end_s=35)
    assert len(client.all(metrics("cpu"))) >= 4
    assert not any("/reply/" in topic for topic in client.topics)


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        pytest.param("reboot", {}, "no such command", id="nobody knows it"),
        pytest.param("run", {"command_line": "rm -rf /"}, "no such command", id="a program"),
        pytest.param("boost", {}, "needs the name", id="boost of nothing"),
        pytest.param("boost", {"collector": "gpu"}, "interval must be", id="without interval"),
        pytest.param(
            "boost", {"collector": "gpu", "interval": 1, "for": 5}, "no collector", id="unknown"
        ),
        pytest.param(
            "boost", {"collector": "cpu", "interval": 1, "for": 3601}, "1 to 3600", id="too long"
        ),
        pytest.param(
            "boost", {"collector": "cpu", "interval": 0, "for": 5}, "1 to 21600", id="no interval"
        ),
        pytest.param(
            "boost", {"collector": "cpu", "interval": True, "for": 5}, "whole number", id="a flag"
        ),
        pytest.param(
            "boost", {"collector": "cpu", "interval": 10, "for": 5}, "already", id="no faster"
        ),
        pytest.param(
            "boost", {"collector": "power", "interval": 1, "for": 5}, "switched off", id="off"
        ),
        pytest.param("processes", {"by": "name"}, "by must be", id="by a name"),
        pytest.param("processes", {"top": 21}, "1 to 20", id="too many"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_answered_with_the_reason(
    stage: Stage, name: str, more: dict[str, Any], why: str
) -> None:
    client = stage.run((0.5, Ready(1)), (5.0, command(name, **more)), end_s=6)
    (reply,) = replies(client)
    assert not reply["ok"]
    assert why in reply["error"]
    assert "result" not in reply


# report


def test_a_report_that_is_asked_for_comes_at_once_and_the_grid_stays(stage: Stage) -> None:
    client = stage.run((0.5, Ready(1)), (23.5, command("report")), end_s=45)
    cpu = [round(report["time"] - START_S, 1) for report in client.all(metrics("cpu"))]
    assert len([time for time in cpu if 23.5 <= time <= 24.6]) == 1
    (reply,) = replies(client)
    reported = reply["result"]["reports"]
    assert set(reported) == {report.rsplit("/")[-1] for report in client.topics if "/m" in report}
    seqs = {report["seq"] for report in client.all(metrics("cpu"))}
    assert reported["cpu"] in seqs
    assert "missing" not in reply["result"]
    later = [time for time in cpu if time > 25]
    assert {round(time - cpu[1]) % 10 for time in later} == {0}


def test_reports_asked_for_twice_in_a_moment_stay_a_second_apart(stage: Stage) -> None:
    asked = [(20.0 + n / 10, command("report", f"c{n}")) for n in range(8)]
    client = stage.run((0.5, Ready(1)), *asked, end_s=25)
    times = [report["time"] for report in client.all(metrics("cpu"))]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.999
    assert all(len(replies(client, f"c{n}")) == 1 for n in range(8))


def test_a_reply_that_could_not_go_goes_with_the_next_connection(stage: Stage) -> None:
    script = ((0.5, Ready(1)), (5.0, Lost("gone")), (5.1, command("ping")), (8.0, Ready(2)))
    client = stage.run(*script, end_s=9)
    assert len(replies(client)) == 1


# boost


def test_a_boosted_collector_reports_faster_and_returns_by_itself(stage: Stage) -> None:
    boost = command("boost", collector="cpu", interval=1, for_s=20)
    client = stage.run((0.5, Ready(1)), (25.0, boost), end_s=90)
    (reply,) = replies(client)
    assert reply["result"] == {"collector": "cpu", "interval": 1, "for": 20, "then": 10}
    assert steps(client, "cpu", 26, 45) == {1}
    assert steps(client, "cpu", 50, 90) == {10}
    assert set(steps(client, "memory", 5, 90)) == {10}
    intervals = [info["collectors"]["cpu"] for info in client.all(INFO)]
    assert intervals == [10, 1, 10]
    assert stage.announcement.interval_s == 10


def test_a_boost_is_no_longer_for_a_step_of_the_clock(stage: Stage) -> None:
    def step() -> None:
        stage.clock.wrong_by_s = -3600.0

    boost = command("boost", collector="cpu", interval=1, for_s=20)
    client = stage.run((0.5, Ready(1)), (25.0, boost), (30.0, step), end_s=90)
    assert client.all(INFO)[-1]["collectors"]["cpu"] == 10


def test_a_boost_ends_with_the_process(tmp_path: Path) -> None:
    boost = command("boost", collector="cpu", interval=1, for_s=3600)
    with Spool(tmp_path) as spool:
        first = Stage(spool)
        first.run((0.5, Ready(1)), (5.0, boost), end_s=20)
        assert first.announcement.interval_s == 1
        second = Stage(spool)
        client = second.run((0.5, Ready(1)), end_s=20)
    assert client.all(INFO)[-1]["collectors"]["cpu"] == 10


def test_a_boost_leaves_out_samples_that_do_not_fit(tmp_path: Path) -> None:
    only = {each.name: {"enabled": each.name == "cpu"} for each in DECLARATIONS}
    sampled = only | {"cpu": {"interval": "10s", "sample": "2s"}}
    boost = command("boost", collector="cpu", interval=2, for_s=20)
    with Spool(tmp_path) as spool:
        stage = Stage(spool, collectors=sampled)
        client = stage.run((0.5, Ready(1)), (25.0, boost), end_s=90)
    reports = client.all(metrics("cpu"))
    boosted = [each for each in reports if 30 < each["time"] - START_S < 44]
    assert boosted
    assert not any("max_percent" in each["fields"] for each in boosted)
    assert "max_percent" in reports[-1]["fields"]


# processes


def snapshot(stage: Stage, **asked: Any) -> ScriptedClient:
    def while_it_is_taken() -> None:
        for thread in threading.enumerate():
            if thread.name == "snapshot":
                thread.join(5)

    script = ((0.5, Ready(1)), (5.0, command("processes", **asked)), (5.2, while_it_is_taken))
    return stage.run(*script, end_s=8)


def test_a_snapshot_names_the_largest_processes_and_is_an_event_too(stage: Stage) -> None:
    client = snapshot(stage, by="memory", top=3)
    (reply,) = replies(client)
    found = reply["result"]["processes"]
    assert len(found) == 3
    sizes = [each["resident_bytes"] for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert found[0]["name"] == "python3"
    (event,) = client.all(EVENT)
    assert event["kind"] == "processes"
    assert event["detail"] == json.loads(json.dumps(reply["result"]))


def test_a_snapshot_of_hidden_processes_says_what_is_denied(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(stage.host._files, "/proc/1/stat")
    client = snapshot(stage)
    (reply,) = replies(client)
    assert reply["error"].startswith("denied: /proc/1/stat")
    assert client.all(EVENT) == []
