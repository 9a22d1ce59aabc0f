"""Stories told to the core: when an alert fires, when it ends, what is told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.alerts.grouping import MailKind
from rollcall.broker.topics import Address, Kind
from tests.support.alert_stories import NODE, Story

FIRE, UPDATE, END, REMINDER = MailKind.FIRE, MailKind.UPDATE, MailKind.END, MailKind.REMINDER


def hot(**keys: Any) -> dict[str, Any]:
    rule = {"kind": "threshold", "metric": "cpu.percent", "threshold": 90, "clear": 80, "for": "1m"}
    return {"rules": {"node_offline": {"enabled": False}, "cpu_high": rule | keys}}


def present(**keys: Any) -> dict[str, Any]:
    return {"rules": {"node_offline": keys, "cpu_high": {"enabled": False}}}


@pytest.mark.parametrize(
    ("keys", "series", "fired", "ended"),
    [
        pytest.param({}, "50x2 95x4 70x9", [], [], id="a busy spell shorter than for"),
        pytest.param({}, "95x6", [60], [], id="busy for as long as for"),
        pytest.param({}, "95x5 85 95x9", [130], [], id="one good sample starts for anew"),
        pytest.param({}, "95x6 85x20 79", [60], [280], id="between threshold and clear it fires"),
        pytest.param(
            {"keep_firing_for": "30s"}, "95x6 70x2 95 70x3", [60], [140], id="a short recovery"
        ),
        pytest.param({}, "95x2 _x3 95x4", [60], [], id="a short silence is spanned"),
        pytest.param({}, "95x2 _x5 95x6", [120], [], id="a long silence adds nothing"),
        pytest.param({}, "95x6 _x60 70", [60], [670], id="silence ends nothing"),
        pytest.param({}, "95x6 nullx3 errorx3 70", [60], [130], id="no number ends nothing"),
        pytest.param({"for": "0s"}, "95", [0], [], id="without for it fires at once"),
        pytest.param({}, "95x2 nullx2 95x3", [60], [], id="no number within for is spanned"),
        pytest.param({"op": "<", "clear": 95, "for": "0s"}, "95 80 92 96", [10], [30], id="below"),
        pytest.param(
            {"op": "==", "threshold": 3, "clear": None, "for": "0s"},
            "2 3 3.5",
            [10],
            [20],
            id="equal",
        ),
    ],
)
def test_a_threshold_alert_fires_and_ends(
    keys: dict[str, Any], series: str, fired: list[float], ended: list[float]
) -> None:
    story = Story(hot(**keys))
    story.play(series)
    assert story.fired == fired
    assert story.ended == [(at, "recovered") for at in ended]


def test_an_unmounted_instance_is_closed_after_an_hour() -> None:
    story = Story(hot(**{"for": "0s"}))
    story.play("95 gonex361", instance="/mnt")
    assert story.fired == [0]
    assert story.ended == [(3610, "instance_gone")]


def test_an_instance_that_comes_back_within_the_hour_goes_on() -> None:
    story = Story(hot(**{"for": "0s"}))
    story.play("95 gonex300 95 gonex300", instance="/mnt")
    assert (story.fired, story.ended) == ([0], [])


@pytest.mark.parametrize(
    ("instances", "exclude", "fires"),
    [
        pytest.param(["*"], [], True, id="all"),
        pytest.param(["/mnt/*"], [], True, id="by a glob"),
        pytest.param(["/"], [], False, id="another"),
        pytest.param(["*"], ["/mnt/*"], False, id="excluded"),
    ],
)
def test_a_rule_is_about_the_instances_it_names(
    instances: list[str], exclude: list[str], fires: object
) -> None:
    story = Story(hot(**{"for": "0s", "instances": instances, "exclude": exclude}))
    story.play("95", instance="/mnt/data")
    assert bool(story.fired) is fires


@pytest.mark.parametrize(
    ("age_s", "marked", "fires"),
    [
        pytest.param(3600, False, False, id="an hour old"),
        pytest.param(5, False, True, id="fresh"),
        pytest.param(5, True, False, id="fresh by a clock that is marked as wrong"),
        pytest.param(-3600, False, False, id="from the future"),
    ],
)
def test_a_retained_report_counts_only_while_it_is_fresh(
    age_s: float, marked: object, fires: object
) -> None:
    story = Story(hot(**{"for": "0s"}))
    story.online()
    story.clock_behind_s, story.clock_marked = age_s, bool(marked)
    story.report("97", replayed=True)
    assert bool(story.fired) is fires


def test_a_clock_three_days_behind_and_marked_is_as_good_as_a_right_one() -> None:
    story = Story(hot())
    story.clock_behind_s, story.clock_marked = 3 * 86_400, True
    story.play("95x6")
    assert story.fired == [60]


def test_a_clock_that_is_wrong_and_not_marked_counts_after_five_minutes() -> None:
    story = Story(hot(**{"for": "0s"}))
    story.clock_behind_s = 3 * 86_400
    story.play("95x40")
    assert story.fired == [300]


def test_a_report_that_comes_twice_counts_once() -> None:
    story = Story(hot(**{"for": "10s"}))
    story.online()
    story.report("95")
    story.pass_time(10)
    story.seq -= 1
    story.report("95")
    assert story.fired == []


def test_forty_seconds_held_then_down_ten_minutes_fires_twenty_seconds_after_the_first() -> None:
    story = Story(hot())
    story.play("95x4")
    story.restart(down_s=590)
    first = story.at_s
    story.play("95x6")
    assert story.fired == [first + 20]


def test_a_restart_while_firing_tells_nothing_twice() -> None:
    story = Story(hot())
    story.play("95x8")
    story.restart(down_s=100)
    story.play("95x3 70")
    assert [kind for _, kind, _ in story.told] == [FIRE, END]
    assert len({incident for *_, incident in story.told}) == 1


def test_a_node_that_is_away_while_hot_is_told_of_only_when_it_is_back_and_cool() -> None:
    story = Story(hot())
    story.play("95x6")
    story.offline()
    story.play("_x100")
    story.play("95 70")
    assert len(story.fired) == 1
    assert [kind for _, kind, _ in story.told] == [FIRE, END]


@pytest.mark.parametrize("reason", ["stopped", "shutdown", "reboot"])
def test_a_node_that_goes_on_purpose_is_no_alert(reason: Any) -> None:
    story = Story(present())
    story.online()
    story.pass_time(5)
    story.offline(reason)
    story.pass_time(300)
    assert story.fired == []


def test_a_killed_node_fires_after_for_and_is_told_after_group_wait() -> None:
    story = Story(present())
    story.online()
    story.pass_time(10)
    story.offline()
    story.pass_time(60)
    assert story.fired == [41]
    assert [(at, kind) for at, kind, _ in story.told] == [(51, FIRE)]
    story.online()
    for _ in range(6):
        story.pass_time(10)
        story.online()
    assert story.ended == [(101, "recovered")]
    assert [(at, kind) for at, kind, _ in story.told] == [(51, FIRE), (101, END)]


def test_a_hung_node_fires_when_it_is_stale_for_long_enough() -> None:
    story = Story(present())
    story.online()
    story.pass_time(90)
    assert story.fired == [76]


def test_a_node_that_is_back_within_for_is_not_told() -> None:
    story = Story(present())
    story.online()
    story.offline()
    story.pass_time(29)
    story.online()
    story.pass_time(30)
    assert (story.fired, story.told) == ([], [])


def test_what_a_reconnection_replays_fires_nothing_while_it_may_be_an_echo() -> None:
    story = Story(present(**{"for": "0s"}))
    story.online()
    story.cluster.connected(story.now)
    story.pass_time(5)
    story.offline()
    story.at_s += 1
    story.cluster.connected(story.now)
    story.pass_time(40)
    story.online()
    story.pass_time(40)
    assert story.fired == []


def test_a_node_still_lost_after_the_hold_down_fires() -> None:
    story = Story(present())
    story.cluster.connected(story.now)
    story.offline()
    story.pass_time(70)
    assert story.fired == [60]


def test_while_our_own_link_is_down_clocks_pause() -> None:
    story = Story(present())
    story.online()
    story.offline()
    story.pass_time(20)
    story.engine.pause()
    story.at_s += 25
    story.pass_time(15)
    assert story.fired == [57]


def test_a_removed_node_takes_its_alerts_with_it() -> None:
    story = Story(hot(**{"for": "0s"}))
    story.play("95x2")
    story.fold(Address(Kind.STATUS, NODE), b"")
    story.apply(story.engine.remove_node(NODE))
    story.tick()
    assert [reason for _, reason in story.ended] == ["node_removed"]
    assert [kind for _, kind, _ in story.told] == [FIRE, MailKind.CLOSED]


def test_a_reminder_comes_while_nothing_changes() -> None:
    story = Story(present(**{"for": "0s", "group_wait": "0s", "repeat_interval": "1h"}))
    story.online()
    story.offline()
    story.pass_time(2 * 3600 + 10)
    assert [kind for _, kind, _ in story.told] == [FIRE, REMINDER, REMINDER]


VALUES = st.lists(
    st.tuples(
        st.sampled_from(["50", "85", "95", "_", "null", "error", "gone"]),
        st.sampled_from(["", "restart", "lost", "pause"]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 6))
def test_nothing_fires_unless_breached_for_long_enough_and_every_fire_has_at_most_one_end(
    happenings: list[tuple[str, str]], for_intervals: int
) -> None:
    story = Story(hot(**{"for": f"{10 * for_intervals}s", "group_wait": "0s"}))
    held_s, last_s = 0.0, None
    for step, besides in happenings:
        if besides == "restart":
            story.restart(down_s=30)
        elif besides == "lost":
            story.offline()
        elif besides == "pause":
            story.engine.pause()
        if besides in {"restart", "pause"}:
            last_s = None
        fired, began_s = len(story.fired), story.at_s
        was_firing = any(alert.is_told for alert in story.engine)
        story.play(step)
        if step == "95":
            span_s = 0.0 if last_s is None else began_s - last_s
            held_s += span_s if span_s <= 45 else 0
            last_s = began_s
        if len(story.fired) > fired:
            assert step == "95"
            assert not was_firing
            assert held_s >= 10 * for_intervals
        if step in {"50", "85"}:
            held_s, last_s = 0.0, None
    for incident in {told[2] for told in story.told}:
        kinds = [kind for _, kind, name in story.told if name == incident]
        # What fires again and again is told as flapping, instead.
        assert kinds[0] in {FIRE, MailKind.FLAPPING}
        assert kinds.count(kinds[0]) == 1
        assert kinds.count(END) <= 1
        assert END not in kinds[:-1]
