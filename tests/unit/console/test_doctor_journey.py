"""Where the way of a reading stops: said in one sentence, with one command that exists."""

from typing import Any

import pytest

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import (
    Applied,
    Info,
    Offline,
    Online,
    Receipt,
    Report,
    ServiceOnline,
    encode,
)
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind
from rollcall.console import words
from rollcall.console.doctor import journey
from rollcall.console.doctor.broker_checks import Failure
from rollcall.console.doctor.journey import JourneySeen
from rollcall.recorder.checkup import NodeCheckup, Refusal
from rollcall.recorder.errors import DatabaseUnavailableError
from rollcall.recorder.queries import Gap, Happened
from tests.support.doctor import require_runnable

EPOCH = "9f3c21d07a5be4c8"
START = 1_767_225_600.0
NOW = Now(wall_s=START + 20, monotonic_s=120)
WELL = NodeCheckup({"cpu": round((START + 19) * 1000)}, (), (), ())
RECEIPT = Receipt(database="d", epoch=EPOCH, through=9)
RECORDER = ServiceOnline(since=START, version="1", health={"database": "ok"})


def heard(*said: Any, arrived_s: float | None = 119.5, **report: Any) -> Cluster:
    """A node whose newest report, number 9, was taken one second ago."""
    cluster = Cluster()
    online = Online(since=START, session=1, epoch=EPOCH, interval=10, seq=9)
    info = Info(hostname="pi-7", agent="1.0.0", interval=10, addresses=["192.0.2.7"])
    taken = {"epoch": EPOCH, "seq": 9, "time": START + 19, "interval": 10}
    fields = {} if "error" in report else {"fields": {"percent": 1.0}}
    messages = [
        (Address(Kind.STATUS, "pi-7"), online),
        (Address(Kind.INFO, "pi-7"), info),
        (Address(Kind.METRICS, "pi-7", "cpu"), Report.model_validate(taken | fields | report)),
        *said,
    ]
    moment = Now(wall_s=NOW.wall_s - 0.5, monotonic_s=arrived_s or 0)
    for address, message in messages:
        cluster.fold(address, encode(message), replayed=arrived_s is None, now=moment)
    return cluster


def seen(cluster: Cluster | None = None, **what: Any) -> JourneySeen:
    cluster = heard() if cluster is None else cluster
    known: dict[str, Any] = {"receipt": RECEIPT, "recorder": RECORDER, "stored": WELL}
    return JourneySeen("pi-7", NOW, cluster.node("pi-7", NOW), **(known | what))


def offline(reason: Any) -> tuple[Address, Any]:
    return Address(Kind.STATUS, "pi-7"), Offline(reason=reason, session=1, epoch=EPOCH)


def power(seq: int) -> tuple[Address, Any]:
    taken = {"epoch": EPOCH, "seq": seq, "time": START + 18, "interval": 10}
    report = Report.model_validate(taken | {"fields": {"under_voltage_since_boot": 1}})
    return Address(Kind.METRICS, "pi-7", "power"), report


def refused(reason: str) -> NodeCheckup:
    topic = "rollcall/v1/node/pi-7/metrics/cpu"
    ts = round((START + 10) * 1000)
    return WELL._replace(refused=(Refusal(topic, reason, "the time is 300 s ahead", 3, ts),))


OLD = NodeCheckup({"cpu": round((START - 900) * 1000)}, (), (), ())

