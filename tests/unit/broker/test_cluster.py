"""The state of the cluster as stories: what is said, when, and what everybody may believe."""

from typing import Any

import pytest

from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import (
    Alert,
    Applied,
    Fleet,
    Info,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    encode,
)
from rollcall.broker.node_view import NodeState, Now
from rollcall.broker.topics import Address, Kind

EPOCH, OTHER = "9f3c21d07a5be4c8", "0000000000000001"
START = 1_767_225_600.0


def at(seconds: float) -> Now:
    """A moment: both clocks run alike, from different origins."""
    return Now(wall_s=START + seconds, monotonic_s=1000 + seconds)


class Story:
    """A cluster to which messages come at seconds of a test's choice."""

    def __init__(self) -> None:
        self.cluster = Cluster()

    def status(self, at_s: float, state: str, *, replayed: bool = False, **keys: Any) -> None:
        given = {"session": 1, "epoch": EPOCH, **keys}
        if state == "online":
            message: Any = Online(since=START, interval=10, seq=0, **given)
        else:
            message = Offline(**{"reason": "lost", **given})
        self._fold(Address(Kind.STATUS, "pi-3"), encode(message), at_s, replayed=replayed)

    def report(self, at_s: float, *, replayed: bool = False, **keys: Any) -> None:
        given = {"time": START + at_s, "seq": int(at_s) + 1, "fields": {"percent": 12.5}, **keys}
        message = Report(**{"epoch": EPOCH, "interval": 10, **given})
        self._fold(Address(Kind.METRICS, "pi-3", "cpu"), encode(message), at_s, replayed=replayed)

    def remove(self, at_s: float) -> None:
        self._fold(Address(Kind.STATUS, "pi-3"), b"", at_s, replayed=False)

    def alert(self, severity: Any, *, node: str = "pi-3", state: Any = "firing") -> None:
        message = Alert(state=state, severity=severity, since=1, evaluated=1, summary="x")
        self._fold(Address(Kind.ALERT, node, "rule"), encode(message), 0, replayed=False)

    def fleet(self, revision: int, digest: str) -> None:
        message = Fleet(revision=revision, digest=digest, document={})
        self._fold(Address(Kind.FLEET), encode(message), 0, replayed=False)

    def no_fleet(self) -> None:
        self._fold(Address(Kind.FLEET), b"", 0, replayed=False)

    def applied(self, revision: int, digest: str, *problems: str) -> None:
        message = Applied(revision=revision, digest=digest, problems=list(problems))
        self._fold(Address(Kind.APPLIED, "pi-3"), encode(message), 0, replayed=False)

    def drift(self) -> str | None:
        return self.cluster.drift(self.view(0))

    def view(self, at_s: float) -> Any:
        return self.cluster.node("pi-3", at(at_s))

    def _fold(self, address: Address, payload: bytes, at_s: float, *, replayed: bool) -> None:
        self.cluster.fold(address, payload, replayed=replayed, now=at(at_s))


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_node_that_reports_is_online(story: Story) -> None:
    story.status(0, "online")
    story.report(10)
    assert story.view(12).state is NodeState.ONLINE
    assert story.view(12).age_s == 2


def test_silence_of_45_seconds_makes_it_stale_though_it_claims_to_be_online(story: Story) -> None:
    story.status(0, "online")
    story.report(10)
    assert story.view(55).state is NodeState.ONLINE
    assert story.view(55.1).state is NodeState.STALE
    assert story.view(60).since == START + 10


@pytest.mark.parametrize(
    ("collectors", "stale_after_s"),
    [
        ({"cpu": 60, "process": 10}, 180),
        ({"cpu": 10, "disk": 60}, 45),
        ({"process": 10}, 180),
        ({}, 45),
    ],
    ids=[
        "its cpu is rarer than the rest",
        "its cpu is not",
        "nothing is heard but its status",
        "old",
    ],
)
def test_what_is_not_heard_is_no_silence(collectors: dict[str, int], stale_after_s: int) -> None:
    cluster = Cluster(heard=("cpu", "memory"))
    birth = Online(since=START, session=1, epoch=EPOCH, interval=10, seq=0)
    info = Info(hostname="pi-3", agent="1.0.0", interval=10, collectors={**collectors})
    for kind, message in ((Kind.STATUS, birth), (Kind.INFO, info)):
        cluster.fold(Address(kind, "pi-3"), encode(message), replayed=False, now=at(0))
    states = []
    for seconds in (stale_after_s, stale_after_s + 1):
        view = cluster.node("pi-3", at(seconds))
        assert view
        states.append(view.state)
    assert states == [NodeState.ONLINE, NodeState.STALE]


