"""Messages into findings: what is understood, what is refused, and which numbers are settled."""

import gzip
import json
from typing import Any

import pytest

from rollcall.broker.topics import Topics
from rollcall.recorder import intake
from rollcall.recorder.findings import (
    AlertFound,
    AlertOver,
    Arrival,
    EventFound,
    Finding,
    Freshness,
    InfoFound,
    NeverComes,
    Number,
    Refused,
    ReportFound,
    Seen,
    StatusFound,
)

NOW_MS = 1_767_225_600_000
EPOCH = "9f3c21d07a5be4c8"
TOPICS = Topics()
REPORT = {"epoch": EPOCH, "seq": 7, "time": NOW_MS / 1000, "interval": 10, "fields": {"a": 1}}


def read(
    leaf: str, payload: Any, freshness: Freshness = Freshness.LIVE, root: str = "node/pi-3/"
) -> list[Finding]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return intake.read(TOPICS, f"rollcall/v1/{root}{leaf}", raw, Arrival(NOW_MS, freshness))


def refused(found: list[Finding]) -> Refused:
    (only,) = [item for item in found if isinstance(item, Refused)]
    return only


def test_a_report_is_samples_and_a_sign_of_life() -> None:
    report, seen = read("metrics/cpu", REPORT)
    assert isinstance(report, ReportFound)
    assert report.number == Number("pi-3", EPOCH, 7)
    assert [metric for metric, _, _ in report.samples] == ["cpu.a"]
    assert seen == Seen("pi-3", NOW_MS)


def test_a_birth_is_a_sign_of_life_only_when_it_is_live() -> None:
    birth = {"state": "online", "since": 1, "session": 1, "epoch": EPOCH, "interval": 10, "seq": 0}
    assert [type(item) for item in read("status", birth)] == [StatusFound, Seen]
    assert [type(item) for item in read("status", birth, Freshness.REPLAYED)] == [StatusFound]
    will = {"state": "offline", "reason": "lost", "session": 1, "epoch": EPOCH}
    assert [type(item) for item in read("status", will)] == [StatusFound]


def test_info_is_the_facts_and_the_units() -> None:
    info, _ = read(
        "info",
        {
            "hostname": "pi-3", "agent": "1.0.0", "interval": 10, "addresses": ["192.168.1.13"],
            "fields": {"cpu.percent": {"unit": "percent", "kind": "gauge"}},
        },
    )  # fmt: skip
    assert isinstance(info, InfoFound)
    assert (info.address, info.agent, info.model) == ("192.168.1.13", "1.0.0", None)
    assert dict(info.units) == {"cpu.percent": ("percent", "gauge")}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_batch_is_its_items_and_what_was_evicted(pack: Any) -> None:
    batch = {
        "epoch": EPOCH,
        "reports": [
            {"collector": "cpu", "seq": 1, "time": 5, "interval": 10, "fields": {"a": 1}},
            {"kind": "reboot", "seq": 2, "time": 5, "detail": {}},
        ],
        "evicted": [[3, 9, "size"]],
    }
    report, event, gone = read("backlog", pack(json.dumps(batch).encode()))
    assert isinstance(report, ReportFound)
    assert isinstance(event, EventFound)
    assert (event.kind, event.number.seq) == ("reboot", 2)
    assert gone == NeverComes("pi-3", EPOCH, 3, 9, "size")


def test_a_batch_is_the_past_so_a_doubtful_clock_is_left_as_it_was() -> None:
    item = {"collector": "cpu", "seq": 1, "time": 5, "interval": 10, "fields": {"a": 1}}
    (found,) = read("backlog", {"epoch": EPOCH, "reports": [{**item, "clock": "unsynchronized"}]})
    assert isinstance(found, ReportFound)
    assert (found.ts, len(found.samples)) == (5000, 1)


def test_a_bad_item_of_a_batch_costs_only_itself_and_its_number_is_settled() -> None:
    good = {"collector": "cpu", "seq": 1, "time": 5, "interval": 10, "fields": {"a": 1}}
    batch = {"epoch": EPOCH, "reports": [good, {"collector": "cpu", "seq": 2}, {"seq": "x"}]}
    found = read("backlog", batch)
    assert isinstance(found[0], ReportFound)
    bad = [item for item in found if isinstance(item, Refused)]
    assert [item.number for item in bad] == [Number("pi-3", EPOCH, 2), None]
    assert {item.topic for item in bad} == {"rollcall/v1/node/pi-3/backlog"}
    assert json.loads(bad[0].payload) == {"collector": "cpu", "seq": 2}