STORIES = [
    pytest.param(seen(), "ok", "taken at 00:00:19 UTC came all the way into the database",
                 "rollcall show pi-7", id="all is well"),
    pytest.param(seen(heard(offline("lost"))), "offline",
                 "last report 00:00:19 UTC, then the last will: it vanished; nothing is missing",
                 "ping -c 3 192.0.2.7", id="lost"),
    pytest.param(seen(heard(offline("stopped"))), "offline", "then its agent was stopped",
                 "ssh pi-7 sudo systemctl start rollcall-agent", id="stopped"),
    pytest.param(seen(heard(offline("lost")), stored=WELL._replace(
                 gaps=(Gap("pi-7", EPOCH, 3, 6, "open"),))), "offline", "4 reports are still there",
                 "ping -c 3 192.0.2.7", id="lost with a gap"),
    pytest.param(seen(heard(time=START - 900, arrived_s=None)), "stale",
                 "connected, but silent for 15m", "ssh pi-7 sudo systemctl restart rollcall-agent",
                 id="silent"),
    pytest.param(seen(Cluster()), "critical", "never heard", "rollcall status", id="unknown"),
    pytest.param(seen(heard(error="failed: no /proc")), "critical", "stops at the sensors",
                 "rollcall fleet show --effective pi-7", id="no sensor works"),
    pytest.param(seen(heard((Address(Kind.METRICS, "pi-7", "disk"), Report(
                 epoch=EPOCH, seq=8, time=START + 19, interval=10, error="denied: /srv")))),
                 "warning", "not all of it: disk: denied", "rollcall show pi-7", id="one fails"),
    pytest.param(seen(stored=refused("clock_ahead")), "critical", "which refuses it",
                 "ssh pi-7 sudo timedatectl set-ntp true", id="refused for its clock"),
    pytest.param(seen(stored=refused("number")), "critical", "which refuses it",
                 "ssh pi-7 journalctl --unit rollcall-agent --lines 50", id="refused"),
    pytest.param(seen(recorder=None), "critical", "stops at the recorder, which is not there",
                 "rollcall run recorder", id="no recorder"),
    pytest.param(seen(recorder=RECORDER.model_copy(update={"health": {"database": "full"}})),
                 "critical", "cannot write: full", "rollcall doctor", id="full"),
    pytest.param(seen(stored=OLD), "critical", "receipted, but not in this database",
                 "rollcall config show --origin", id="another database"),
    pytest.param(seen(stored=OLD, receipt=None), "critical", "between broker and database",
                 "rollcall run recorder", id="no receipts"),
    pytest.param(seen(stored=DatabaseUnavailableError("locked", "it is locked")), "unknown",
                 "cannot be asked here", "rollcall config explain recorder.database",
                 id="no database"),
    pytest.param(seen(heard(time=START + 60)), "warning", "its clock is 40s ahead",
                 "ssh pi-7 sudo timedatectl set-ntp true", id="clock ahead"),
    pytest.param(seen(drift="fleet revision 6, not 7"), "warning", "not do as told",
                 "rollcall fleet show --effective pi-7", id="drift"),
    pytest.param(seen(Cluster(), failure=Failure("nobody listens", "rollcall up")), "critical",
                 "cannot be followed: nobody listens", "rollcall up", id="no broker"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "verdict", "text", "remedy"), STORIES)
def test_the_way_ends_in_one_sentence(
    story: JourneySeen, verdict: str, text: str, remedy: str
) -> None:
    end = journey.conclusion(story)
    assert (end.verdict, end.remedy) == (verdict, remedy)
    assert text in end.text
    require_runnable(end.remedy)
    assert journey.document(story, end)["conclusion"] == end.text


def test_low_voltage_before_a_loss_is_said() -> None:
    end = journey.conclusion(seen(heard(power(8), offline("lost"))))
    assert end.why == "its supply voltage was too low: look at its power supply"


def test_the_steps_tell_times_numbers_and_what_happened() -> None:
    happened = Happened("pi-7", round(START * 1000), "reboot", "agent", "{}")
    lost = Gap("pi-7", EPOCH, 3, 4, "size")
    stored = WELL._replace(events=(happened,), gaps=(lost,))
    applied = Applied(revision=7, digest="d")
    cluster = heard((Address(Kind.APPLIED, "pi-7"), applied), power(8))
    story = seen(cluster, stored=stored, receipt_arrived_s=119.8)
    told = [f"{step.verdict} {step.place}: {step.text}" for step in journey.steps(story)]
    assert told == [
        "ok agent: online since 00:00:00 UTC, agent 1.0.0",
        "ok sensors: 2 collectors report: cpu, power",
        "ok broker: number 9, taken 00:00:19 UTC, heard live +0.5 s from then",
        "ok receipt: through number 9, heard live +0.8 s from when that was taken",
        "ok database: newest sample taken 00:00:19 UTC",
        "warning database: 2 reports from number 3 on: will never come (size)",
        "ok fleet: follows revision 7",
        "warning power: under-voltage since its host started",
        "ok event: 00:00:00 UTC reboot",
    ]


def test_an_older_time_is_told_with_its_date() -> None:
    assert words.moment(START - 100_000, START) == "2025-12-30T20:13:20.000Z"
    assert words.moment(START - 60, START) == "23:59:00 UTC"