def test_the_fleet_document_in_force_is_remembered_until_it_is_emptied() -> None:
    cluster = Cluster()
    fleet = Fleet(revision=3, digest="sha256:0", document={"groups": {"web": ["web-*"]}})
    cluster.fold(Address(Kind.FLEET), encode(fleet), replayed=True, now=at(0))
    assert cluster.fleet == fleet
    with pytest.raises(DecodeError):
        cluster.fold(Address(Kind.FLEET), b"{", replayed=False, now=at(1))
    assert cluster.fleet == fleet
    cluster.fold(Address(Kind.FLEET), b"", replayed=False, now=at(2))
    assert cluster.fleet is None


def test_three_long_intervals_may_pass_before_it_is_stale(story: Story) -> None:
    story.cluster.fold(
        Address(Kind.STATUS, "pi-3"),
        encode(Online(since=START, session=1, epoch=EPOCH, interval=60, seq=0)),
        replayed=False,
        now=at(0),
    )
    assert story.view(180).state is NodeState.ONLINE
    assert story.view(181).state is NodeState.STALE


def test_the_last_will_makes_it_offline_since_its_arrival(story: Story) -> None:
    story.status(0, "online")
    story.status(30, "offline")
    view = story.view(31)
    assert (view.state, view.reason, view.since) == (NodeState.OFFLINE, "lost", START + 30)


def test_a_goodbye_names_its_own_time(story: Story) -> None:
    story.status(0, "online")
    story.status(30, "offline", reason="stopped", since=START + 29)
    assert (story.view(31).reason, story.view(31).since) == ("stopped", START + 29)


@pytest.mark.parametrize(
    ("will", "state"),
    [
        pytest.param({"session": 4}, NodeState.ONLINE, id="an older session"),
        pytest.param({"session": 5}, NodeState.OFFLINE, id="the newest session"),
        pytest.param({"session": 9, "epoch": OTHER}, NodeState.ONLINE, id="another epoch"),
    ],
)
def test_the_will_of_a_replaced_connection_is_ignored(
    story: Story, will: dict[str, Any], state: NodeState
) -> None:
    story.status(0, "online", session=5)
    story.status(1, "offline", **will)
    assert story.view(2).state is state


def test_a_replay_is_judged_by_its_time_and_is_no_sign_of_life(story: Story) -> None:
    story.cluster.connected(at(100))
    story.status(100, "online", replayed=True)
    story.report(100, replayed=True, time=START)
    assert story.view(100).state is NodeState.STALE
    assert story.view(100).age_s == 100
    assert story.view(100).value("cpu.percent", at(100)).fresh is False


def test_a_replay_of_a_moment_ago_is_fresh(story: Story) -> None:
    story.status(100, "online", replayed=True)
    story.report(100, replayed=True, time=START + 95)
    assert story.view(100).value("cpu.percent", at(100)).fresh is True


def test_a_clock_of_2099_makes_a_replay_of_unknown_age_never_fresh(story: Story) -> None:
    story.status(100, "online", replayed=True)
    story.report(100, replayed=True, time=START + 2e9)
    assert (story.view(100).state, story.view(100).age_s) == (NodeState.STALE, None)


def test_a_wrong_clock_does_not_matter_while_it_is_heard_live(story: Story) -> None:
    story.status(0, "online")
    story.report(5, time=1.0)
    assert story.view(6).value("cpu.percent", at(6)).fresh is True


def test_the_same_report_published_again_does_not_become_younger(story: Story) -> None:
    story.status(0, "online")
    story.report(0, seq=7)
    story.report(40, seq=7)
    assert story.view(50).value("cpu.percent", at(50)).fresh is False


def test_after_our_own_connecting_down_is_held_back_for_60_seconds(story: Story) -> None:
    story.cluster.connected(at(0))
    story.status(0, "offline", replayed=True)
    assert story.view(59).held_back is True
    assert story.view(60).held_back is False


def test_who_was_heard_since_our_connecting_and_then_lost_is_not_held_back(story: Story) -> None:
    story.cluster.connected(at(0))
    story.status(1, "online")
    story.status(10, "offline")
    assert story.view(11).held_back is False