def test_an_evicted_span_that_ends_before_it_begins_is_refused() -> None:
    assert refused(read("backlog", {"epoch": EPOCH, "evicted": [[9, 3, "age"]]})).reason == "span"


def test_a_batch_of_countless_items_is_refused_whole() -> None:
    batch = gzip.compress(json.dumps({"epoch": EPOCH, "reports": [{}] * 20_000}).encode())
    assert refused(read("backlog", batch)).reason == "too_large"


def test_a_refused_report_settles_its_number_where_it_can_be_read() -> None:
    wrong = refused(read("metrics/cpu", {**REPORT, "interval": 0}))
    assert (wrong.reason, wrong.number) == ("invalid", Number("pi-3", EPOCH, 7))
    assert refused(read("metrics/cpu", b"{")).number is None


def test_a_report_of_the_future_is_refused_and_still_a_sign_of_life() -> None:
    found = read("metrics/cpu", {**REPORT, "time": NOW_MS / 1000 + 600})
    assert refused(found).reason == "clock_ahead"
    assert refused(found).number == Number("pi-3", EPOCH, 7)
    assert Seen("pi-3", NOW_MS) in found


UNKNOWN = [
    ("node/pi-3/", "other"),
    ("node/PI-3/", "status"),
    ("node/pi-3/", "metrics/CPU"),
    ("node/recorder/", "status"),
    ("node/pi-3/metrics/", "cpu/deep"),
    ("", "node"),
]


@pytest.mark.parametrize(("root", "leaf"), UNKNOWN)
def test_a_topic_that_the_contract_does_not_know_is_refused(root: str, leaf: str) -> None:
    assert refused(read(leaf, REPORT, root=root)).reason == "unknown_topic"


@pytest.mark.parametrize("leaf", ["status", "info", "metrics/cpu", "applied"])
def test_an_empty_payload_on_a_retained_topic_is_a_removal(leaf: str) -> None:
    assert read(leaf, b"") == []


@pytest.mark.parametrize("leaf", ["backlog", "event", "reply/x"])
def test_an_empty_payload_on_any_other_topic_is_refused(leaf: str) -> None:
    assert refused(read(leaf, b"")).reason == "not_json"


def test_what_has_no_place_in_the_database_is_still_checked() -> None:
    assert read("applied", {"revision": 1, "digest": "sha256:0"}) == []
    assert read("reply/x", {"id": "x", "ok": True}) == []
    assert refused(read("applied", {"revision": "one"})).reason == "invalid"
    assert refused(read("reply/x", {"id": "x"})).reason == "invalid"


ALERT = {
    "state": "firing", "severity": "critical", "since": 5, "evaluated": 6, "summary": "disk full",
    "instances": {"/": {"state": "firing", "value": 97, "since": 5}},
}  # fmt: skip


def test_an_alert_is_a_row_for_each_instance() -> None:
    (found,) = read("disk_full", ALERT, root="alert/pi-3/")
    assert isinstance(found, AlertFound)
    assert [(item.instance, item.value) for item in found.instances] == [("/", 97.0)]
    (plain,) = read("disk_full", {**ALERT, "instances": {}}, root="alert/pi-3/")
    assert isinstance(plain, AlertFound)
    assert [(item.instance, item.state) for item in plain.instances] == [("", "firing")]


def test_an_alert_ends_by_saying_so_or_by_vanishing() -> None:
    ended = {"state": "ended", "reason": "recovered", "time": 9}
    assert read("disk_full", ended, root="alert/pi-3/") == [AlertOver("pi-3", "disk_full", 9000)]
    assert read("disk_full", b"", root="alert/pi-3/") == [AlertOver("pi-3", "disk_full", NOW_MS)]


def test_an_alert_with_a_nul_in_the_name_of_an_instance_is_refused() -> None:
    alert = {**ALERT, "instances": {"a\0": ALERT["instances"]["/"]}}  # type: ignore[index]
    assert refused(read("disk_full", alert, root="alert/pi-3/")).reason in {"text", "invalid"}
