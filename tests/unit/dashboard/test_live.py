"""What browsers are told, as stories: messages in, frames out."""

import json
from typing import Any

from rollcall.broker.messages import (
    Alert,
    Applied,
    Fleet,
    Info,
    Message,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    encode,
)
from rollcall.broker.node_view import Now
from rollcall.broker.session import Arrived, Lost, Ready
from rollcall.broker.topics import Kind, Topics
from rollcall.dashboard.live import Live, Viewer

EPOCH = "9f3c21d07a5be4c8"
START = 1_767_225_600.0
TOPICS = Topics()


def at(seconds: float) -> Now:
    return Now(wall_s=START + seconds, monotonic_s=1000 + seconds)


class Story:
    """A live cluster to which messages come at seconds of a test's choice."""

    def __init__(self) -> None:
        self.live = Live(TOPICS, cluster_name="home", now=at(0))
        self.seq = 0

    def say(self, at_s: float, kind: Kind, *path: str, message: Message | bytes) -> None:
        payload = message if isinstance(message, bytes) else encode(message)
        arrived = Arrived(TOPICS.topic(kind, *path), payload, False, 1000 + at_s, 1, 1, 0)
        self.live.take(arrived, at(at_s))

    def online(self, at_s: float, node: str = "pi-3") -> None:
        birth = Online(since=START + at_s, session=1, epoch=EPOCH, interval=10, seq=0)
        self.say(at_s, Kind.STATUS, node, message=birth)

    def report(self, at_s: float, collector: str = "cpu", node: str = "pi-3", **said: Any) -> None:
        self.seq += 1
        given = {"fields": {"percent": 12.5}, **said}
        report = Report(time=START + at_s, interval=10, epoch=EPOCH, seq=self.seq, **given)
        self.say(at_s, Kind.METRICS, node, collector, message=report)

    def join(self, at_s: float) -> tuple[Viewer, dict[str, Any]]:
        viewer, frame = self.live.join(at(at_s))
        return viewer, json.loads(frame)

    def delta(self, viewer: Viewer, at_s: float) -> dict[str, Any] | None:
        self.live.tick(at(at_s))
        frame = self.live.delta(viewer, at(at_s))
        return None if frame is None else dict(json.loads(frame))


def test_the_first_frame_has_every_node_with_the_times_of_its_values() -> None:
    story = Story()
    story.online(1)
    story.report(2)
    _, frame = story.join(5)
    assert frame["time"] == START + 5
    (node,) = frame["nodes"]
    assert (node["name"], node["state"], node["seen"]) == ("pi-3", "online", START + 2)
    assert node["values"] == {"cpu": {"value": 12.5, "at": START + 2, "interval": 10}}


def test_a_delta_has_what_changed_and_nothing_else() -> None:
    story = Story()
    story.online(1, "pi-1")
    story.online(1, "pi-2")
    viewer, _ = story.join(2)
    assert story.delta(viewer, 3) is None
    story.report(4, node="pi-2")
    frame = story.delta(viewer, 5)
    assert frame is not None
    assert [node["name"] for node in frame["nodes"]] == ["pi-2"]
    assert "around" not in frame
    assert story.delta(viewer, 6) is None


def test_a_node_that_falls_silent_is_told_to_be_stale_without_any_message() -> None:
    story = Story()
    story.online(1)
    viewer, _ = story.join(2)
    assert story.delta(viewer, 45) is None
    frame = story.delta(viewer, 47)
    assert frame is not None
    assert frame["nodes"][0]["state"] == "stale"


def test_what_was_missed_comes_as_one_frame_however_slow_the_browser() -> None:
    story = Story()
    viewer, _ = story.join(1)
    for second in range(2, 40):
        story.report(second)
        story.live.tick(at(second))
    frame = story.delta(viewer, 40)
    assert frame is not None
    assert len(frame["nodes"]) == 1
    assert frame["nodes"][0]["seen"] == START + 39


def test_a_removed_node_is_gone() -> None:
    story = Story()
    story.online(1)
    viewer, _ = story.join(2)
    story.say(3, Kind.STATUS, "pi-3", message=b"")
    frame = story.delta(viewer, 4)
    assert frame is not None
    assert (frame["nodes"], frame["gone"]) == ([], ["pi-3"])


def test_of_the_disks_the_fullest_is_shown_never_a_mean() -> None:
    story = Story()
    disks = {"/": {"used_percent": 61.2}, "/srv": {"used_percent": 97.1}}
    story.report(1, "disk", fields=None, instances=disks)
    _, frame = story.join(2)
    disk = frame["nodes"][0]["values"]["disk"]
    assert (disk["instance"], disk["value"]) == ("/srv", 97.1)


def test_an_alert_comes_with_its_node_and_puts_it_first() -> None:
    story = Story()
    story.online(1, "pi-1")
    story.online(1, "pi-2")
    story.live.take(Ready(1), at(1))
    viewer, _ = story.join(2)
    alert = Alert(
        state="firing",
        severity="critical",
        since=START,
        evaluated=START,
        summary="disk / is 97 % full",
    )
    story.say(3, Kind.ALERT, "pi-2", "disk_full", message=alert)
    frame = story.delta(viewer, 4)
    assert frame is not None
    (node,) = frame["nodes"]
    assert node["alerts"][0]["summary"] == "disk / is 97 % full"
    assert node["rank"] == 0
    story.say(5, Kind.ALERT, "pi-2", "disk_full", message=b"")
    frame = story.delta(viewer, 6)
    assert frame is not None
    assert frame["nodes"][0]["alerts"] == []