def test_a_goodbye_is_never_held_back(story: Story) -> None:
    story.cluster.connected(at(0))
    story.status(0, "offline", reason="stopped", replayed=True)
    assert story.view(1).held_back is False


def test_a_node_without_status_is_unknown(story: Story) -> None:
    story.report(0)
    assert story.view(1).state is NodeState.UNKNOWN


def test_an_empty_status_removes_the_node(story: Story) -> None:
    story.status(0, "online")
    story.remove(1)
    assert story.view(2) is None


def test_a_bad_message_changes_nothing(story: Story) -> None:
    story.status(0, "online")
    with pytest.raises(DecodeError):
        story.cluster.fold(
            Address(Kind.STATUS, "pi-3"), b'{"state":"maybe"}', replayed=False, now=at(1)
        )
    assert story.view(2).state is NodeState.ONLINE


def test_values_of_instances_are_found_by_name(story: Story) -> None:
    story.status(0, "online")
    story.report(0, fields=None, instances={"/": {"used_percent": 61.2}, "/srv": {"x": 1}})
    values = story.view(1).values("cpu.used_percent", at(1))
    assert {name: value.number for name, value in values.items()} == {"/": 61.2}


def test_the_worst_come_first() -> None:
    cluster = Cluster()

    def add(node: str, message: Any) -> None:
        cluster.fold(Address(Kind.STATUS, node), encode(message), replayed=False, now=at(0))

    online = Online(since=START, session=1, epoch=EPOCH, interval=10, seq=0)
    for node in ("ok", "warn", "crit"):
        add(node, online)
    add("lost", Offline(reason="lost", session=1, epoch=EPOCH))
    add("stopped", Offline(reason="stopped", since=START, session=1, epoch=EPOCH))
    story = Story()
    story.cluster = cluster
    story.alert("warning", node="warn")
    story.alert("critical", node="crit")
    story.alert("critical", node="ok", state="pending")
    assert [view.name for view in cluster.worst_first(at(1))] == [
        "crit",
        "lost",
        "warn",
        "stopped",
        "ok",
    ]


def test_an_alert_ends_with_its_message_or_with_the_empty_payload() -> None:
    for ending in (b'{"state":"ended","reason":"recovered"}', b""):
        story = Story()
        story.alert("critical")
        address = Address(Kind.ALERT, "pi-3", "rule")
        story.cluster.fold(address, ending, replayed=False, now=at(1))
        assert story.cluster.alerts == {}


def test_services_are_known_by_their_status() -> None:
    cluster = Cluster()
    address = Address(Kind.SERVICE_STATUS, "recorder")
    for message in (ServiceOnline(since=1, version="1"), ServiceOffline(reason="lost")):
        cluster.fold(address, encode(message), replayed=False, now=at(0))
        assert cluster.services["recorder"] == message


def test_a_node_drifts_until_it_has_applied_the_document_in_force() -> None:
    story = Story()
    story.status(0, "online")
    assert story.drift() is None
    story.fleet(12, "sha256:12")
    assert story.drift() == "has not answered to fleet revision 12"
    story.applied(11, "sha256:11")
    assert story.drift() == "fleet revision 11, not 12"
    story.applied(12, "sha256:12")
    assert story.drift() is None


def test_nobody_drifts_for_whoever_does_not_hear_the_answers_until_one_is_heard() -> None:
    story = Story()
    story.cluster.hears_answers = False
    story.status(0, "online")
    story.fleet(12, "sha256:12")
    assert story.drift() is None
    story.applied(11, "sha256:11")
    assert story.cluster.hears_answers
    assert story.drift() == "fleet revision 11, not 12"


def test_a_node_that_follows_but_for_a_key_or_refuses_says_why() -> None:
    story = Story()
    story.status(0, "online")
    story.fleet(12, "sha256:12")
    story.applied(12, "sha256:12", "collectors.gpu: unknown collector", "and this")
    but_for = "collectors.gpu: unknown collector (and 1 more)"
    assert story.drift() == f"fleet revision 12 but for {but_for}"
    story.applied(11, "sha256:11", "rules.x: unknown key")
    assert story.drift() == "fleet revision 11, not 12: rules.x: unknown key"


def test_a_document_that_is_gone_leaves_nobody_following_it_unnoticed() -> None:
    story = Story()
    story.status(0, "online")
    story.fleet(12, "sha256:12")
    story.applied(12, "sha256:12")
    story.no_fleet()
    assert story.drift() == "fleet revision 12, which is gone"
    story.applied(0, "")
    assert story.drift() is None
