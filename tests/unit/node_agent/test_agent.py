"""The agent's loop: a simulated host, a scripted broker, a clock that needs no waiting."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollcall.broker.session import Lost, Ready
from rollcall.broker.topics import Kind
from rollcall.node_agent import plugins
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.simulation import celsius
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.steering import wanted_here
from rollcall.service.settings import Agent as Settings
from tests.support.agent_stage import (
    APPLIED,
    BACKLOG_TOPIC,
    EVENT,
    INFO,
    NODE,
    SEVEN,
    START_S,
    TOPICS,
    ScriptedClient,
    Stage,
    arrived,
    metrics,
)


def test_after_a_connection_come_the_facts_then_the_newest_then_the_backlog(stage: Stage) -> None:
    sent = stage.run((15.0, Ready(1)), end_s=22).topics
    newest = [metrics(name) for name in SEVEN]
    assert sent[:2] == [INFO, APPLIED]
    assert sorted(sent[2:9]) == sorted(newest)
    assert BACKLOG_TOPIC in sent[9:]
    resent = [r["seq"] for batch in stage.client.all(BACKLOG_TOPIC) for r in batch["reports"]]
    assert resent == list(range(1, 12))


def test_each_retained_report_is_the_newest_and_none_goes_back(stage: Stage) -> None:
    sent = stage.run((3.0, Ready(1)), (25.0, Lost("gone")), (40.0, Ready(2)), end_s=60)
    times = [report["time"] for report in sent.all(metrics("cpu"))]
    assert times == sorted(times)
    assert times.count(times[-1]) == 1


def test_everything_is_numbered_while_there_is_no_broker(stage: Stage) -> None:
    assert stage.run(end_s=35).sent == []
    waiting = [stored.seq for stored in stage.spool.waiting(10**6, [], 10**6)]
    assert waiting == list(range(1, stage.spool.last_seq + 1))
    assert len(waiting) == 7 + 3 * 4
    assert stage.announcement.seq == stage.spool.last_seq
    assert stage.announcement.interval_s == 10


def test_a_receipt_is_settled_with_the_next_reports(stage: Stage) -> None:
    def waiting() -> list[int]:
        return [stored.seq for stored in stage.spool.waiting(10**6, [], 100)]

    seen: list[list[int]] = []
    script = (
        (2.0, Ready(1)),
        (4.0, stage.receipt(7)),
        (12.0, stage.receipt(11)),
        (13.0, lambda: seen.append(waiting())),
    )
    stage.run(*script, end_s=22)
    assert seen == [[8, 9, 10, 11]]
    assert waiting() == [12, 13, 14, 15]
    assert BACKLOG_TOPIC not in stage.client.topics


def test_what_a_receipt_misses_is_sent_again_at_once(stage: Stage) -> None:
    client = stage.run((2.0, Ready(1)), (4.0, stage.receipt(7, (2, 3))), end_s=5)
    (batch,) = client.all(BACKLOG_TOPIC)
    assert [report["seq"] for report in batch["reports"]] == [2, 3]


@pytest.mark.parametrize("payload", [b"rubbish", b"{}", b""], ids=["no JSON", "no keys", "emptied"])
def test_a_receipt_that_cannot_be_read_stops_nothing(stage: Stage, payload: bytes) -> None:
    receipt = arrived(TOPICS.topic(Kind.RECEIPT, NODE), payload)
    client = stage.run((2.0, Ready(1)), (4.0, receipt), end_s=35)
    assert len(client.all(metrics("cpu"))) >= 4


def test_a_collector_that_this_host_cannot_serve_says_so_and_is_asked_hourly(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stage.host._files, "/proc/net/dev", lambda: "heading\nheading\n")
    client = stage.run((0.5, Ready(1)), end_s=180)
    (report,) = client.all(metrics("network"))
    assert report["error"] == "unsupported: no network interface but excluded ones"
    assert report["interval"] == 3600
    assert client.all(INFO)[-1]["collectors"]["network"] == 3600
    assert len(client.all(metrics("cpu"))) == 18


def test_the_facts_are_told_again_when_they_change_and_only_then(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move() -> None:
        text = "|-- 10.0.0.9\n        /32 host LOCAL\n"
        monkeypatch.setitem(stage.host._files, "/proc/net/fib_trie", lambda: text)

    client = stage.run((0.5, Ready(1)), (150.0, move), end_s=400)
    addresses = [info["addresses"] for info in client.all(INFO)]
    assert addresses == [["192.168.1.11"], ["10.0.0.9"]]


def test_a_full_disk_silences_nobody_and_what_was_taken_meanwhile_comes_to_disk(
    stage: Stage,
) -> None:
    def fill() -> None:
        (pages,) = stage.spool._db.execute("PRAGMA page_count").fetchone()
        stage.spool._db.execute(f"PRAGMA max_page_count = {pages}")

    disk = stage.spool.epoch
    client = stage.run((0.5, Ready(1)), (15.0, fill), end_s=400)
    cpu = client.all(metrics("cpu"))
    times = [report["time"] for report in cpu]
    assert {round(b - a) for a, b in itertools.pairwise(times[1:])} == {10}
    epochs = [epoch for epoch, _ in itertools.groupby(report["epoch"] for report in cpu)]
    assert epochs == [disk, epochs[1], disk]
    events = [(event["kind"], event["detail"]["reason"]) for event in client.all(EVENT)]
    assert events == [("epoch", "refused"), ("epoch", "healed")]
    assert client.reconnects == 2
    waiting = [stored.seq for stored in stage.spool.waiting(10**6, [], 10**6)]
    assert waiting == list(range(1, stage.spool.last_seq + 1))
    kept = stage.spool.waiting(10**6, [], 10**6)
    stored = [stage.spool.content(each)["time"] for each in kept if each.item.name == "cpu"]
    assert stored == times


def test_numbers_given_in_memory_that_nobody_received_are_told_as_gone(stage: Stage) -> None:
    def fill() -> None:
        (pages,) = stage.spool._db.execute("PRAGMA page_count").fetchone()
        stage.spool._db.execute(f"PRAGMA max_page_count = {pages}")

    client = stage.run((0.5, Ready(1)), (15.0, fill), (200.0, Ready(2)), end_s=220)
    epochs = {report["epoch"] for report in client.all(metrics("cpu"))}
    (memory,) = epochs - {stage.spool.epoch}
    given = {
        each["seq"] for _, each in client.sent if each.get("epoch") == memory and "seq" in each
    }
    batches = [each for each in client.all(BACKLOG_TOPIC) if each["epoch"] == memory]
    (told,) = [each for each in batches if not each["reports"]]
    gone = {n for first, last, _ in told["evicted"] for n in range(first, last + 1)}
    assert gone == given
    assert {reason for *_, reason in told["evicted"]} == {"forgotten"}


def test_a_step_of_the_clock_is_told_and_what_came_before_is_set_right(stage: Stage) -> None:
    def synchronize() -> None:
        stage.clock.wrong_by_s = 0.0

    stage.clock.wrong_by_s = -START_S
    client = stage.run((15.0, synchronize), (20.0, Ready(1)), end_s=40)
    resent = [r for batch in client.all(BACKLOG_TOPIC) for r in batch["reports"]]
    times = [report["time"] for report in resent if report.get("collector") == "cpu"]
    assert times[0] == START_S + 1
    assert all(report["time"] >= START_S for report in resent)
    assert not any(report.get("clock") for report in resent)
    (event,) = client.all(EVENT)
    assert (event["kind"], event["detail"]) == (
        "clock_step",
        {"seconds": START_S, "synchronized": True},
    )


@pytest.mark.parametrize("wrong_by_s", [-START_S, 2.3e9], ids=["1970", "2099"])
def test_a_clock_that_is_never_right_stops_nothing(stage: Stage, wrong_by_s: float) -> None:
    stage.clock.wrong_by_s = wrong_by_s
    cpu = stage.run((2.0, Ready(1)), end_s=60).all(metrics("cpu"))
    assert len(cpu) >= 6
    assert {report["clock"] for report in cpu} == {"unsynchronized"}


def test_a_copied_spool_begins_a_new_epoch_and_says_so(stage: Stage) -> None:
    old = stage.spool.epoch
    client = stage.run((0.5, Ready(1)), (5.0, stage.receipt(5000)), (6.0, Ready(2)), end_s=25)
    assert client.reconnects == 1
    assert [report["epoch"] for report in client.all(metrics("cpu"))].count(old) == 1
    assert stage.announcement.epoch == stage.spool.epoch != old
    last = client.all(metrics("cpu"))[-1]
    assert last["epoch"] == stage.spool.epoch
    waiting = [stored.seq for stored in stage.spool.waiting(10**6, [], 100)]
    assert waiting == list(range(1, last["seq"] + 4))


def test_a_reboot_is_told_once_on_the_event_topic_and_kept_until_receipted(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path) as spool:
        Stage(spool, seed=1).run(end_s=5)
        before = spool.last_seq
        second = Stage(spool, seed=2)
        client = second.run((2.0, Ready(1)), (4.0, Lost("gone")), (6.0, Ready(2)), end_s=8)
        (event,) = client.all(EVENT)
        assert (event["kind"], event["seq"]) == ("reboot", before + 1)
        assert before + 1 in [stored.seq for stored in spool.waiting(10**6, [], 100)]
        third = Stage(spool, seed=2)
        assert EVENT not in third.run((2.0, Ready(1)), end_s=8).topics


def test_the_configured_interval_is_the_shortest_of_all(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        stage = Stage(spool, interval=120)
        client = stage.run((0.5, Ready(1)), end_s=500)
    assert set(client.all(INFO)[0]["collectors"].values()) == {120}
    assert stage.announcement.interval_s == 120


# Options that change while it runs


def options_of(stage: Stage, **tables: dict[str, Any]) -> Callable[[], None]:
    """Give an action that puts the local options with these changes into force."""

    def apply() -> None:
        collectors = {**stage.settings.collectors, **tables}
        wanted, faults = wanted_here(Settings(collectors=collectors))
        assert faults == []
        stage.agent.apply(wanted.options)

    return apply


def times_of(client: ScriptedClient, collector: str) -> list[float]:
    return [report["time"] - START_S for report in client.all(metrics(collector))]


def steps_of(client: ScriptedClient, collector: str) -> list[int]:
    """Give the seconds between reports, the first of which is off the grid."""
    return [round(b - a) for a, b in itertools.pairwise(times_of(client, collector)[1:])]


def test_another_interval_holds_at_once_and_disturbs_no_other(stage: Stage) -> None:
    change = options_of(stage, cpu={"interval": "2s"})
    client = stage.run((0.5, Ready(1)), (25.0, change), end_s=45)
    assert steps_of(client, "cpu") == [10, 4, *[2] * 10]
    assert set(steps_of(client, "memory")) == {10}
    assert client.all(INFO)[-1]["collectors"]["cpu"] == 2
    assert stage.announcement.interval_s == 2


def test_what_is_switched_off_is_no_longer_retained_and_what_comes_on_reports_soon(
    stage: Stage,
) -> None:
    off = options_of(stage, cpu={"enabled": False})
    on = options_of(stage)
    client = stage.run((0.5, Ready(1)), (25.0, off), (65.0, on), end_s=90)
    times = times_of(client, "cpu")
    assert not [time for time in times if 25 < time < 65]
    assert 65 < min(time for time in times if time > 25) < 67
    assert client.emptied == [metrics("cpu")]
    assert set(steps_of(client, "memory")) == {10}
    infos = [set(info["collectors"]) for info in client.all(INFO)]
    assert infos[1] == infos[0] - {"cpu"}
    assert infos[-1] == infos[0]


def test_everything_may_be_switched_off(stage: Stage) -> None:
    off = options_of(stage, **{name: {"enabled": False} for name in SEVEN})
    client = stage.run((0.5, Ready(1)), (25.0, off), end_s=90)
    assert all(time < 25 for time in times_of(client, "cpu"))
    assert client.all(INFO)[-1]["collectors"] == {}
    assert stage.announcement.interval_s == 10


def test_a_new_option_of_one_collector_makes_that_one_anew_and_no_other(stage: Stage) -> None:
    change = options_of(stage, cpu={"per_core": True})
    client = stage.run((0.5, Ready(1)), (25.0, change), end_s=45)
    reports = client.all(metrics("cpu"))
    assert reports[-1]["instances"]
    assert not reports[0].get("instances")
    assert "percent" in reports[-1]["fields"]
    received = [report["instances"] for report in client.all(metrics("network"))[1:]]
    assert all("receive_bytes_per_second" in each["eth0"] for each in received)


def test_a_plug_in_reports_like_any_other(stage: Stage) -> None:
    told = {
        **stage.settings.model_dump(by_alias=True),
        "exec": {"mine": {"command": ["echo", "a 1"]}},
    }
    stage.settings = Settings(**told)
    stage.plugins, problems = plugins.sources(stage.settings, SEVEN)
    assert problems == []
    client = stage.run((0.5, Ready(1)), end_s=65)
    assert {report["fields"]["a"] for report in client.all(metrics("mine"))} == {1}
    assert client.all(INFO)[-1]["fields"]["mine.a"] == {"unit": "count", "kind": "gauge"}


def test_after_a_suspend_of_eight_hours_each_collector_runs_once_and_counts_the_rest(
    stage: Stage,
) -> None:
    def sleep() -> None:
        stage.clock.passed_s += 8 * 3600

    client = stage.run((0.5, Ready(1)), (25.0, sleep), end_s=8 * 3600 + 95)
    slept = [time for time in times_of(client, "cpu") if time > 25]
    assert 7 <= len(slept) <= 8
    assert min(b - a for a, b in itertools.pairwise(slept)) >= 5
    assert EVENT not in client.topics
    account = client.all(metrics("agent"))[-1]["instances"]
    assert account["cpu"]["skips"] == 2879


def test_a_permission_that_is_missing_is_named_by_the_collector_that_lacks_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny() -> str:
        raise PermissionError(13, "Permission denied", "/proc/stat")

    monkeypatch.setitem(stage.host._files, "/proc/stat", deny)
    client = stage.run((0.5, Ready(1)), end_s=15)
    assert {report.get("error") for report in client.all(metrics("cpu"))} == {"denied: /proc/stat"}
    assert not any(report.get("error") for report in client.all(metrics("memory")))


def test_an_agent_that_is_restarted_knows_what_power_saw_since_the_host_started(
    tmp_path: Path,
) -> None:
    hot_at_s = next(float(n) for n in range(2000) if celsius(3, START_S + n) > 80.5)

    def told(at_s: float, folder: str) -> dict[str, Any]:
        with Spool(tmp_path / folder) as spool:
            only = {each.name: {"enabled": each.name == "power"} for each in DECLARATIONS}
            stage = Stage(spool, seed=3, state_dir=tmp_path, collectors=only)
            stage.clock.passed_s = at_s
            sent = stage.run((at_s, Ready(1)), end_s=at_s + 5)
        fields: dict[str, Any] = sent.all(metrics("power"))[-1]["fields"]
        return fields

    assert told(hot_at_s, "hot")["soft_temperature_limit"] == 1
    cool = told(hot_at_s + 600, "cool")
    assert cool["soft_temperature_limit"] == 0
    assert cool["soft_temperature_limit_since_boot"] == 1
    assert cool["throttled_since_boot"] == 0
