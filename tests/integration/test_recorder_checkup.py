"""A check-up of the database says how it is, on both engines."""

import time

import pytest

from rollcall.broker.mosquitto import free_port
from rollcall.recorder.checkup import checkup, node_checkup
from rollcall.recorder.errors import DatabaseUnavailableError
from rollcall.recorder.findings import (
    EventFound,
    Finding,
    Intake,
    NeverComes,
    Number,
    Refused,
    ReportFound,
)
from rollcall.recorder.store import Store

EPOCH = "9f3c21d07a5be4c8"
NOW_MS = time.time_ns() // 1_000_000
TOPIC = "rollcall/v1/node/pi-3/metrics/cpu"


def intake(*found: Finding) -> Intake:
    return Intake(TOPIC, b"", NOW_MS, found)


def test_an_empty_database_of_this_version_is_well(database_url: str) -> None:
    with Store(database_url) as store:
        store.open()
    found = checkup(database_url, 0)
    assert (found.standing.theirs, found.standing.pending) == (found.standing.ours, ())
    assert (found.newest_ts, found.fault, found.refused) == (None, "", ())
    assert found.size_bytes


def test_what_there_is_of_a_node_is_told(database_url: str) -> None:
    number = Number("pi-3", EPOCH, 5)
    report = ReportFound(number, (("cpu.percent", "", 1.0),), collector="cpu", ts=NOW_MS)
    with Store(database_url) as store:
        store.commit([
            intake(report),
            intake(EventFound(Number("pi-3", EPOCH, 6), NOW_MS, "reboot", "agent", "{}")),
            intake(NeverComes("pi-3", EPOCH, 1, 2, "size")),
            intake(Refused(TOPIC, "number", "not finite", b"{}", NOW_MS)),
        ])  # fmt: skip
    assert checkup(database_url, NOW_MS - 1000).newest_ts == NOW_MS
    assert [one.topic for one in checkup(database_url, NOW_MS - 1000).refused] == [TOPIC]
    assert checkup(database_url, NOW_MS + 1000).refused == ()
    found = node_checkup(database_url, "rollcall/v1/node/pi-3/", "pi-3", NOW_MS - 1000)
    assert found.newest_ts == {"cpu": NOW_MS}
    assert [(gap.first_seq, gap.last_seq, gap.state) for gap in found.gaps] == [
        (1, 2, "size"),
        (3, 4, "open"),
    ]
    assert [one.kind for one in found.events] == ["reboot"]
    assert [one.error for one in found.refused] == ["not finite"]
    assert node_checkup(database_url, "rollcall/v1/node/pi-4/", "pi-4", 0) == ({}, (), (), ())


def test_a_server_that_is_away_is_told_as_such() -> None:
    with pytest.raises(DatabaseUnavailableError):
        checkup(f"postgresql://me@127.0.0.1:{free_port()}/x", 0)
