"""What `rollcall status` says: rows, verdicts, the document, the exit code."""

from typing import Any

import pytest
from click.testing import CliRunner

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import (
    Alert,
    Applied,
    Fleet,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    encode,
)
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind
from rollcall.console import words
from rollcall.console.app import rollcall
from rollcall.console.recording import clock
from rollcall.console.status import exit_code
from rollcall.console.summary import Summary, document, summarize

EPOCH = "9f3c21d07a5be4c8"
START = 1_767_225_600.0
NOW = Now(wall_s=START + 20, monotonic_s=120)


def cluster_of(*messages: tuple[Address, Any]) -> Cluster:
    cluster = Cluster()
    for address, message in messages:
        moment = Now(wall_s=START, monotonic_s=100)
        cluster.fold(address, encode(message), replayed=False, now=moment)
    return cluster


def online(node: str) -> tuple[Address, Any]:
    message = Online(since=START, session=1, epoch=EPOCH, interval=10, seq=0)
    return Address(Kind.STATUS, node), message


def lost(node: str) -> tuple[Address, Any]:
    return Address(Kind.STATUS, node), Offline(reason="lost", session=1, epoch=EPOCH)


def report(node: str, collector: str, **keys: Any) -> tuple[Address, Any]:
    message = Report(epoch=EPOCH, seq=1, time=START, interval=10, **keys)
    return Address(Kind.METRICS, node, collector), message


def firing(node: str, severity: Any) -> tuple[Address, Any]:
    message = Alert(
        state="firing", severity=severity, since=1, evaluated=1, summary="disk / is 97 % full"
    )
    return Address(Kind.ALERT, node, "disk_full"), message


def test_a_row_shows_the_fullest_disk_and_what_is_fresh() -> None:
    cluster = cluster_of(
        online("pi-1"),
        report("pi-1", "cpu", fields={"percent": 12.5}),
        report("pi-1", "disk", instances={"/": {"used_percent": 40}, "/srv": {"used_percent": 97}}),
    )
    (row,) = summarize(cluster, NOW).rows
    assert (row.cpu_percent, row.disk_percent, row.celsius) == (12.5, 97, None)
    assert (row.verdict, row.age_s) == ("ok", 20)


def test_the_values_of_a_lost_node_are_not_shown() -> None:
    cluster = cluster_of(
        online("pi-1"), report("pi-1", "cpu", fields={"percent": 12.5}), lost("pi-1")
    )
    (row,) = summarize(cluster, NOW).rows
    assert (row.verdict, row.cpu_percent, row.remark) == ("offline", None, "lost at 00:00:00 UTC")


def test_the_headline_counts_the_worst_first() -> None:
    cluster = cluster_of(
        online("a"), online("b"), firing("b", "critical"), lost("c"), online("d"), online("e"),
        firing("e", "warning"),
    )  # fmt: skip
    summary = summarize(cluster, NOW)
    assert summary.headline == "5 nodes: 1 critical, 1 offline, 1 warning, 2 ok"
    assert [row.node for row in summary.rows] == ["b", "c", "e", "a", "d"]


def test_only_the_nodes_asked_for_are_shown() -> None:
    summary = summarize(cluster_of(online("a"), online("b")), NOW, ["b"])
    assert summary.headline == "1 node: 1 ok"


def test_missing_and_lost_services_are_said() -> None:
    recorder = Address(Kind.SERVICE_STATUS, "recorder")
    alerts = (Address(Kind.SERVICE_STATUS, "alerts"), ServiceOnline(since=1, version="1"))
    lost = summarize(cluster_of((recorder, ServiceOffline(reason="lost")), alerts), NOW)
    assert lost.remarks == []
    told = "Not recorded (recorder lost). Values come from the broker."
    assert lost.recording.remark(NOW.wall_s) == told
    nobody = summarize(Cluster(), NOW)
    assert nobody.headline == "no nodes yet"
    assert nobody.remarks == ["alerts: never seen on this broker"]
    assert "no recorder was ever seen" in str(nobody.recording.remark(NOW.wall_s))


