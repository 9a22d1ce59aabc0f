"""A table of stories: what happens, and which mails leave when, on a clock that the test holds."""

from collections.abc import Callable
from typing import Any

import pytest

from rollcall.alerts.grouping import Acknowledgement
from rollcall.alerts.state import Key
from rollcall.broker.topics import Address, Kind
from tests.support.alert_stories import NODE, Story

Mails = list[tuple[float, str]]
Script = Callable[[Story], object]

CPU = Key("cpu_high", NODE)
THIRTY = [f"a-{number:02}" for number in range(30)]


def only(**rules: dict[str, Any]) -> dict[str, Any]:
    """A document in which only these rules hold."""
    names = ("node_offline", "cpu_high", "memory_low", "disk_filling", "disk_full", "disk_forecast")
    off = {name: {"enabled": False} for name in (*names, "too_hot")}
    return {"rules": off | rules}


def hot(**keys: Any) -> dict[str, Any]:
    rule = {"enabled": True, "threshold": 90, "clear": 80, "for": "1m"}
    return only(cpu_high=rule | keys)


def present(**keys: Any) -> dict[str, Any]:
    return only(node_offline={"enabled": True} | keys)


def both(**keys: Any) -> dict[str, Any]:
    return {"rules": hot(**keys)["rules"] | {"node_offline": {"enabled": True}}}


def gone(**keys: Any) -> dict[str, Any]:
    return only(quiet={"kind": "absence", "metric": "cpu.percent"} | keys)


def thirty_wills(story: Story) -> None:
    for node in [*THIRTY, "b-01"]:
        story.online(node)
    story.pass_time(10)
    for number, node in enumerate(THIRTY):
        story.offline(node=node)
        if number % 4 == 3:
            story.pass_time(1)
    _keep_alive(story, ["b-01"], 92)
    _keep_alive(story, [*THIRTY[3:], "b-01"], 400)
    _keep_alive(story, [*THIRTY, "b-01"], 60)