def test_a_lost_broker_and_a_new_service_are_told_around_the_nodes() -> None:
    story = Story()
    viewer, first = story.join(1)
    assert first["around"]["broker"]["state"] == "connecting"
    story.live.take(Lost("connection refused"), at(2))
    story.live.take(Lost("connection refused"), at(9))
    frame = story.delta(viewer, 10)
    assert frame is not None
    lost = {"state": "lost", "since": START + 2, "reason": "connection refused"}
    assert frame["around"]["broker"] == lost
    recorder = ServiceOnline(since=START, version="1.0.0", health={"lag_seconds": 0.3})
    story.say(11, Kind.SERVICE_STATUS, "recorder", message=recorder)
    frame = story.delta(viewer, 12)
    assert frame is not None
    assert frame["around"]["services"]["recorder"]["health"] == {"lag_seconds": 0.3}


def test_all_of_one_node_is_told_when_it_is_asked_for() -> None:
    story = Story()
    info = Info(hostname="pi-3", agent="1.0.0", interval=10, addresses=["192.168.1.13"])
    story.say(1, Kind.INFO, "pi-3", message=info)
    story.report(2, "exec_backup", fields=None, error="failed: exit code 3")
    told: Any = story.live.details("pi-3", at(3))
    assert told["info"]["addresses"] == ["192.168.1.13"]
    assert told["collectors"]["exec_backup"]["error"] == "failed: exit code 3"
    assert story.live.details("pi-9", at(3)) is None


def test_what_cannot_be_read_is_counted_and_changes_nothing() -> None:
    story = Story()
    story.online(1)
    viewer, _ = story.join(2)
    story.say(3, Kind.METRICS, "pi-3", "cpu", message=b"{not json")
    assert story.live.rejected == 1
    assert story.delta(viewer, 4) is None


def test_the_last_hour_is_sent_when_a_minute_is_over() -> None:
    story = Story()
    story.report(1)
    viewer, first = story.join(2)
    assert first["trends"]["pi-3"] == []
    frame = story.delta(viewer, 61)
    assert frame is not None
    assert frame["trends"]["pi-3"] == [12]


def test_who_left_costs_nothing() -> None:
    story = Story()
    viewer, _ = story.join(1)
    assert story.live.viewers == 1
    story.live.leave(viewer)
    assert story.live.viewers == 0


def test_a_goodbye_is_told_with_its_reason() -> None:
    story = Story()
    story.online(1)
    viewer, _ = story.join(2)
    goodbye = Offline(reason="stopped", since=START + 3, session=1, epoch=EPOCH)
    story.say(3, Kind.STATUS, "pi-3", message=goodbye)
    frame = story.delta(viewer, 4)
    assert frame is not None
    node = frame["nodes"][0]
    assert (node["state"], node["reason"], node["since"]) == ("offline", "stopped", START + 3)


def test_trends_from_before_the_start_come_to_those_who_look_and_to_nodes_that_come_later() -> None:
    story = Story()
    minute = int(START // 60)
    story.online(1)
    viewer, first = story.join(2)
    assert "trends" not in first
    story.live.seed({"pi-3": {minute - 1: 20.0}, "pi-4": {minute - 2: 30.0, minute - 1: 40.0}})
    frame = story.delta(viewer, 3)
    assert frame is not None
    assert frame["trends"] == {"pi-3": [20]}
    story.online(4, "pi-4")
    frame = story.delta(viewer, 5)
    assert frame is not None
    assert frame["trends"] == {"pi-4": [30, 40]}


def test_a_lost_recorder_is_lost_since_we_heard_so() -> None:
    story = Story()
    online = ServiceOnline(since=START, version="1.0.0", health={})
    story.say(1, Kind.SERVICE_STATUS, "recorder", message=online)
    viewer, _ = story.join(2)
    story.say(30, Kind.SERVICE_STATUS, "recorder", message=ServiceOffline(reason="lost"))
    frame = story.delta(viewer, 31)
    assert frame is not None
    recorder = frame["around"]["services"]["recorder"]
    assert (recorder["reason"], recorder["since"]) == ("lost", START + 30)


def test_a_node_tells_which_fleet_document_it_follows() -> None:
    story = Story()
    story.online(1)
    told: Any = story.live.details("pi-3", at(2))
    assert told["fleet"] == {"revision": None, "drift": None}
    story.say(3, Kind.FLEET, message=Fleet(revision=7, digest="sha256:x", document={}))
    story.say(4, Kind.APPLIED, "pi-3", message=Applied(revision=6, digest="sha256:w"))
    told = story.live.details("pi-3", at(5))
    assert told["fleet"] == {"revision": 6, "drift": "fleet revision 6, not 7"}
    story.say(6, Kind.APPLIED, "pi-3", message=Applied(revision=7, digest="sha256:x"))
    told = story.live.details("pi-3", at(7))
    assert told["fleet"] == {"revision": 7, "drift": None}