def test_since_when_nothing_is_recorded_is_said_by_the_recorder_or_the_newest_row() -> None:
    recorder = Address(Kind.SERVICE_STATUS, "recorder")
    stopped = ServiceOffline(reason="stopped", since=START - 60)
    said = summarize(cluster_of((recorder, stopped)), NOW).recording
    assert said.remark(NOW.wall_s) == (
        f"Not recorded since {clock(START - 60, NOW.wall_s)} (recorder stopped). "
        "Values come from the broker."
    )
    assert said.with_newest(1.0) == said
    killed = summarize(cluster_of((recorder, ServiceOffline(reason="lost"))), NOW).recording
    assert killed.with_newest(START).since == START


def test_one_recorder_of_several_is_enough() -> None:
    cluster = cluster_of(
        (Address(Kind.SERVICE_STATUS, "recorder"), ServiceOffline(reason="lost")),
        (Address(Kind.SERVICE_STATUS, "recorder-2"), ServiceOnline(since=1, version="1")),
    )
    assert summarize(cluster, NOW).recording.ok


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        pytest.param([], 0, id="nobody there"),
        pytest.param([online("a")], 0, id="all well"),
        pytest.param([online("a"), firing("a", "info")], 0, id="only a notice"),
        pytest.param([online("a"), firing("a", "warning")], 3, id="a warning"),
        pytest.param([report("a", "cpu", fields={})], 3, id="a status that never came"),
        pytest.param([online("a"), firing("a", "critical")], 4, id="critical"),
        pytest.param([online("a"), lost("b"), firing("a", "warning")], 4, id="offline"),
    ],
)
def test_the_exit_code_is_that_of_the_worst(messages: list[tuple[Address, Any]], code: int) -> None:
    assert exit_code(summarize(cluster_of(*messages), NOW)) == code


def test_the_document_has_a_schema_and_both_kinds_of_time() -> None:
    found = document(summarize(cluster_of(online("a"), firing("a", "critical")), NOW), NOW)
    assert (found["schema"], found["ts"]) == (1, 1767225620000)
    assert found["time"] == "2026-01-01T00:00:20.000Z"
    assert found["nodes"][0]["alerts"][0]["rule"] == "disk_full"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0s"), (59.9, "59s"), (60, "1m"), (11_545, "3h 12m"), (7_000_000, "81d")],
)
def test_ages_in_words(seconds: float | None, text: str) -> None:
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--config", "absent.toml", "status"], id="before"),
        pytest.param(["status", "--config", "absent.toml"], id="after"),
    ],
)
def test_shared_options_work_before_and_after_the_command(arguments: list[str]) -> None:
    result = CliRunner().invoke(rollcall, arguments)
    assert "absent.toml" in str(result.exception)


def test_the_later_of_two_configurations_wins() -> None:
    result = CliRunner().invoke(
        rollcall, ["--config", "first.toml", "status", "--config", "absent.toml"]
    )
    assert "absent.toml" in str(result.exception)


def test_a_summary_without_rows_says_so() -> None:
    assert Summary([], []).headline == "no nodes yet"


def test_a_node_that_does_not_follow_the_fleet_document_is_a_warning() -> None:
    in_force = (Address(Kind.FLEET), Fleet(revision=12, digest="sha256:12", document={}))
    follows = Applied(revision=12, digest="sha256:12")
    cluster = cluster_of(
        online("pi-1"), online("pi-2"), in_force, (Address(Kind.APPLIED, "pi-1"), follows)
    )
    summary = summarize(cluster, NOW)
    assert {row.node: (row.verdict, row.remark) for row in summary.rows} == {
        "pi-1": ("ok", ""),
        "pi-2": ("warning", "has not answered to fleet revision 12"),
    }
    assert exit_code(summary) == 3
    shown = {row["node"]: row["fleet"] for row in document(summary, NOW)["nodes"]}
    assert shown["pi-1"] == {"revision": 12, "drift": None}
    assert shown["pi-2"]["drift"] == "has not answered to fleet revision 12"


def test_who_cannot_hear_what_nodes_answer_says_so_instead_of_calling_them_adrift() -> None:
    in_force = (Address(Kind.FLEET), Fleet(revision=12, digest="sha256:12", document={}))
    cluster = cluster_of(online("pi-1"), in_force)
    cluster.hears_answers = False
    summary = summarize(cluster, NOW)
    assert [(row.verdict, row.remark) for row in summary.rows] == [("ok", "")]
    assert "whether nodes follow revision 12 cannot be known" in summary.remarks[0]