def _keep_alive(story: Story, nodes: list[str], seconds: int) -> None:
    for _ in range(seconds // 10):
        for node in nodes:
            story.online(node)
        story.pass_time(10)


def lost_while_hot(story: Story) -> None:
    story.play("50 95")
    story.offline()
    story.play("_x12")
    story.play("95x14 70")


def held_back_until_two_samples(story: Story) -> None:
    story.play("95x6")
    story.offline()
    story.pass_time(200)
    story.online()
    _keep_alive(story, [NODE], 60)
    story.play("95x4")


def broker_restart(story: Story) -> None:
    nodes = THIRTY[:5]
    _keep_alive(story, nodes, 20)
    story.engine.pause()
    story.at_s += 5
    story.cluster.connected(story.now)
    story.engine.connected(story.now)
    for node in nodes:
        story.offline(node=node, replayed=True)
    story.pass_time(35)
    _keep_alive(story, nodes, 120)


def link_down_ten_minutes(story: Story) -> None:
    story.play("95x4")
    story.engine.pause()
    story.at_s += 600
    story.engine.connected(story.now)
    story.cluster.connected(story.now)
    story.play("95x6")


def silence_ends(story: Story) -> None:
    story.silenced = {CPU: "silenced"}
    story.play("95x29")
    story.silenced = {}
    story.play("95x9")


def silenced_to_the_end(story: Story) -> None:
    story.play("95x9")
    story.silenced = {CPU: "silenced"}
    story.play("95x9 70x5")
    story.silenced = {}
    story.play("70x5")


def acknowledged(story: Story, *, joins: bool) -> None:
    story.online("web-1")
    story.play("95x9")
    incident = story.incidents.of(CPU)
    assert incident is not None
    story.incidents.put(
        type(incident)(**{**_fields(incident), "acknowledged": Acknowledgement(story.now.wall_s)})
    )
    story.play("95x40")
    if joins:
        for _ in range(8):
            story.online("web-1")
            story.report("99", node="web-1")
            story.play("95")
    story.play("95x10 70")


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def restarted_while_it_flaps(story: Story) -> None:
    story.play("95 70 95 70 95 70")
    story.restart(down_s=60)
    story.play("70x40")


def replaced_session(story: Story) -> None:
    story.online(session=1)
    story.pass_time(5)
    story.online(session=2)
    story.offline(session=1)
    _keep_alive(story, [NODE], 100)


def will_before_the_birth_that_follows(story: Story) -> None:
    story.online(session=1)
    story.pass_time(5)
    story.offline(session=1)
    story.pass_time(1)
    story.online(session=2)
    _keep_alive(story, [NODE], 100)


def retained_will_of_a_dead_node(story: Story) -> None:
    story.cluster.connected(story.now)
    story.engine.connected(story.now)
    story.online(replayed=True)
    story.offline(replayed=True)
    story.pass_time(100)


def wall_clock_steps(story: Story, seconds: float) -> None:
    story.play("95x4")
    story.wall_ahead_s = seconds
    story.clock_behind_s = -seconds
    story.play("95x4")


def wall_clock_steps_back_while_it_waits(story: Story) -> None:
    story.play("95x8")
    story.wall_ahead_s = -7200
    story.clock_behind_s = 7200
    story.play("70")


def a_rule_goes(story: Story) -> None:
    story.play("95x8")
    story.adopt(hot(enabled=False))
    story.pass_time(10)


def a_rule_asks_for_less(story: Story) -> None:
    story.play("85x3")
    story.adopt(hot(threshold=80, clear=70, **{"for": "0s"}))
    story.pass_time(9)
    story.play("85x3")


def a_limit_is_raised_over_a_firing_value(story: Story) -> None:
    story.play("95x8")
    story.adopt(hot(threshold=99, clear=97))
    story.pass_time(5)


def a_rule_waits_for_longer(story: Story) -> None:
    story.play("95x8")
    story.adopt(hot(**{"for": "1h"}))
    story.play("95x8 70")


def a_rule_waits_for_less(story: Story) -> None:
    story.play("95x3")
    story.adopt(hot(**{"for": "20s"}))
    story.play("95x4")


def a_severity_changes(story: Story) -> None:
    story.play("95x8")
    story.adopt(hot(severity="critical"))
    story.play("95x3 70")


def reboot(story: Story, back_after_s: int) -> None:
    story.online()
    story.offline("reboot")
    story.pass_time(back_after_s)
    story.session += 1
    _keep_alive(story, [NODE], 100)


def disk_full_while_filling(story: Story) -> None:
    story.play("88x6", instance="/", metric="disk.used_percent")
    story.play("96x9", instance="/", metric="disk.used_percent")
    story.play("88x6", instance="/", metric="disk.used_percent")
    story.play("50", instance="/", metric="disk.used_percent")


def removed(story: Story) -> None:
    story.play("95x8")
    story.fold(Address(Kind.STATUS, NODE), b"")
    story.apply(story.engine.remove_node(NODE))
    story.tick()


def report_of_before(story: Story) -> None:
    story.play("50x3")
    story.clock_behind_s = 120
    story.online()
    story.report("99")
    story.clock_behind_s = 0
    story.play("50x3")


def number_of_before(story: Story) -> None:
    story.play("50x3")
    story.online()
    story.report("99", seq=1)
    story.play("50x3")


def silent_series(story: Story) -> None:
    story.play("50x3")
    for _ in range(30):
        story.online()
        story.pass_time(10)
    story.play("50x3")


def silent_series_of_a_node_that_is_away(story: Story) -> None:
    story.play("50x3")
    story.offline("stopped")
    story.pass_time(3600)
    story.play("50x3")


def named_and_never_heard(story: Story) -> None:
    _keep_alive(story, [NODE], 300)


TWICE_FLAPPING = [(10, "fire"), (60, "end"), (130, "fire"), (180, "end")]
FAST = {"for": "0s"}
NO_KEEP = {"keep_firing_for": "0s"}

STORIES: list[Any] = [
    pytest.param(hot(), lambda s: s.play("50x2 95x4 70x9"), [], id="a busy spell within for"),
    pytest.param(hot(), lambda s: s.play("95x8"), [(70, "fire")], id="busy for as long as for"),
    pytest.param(
        hot(),
        lambda s: s.play("95x6 85x20 79"),
        [(70, "fire"), (280, "end")],
        id="between limit and clear it fires on",
    ),
    pytest.param(
        hot(keep_firing_for="30s"),
        lambda s: s.play("95x6 70x2 95 70x3"),
        [(70, "fire"), (140, "end")],
        id="a short recovery is no end",
    ),
    pytest.param(
        hot(group_wait="20s", **FAST),
        lambda s: s.play("95 70x5"),
        [],
        id="over before the first mail",
    ),
    pytest.param(
        hot(**FAST, send_resolved=False),
        lambda s: s.play("95x2 70x5"),
        [(10, "fire")],
        id="a rule that does not tell its end",
    ),
    pytest.param(
        hot(),
        lambda s: s.play("95x25 _x9000"),
        [(70, "fire"), (43_270, "reminder"), (86_470, "reminder")],
        id="firing for a day: two reminders",
    ),
    pytest.param(
        present(),
        thirty_wills,
        [(71, "fire"), (371, "partial"), (538, "end")],
        id="thirty wills in eight seconds, 27 back, 3 back: one mail, partial, end",
    ),
    pytest.param(
        both(),
        lost_while_hot,
        [(61, "fire"), (171, "end"), (210, "fire"), (290, "end")],
        id="lost while hot: quiet; back and hot: told; cool: its end told",
    ),
    pytest.param(
        both(group_wait="2m", group_wait_max="2m"),
        held_back_until_two_samples,
        [(111, "fire"), (301, "end"), (340, "fire")],
        id="what an outage held back is told after two fresh samples",
    ),
    pytest.param(present(), broker_restart, [], id="the broker restarts, all are back in 40 s"),
    pytest.param(hot(), link_down_ten_minutes, [(680, "fire")], id="our link is down: clocks wait"),
    pytest.param(hot(), silence_ends, [(300, "fire")], id="a silence ends, it still fires"),
    pytest.param(
        hot(),
        silenced_to_the_end,
        [(70, "fire"), (260, "end")],
        id="an end within a silence is told after it",
    ),
    pytest.param(
        hot(repeat_interval="2m"),
        lambda s: acknowledged(s, joins=False),
        [(70, "fire"), (620, "end")],
        id="acknowledged: no reminder, the end is told",
    ),
    pytest.param(
        hot(repeat_interval="0s"),
        lambda s: acknowledged(s, joins=True),
        [(70, "fire"), (570, "partial")],
        id="a new member ends an acknowledgement",
    ),
    pytest.param(
        hot(**FAST),
        lambda s: s.play("95 70 95 70 95 70x40"),
        [*TWICE_FLAPPING, (250, "flapping"), (1980, "settled")],
        id="it flaps: told once, then when it has settled",
    ),
    pytest.param(
        hot(**FAST, flap={"window": "30m", "start": 50}),
        lambda s: s.play("95 70 95 70 95 70x3"),
        [*TWICE_FLAPPING, (250, "fire"), (300, "end")],
        id="what the rule does not call flapping",
    ),
    pytest.param(
        hot(**FAST),
        restarted_while_it_flaps,
        [*TWICE_FLAPPING, (250, "flapping"), (1980, "settled")],
        id="a restart while it flaps changes nothing",
    ),
    pytest.param(
        hot(**FAST),
        lambda s: s.play("95 70 95 70 95 70 95x40"),
        [*TWICE_FLAPPING, (250, "flapping"), (2040, "settled")],
        id="it settles while it fires",
    ),
    pytest.param(present(), replaced_session, [], id="the will of a session that was replaced"),
    pytest.param(
        present(), will_before_the_birth_that_follows, [], id="back in the next session at once"
    ),
    pytest.param(
        present(),
        retained_will_of_a_dead_node,
        [(70, "fire")],
        id="a retained will of before is told after the hold-down",
    ),
    pytest.param(
        hot(), lambda s: wall_clock_steps(s, 86_400), [(70, "fire")], id="our clock steps ahead"
    ),
    pytest.param(
        hot(), lambda s: wall_clock_steps(s, -86_400), [(70, "fire")], id="our clock steps back"
    ),
    pytest.param(
        hot(),
        wall_clock_steps_back_while_it_waits,
        [(70, "fire"), (90, "end")],
        id="our clock steps back while it fires",
    ),
    pytest.param(hot(), a_rule_goes, [(70, "fire"), (91, "closed")], id="the rule is disabled"),
    pytest.param(
        hot(),
        a_rule_asks_for_less,
        [(51, "fire")],
        id="a lower limit judges the newest value at once",
    ),
    pytest.param(
        hot(),
        a_limit_is_raised_over_a_firing_value,
        [(70, "fire"), (91, "end")],
        id="a higher limit ends at once",
    ),
    pytest.param(
        hot(),
        a_rule_waits_for_longer,
        [(70, "fire"), (180, "end")],
        id="a longer for demotes nobody",
    ),
    pytest.param(hot(), a_rule_waits_for_less, [(50, "fire")], id="a shorter for fires earlier"),
    pytest.param(
        hot(), a_severity_changes, [(70, "fire"), (130, "end")], id="another severity: no mail"
    ),
    pytest.param(present(), lambda s: reboot(s, 300), [], id="a reboot within its grace"),
    pytest.param(
        present(),
        lambda s: reboot(s, 900),
        [(641, "fire"), (931, "end")],
        id="a reboot that takes too long",
    ),
    pytest.param(
        present(on=["stopped"], **NO_KEEP),
        lambda s: (s.online(), s.offline("stopped"), s.pass_time(60)),
        [(41, "fire")],
        id="a stop, where the rule minds it",
    ),
    pytest.param(
        present(), lambda s: (s.online(), s.pass_time(100)), [(86, "fire")], id="a node that hangs"
    ),
    pytest.param(
        only(
            disk_filling={"enabled": True, "for": "30s"},
            disk_full={"enabled": True, "for": "30s"},
        ),
        disk_full_while_filling,
        [(40, "fire"), (110, "fire"), (170, "end"), (240, "end")],
        id="full inhibits filling, which was told before",
    ),
    pytest.param(hot(), removed, [(70, "fire"), (90, "closed")], id="the node is removed"),
    pytest.param(hot(**FAST), report_of_before, [], id="late data is no sample"),
    pytest.param(hot(**FAST), number_of_before, [], id="a number that was seen is no sample"),
    pytest.param(
        gone(),
        silent_series,
        [(206, "fire"), (340, "end")],
        id="a series is silent on a node that is online",
    ),
    pytest.param(
        gone(),
        silent_series_of_a_node_that_is_away,
        [],
        id="the silence of a node is not a series'",
    ),
    pytest.param(
        gone(instances=["/backup"]),
        named_and_never_heard,
        [(177, "fire")],
        id="an instance that is named and was never heard",
    ),
    pytest.param(
        hot(no_data="fire", **FAST),
        silent_series,
        [(86, "fire"), (340, "end")],
        id="no data is a breach, where the rule says so",
    ),
    pytest.param(
        hot(no_data="resolve", **FAST),
        lambda s: (s.play("95x3"), [(s.online(), s.pass_time(10)) for _ in range(9)]),
        [(10, "fire"), (76, "closed")],
        id="no data ends, where the rule says so",
    ),
    pytest.param(
        hot(no_data="hold", **FAST),
        lambda s: (s.play("95x3"), [(s.online(), s.pass_time(10)) for _ in range(9)]),
        [(10, "fire")],
        id="no data holds",
    ),
    pytest.param(
        hot(group_by=["node"], **FAST),
        lambda s: s.play("95x3"),
        [(10, "fire")],
        id="grouped by node",
    ),
]


@pytest.mark.parametrize(("document", "script", "mails"), STORIES)
def test_the_mails_of_a_story(document: dict[str, Any], script: Script, mails: Mails) -> None:
    story = Story(document, interval_s=60 if "flap" in str(mails) or _flaps(document) else 10)
    script(story)
    assert story.mails == mails


def _flaps(document: dict[str, Any]) -> bool:
    return "flap" in document["rules"]["cpu_high"]


def test_there_are_at_least_forty_stories() -> None:
    assert len(STORIES) >= 40
