"""Who hears what, alone and among several."""

from rollcall.broker.topics import Topics
from rollcall.recorder.engine import Membership
from rollcall.recorder.subscriptions import Subscriptions

ROOT = "rollcall/v1"


def test_a_recorder_alone_hears_everything_and_shares_nothing() -> None:
    alone = Subscriptions(Topics(), Membership())
    assert alone.of_member("g") == [(f"{ROOT}/control/command/recorder", 1)]
    assert [topic_filter for topic_filter, _ in alone.of_leader] == [
        f"{ROOT}/node/#",
        f"{ROOT}/alert/+/+",
        f"{ROOT}/control/fleet",
    ]


def test_several_share_what_is_numbered_and_one_hears_the_rest() -> None:
    member = Subscriptions(Topics(), Membership("recorder-2", shared=True))
    assert member.own_status == f"{ROOT}/service/recorder-2/status"
    assert [topic_filter for topic_filter, _ in member.of_member("g")] == [
        f"{ROOT}/control/command/recorder-2",
        f"$share/g/{ROOT}/node/+/metrics/+",
        f"$share/g/{ROOT}/node/+/backlog",
        f"$share/g/{ROOT}/node/+/event",
    ]
    assert [topic_filter for topic_filter, _ in member.of_leader] == [
        f"{ROOT}/node/+/status",
        f"{ROOT}/node/+/info",
        f"{ROOT}/node/+/applied",
        f"{ROOT}/node/+/reply/+",
        f"{ROOT}/alert/+/+",
        f"{ROOT}/control/fleet",
    ]
