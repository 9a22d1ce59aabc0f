"""What holds in every story: nothing is told twice, nothing is forgotten, wherever it is cut."""

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.alerts.grouping import MailKind, Told
from rollcall.alerts.state import Key
from tests.support.alert_stories import NODE, Story

OTHER = "web-1"
QUICK: dict[str, Any] = {
    "group_interval": "30s",
    "group_wait": "10s",
    "flap": {"window": "2m", "start": 4, "stop": 1},
}
NO_RULES = ("memory_low", "disk_filling", "disk_full", "disk_forecast", "too_hot")
OFF = {name: {"enabled": False} for name in NO_RULES}


def document(for_s: int, **keys: Any) -> dict[str, Any]:
    cpu = {"threshold": 90, "clear": 80, "for": f"{for_s}s", **QUICK, **keys}
    return {"rules": OFF | {"cpu_high": cpu, "node_offline": {"for": "20s", **QUICK}}}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["50", "85", "95", "97", "_", "null", "error"]),
        st.sampled_from([NODE, OTHER]),
        st.sampled_from(
            ["", "", "", "lost", "restart", "pause", "silence", "edit", "remove", "echo"]
        ),
    ),
    max_size=50,
)


def happen(story: Story, step: str, node: str, besides: str) -> None:
    key = Key("cpu_high", node)
    if besides == "lost":
        story.offline(node=node)
    elif besides == "restart":
        story.restart(down_s=20)
    elif besides == "pause":
        story.engine.pause()
    elif besides == "silence" and key in story.silenced:
        del story.silenced[key]
    elif besides == "silence":
        story.silenced[key] = "silenced"
    elif besides == "edit":
        story.adopt(document(10, threshold=94))
    elif besides == "remove":
        story.apply(story.engine.remove_node(node))
    elif besides == "echo":
        story.cluster.connected(story.now)
        story.engine.connected(story.now)
    if step != "_" and besides != "lost":
        story.online(node)
        story.report(step, node=node)
    story.pass_time(10)


def calm_down(story: Story) -> None:
    story.silenced = {}
    for _ in range(60):
        for node in (NODE, OTHER):
            story.online(node)
            story.report("10", node=node)
        story.pass_time(10)


@pytest.mark.long
@settings(max_examples=80, deadline=None)
@given(STEPS, st.sampled_from([0, 20]), st.sampled_from(["rule", "node"]))
def test_an_alert_is_in_one_incident_and_told_in_turns_and_in_the_end_all_is_told(
    happenings: list[tuple[str, str, str]], for_s: int, grouped_by: str
) -> None:
    story = Story(document(for_s, group_by=[grouped_by]))
    for happening in happenings:
        happen(story, *happening)
        members = [key for incident in story.incidents.open for key in incident.members]
        assert len(members) == len(set(members))
        told_firing = {key for incident in story.incidents.open for key in incident.members}
        assert all(
            key in told_firing for key, said in story.said.items() if said[-1] is Told.FIRING
        )
    calm_down(story)
    assert story.incidents.open == []
    kinds = {kind for _, kind, _ in story.told}
    for said in story.said.values():
        words = [word for word in said if word is not Told.NOTHING]
        turns = [word for word, _ in groupby(words)]
        if turns[:1] == [Told.ENDED]:
            turns = turns[1:]
        assert turns == [Told.FIRING, Told.ENDED] * (len(turns) // 2)
        # Its end alone is told where people hear that it comes and goes while it is gone.
        assert len(turns) == len(words) or MailKind.FLAPPING in kinds


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["50", "85", "95", "_", "null", "error"]), max_size=40),
    st.lists(st.integers(0, 39), max_size=4),
)
def test_a_restart_anywhere_changes_no_mail(series: list[str], restarts: list[int]) -> None:
    def mails(cuts: list[int]) -> list[tuple[float, str]]:
        cpu = {"threshold": 90, "clear": 80, "for": "0s", "group_wait": "0s"}
        off = OFF | {"node_offline": {"enabled": False}}
        story = Story({"rules": off | {"cpu_high": cpu}})
        for number, step in enumerate(series):
            if number in cuts:
                story.restart(down_s=0)
            story.play(step)
        return story.mails

    assert mails(restarts) == mails([])


@settings(max_examples=80, deadline=None)
@given(STEPS, st.sampled_from([0, 10, 30, 60]))
def test_nothing_fires_unless_it_was_in_breach_for_as_long_as_for(
    happenings: list[tuple[str, str, str]], for_s: int
) -> None:
    story = Story(document(for_s))
    breached_s: dict[str, float] = {}
    for step, node, besides in happenings:
        if besides in {"edit", "remove"}:
            continue
        began_s, fired = story.at_s, _firing(story)
        happen(story, step, node, besides)
        if step in {"50", "85"} and besides != "lost":
            breached_s.pop(node, None)
        elif step in {"95", "97"} and besides != "lost":
            breached_s.setdefault(node, began_s)
        for name in _firing(story) - fired:
            assert began_s - breached_s[name] >= for_s


def _firing(story: Story) -> set[str]:
    return {
        alert.key.node for alert in story.engine if alert.is_told and alert.key.rule == "cpu_high"
    }
