"""Whether a mail is due, and why or why not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.alerts.grouping import (
    ID_BITS,
    Decision,
    Incident,
    MailKind,
    due,
    incident_id,
    opened,
    scope_of,
)
from rollcall.alerts.rules import Rule, Timing
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now

RULE = Rule("node_offline", "critical", 30)


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def fired(incident: Incident, node: str, seconds: float = 0, instance: str = "") -> Incident:
    key = Key(RULE.name, node, instance)
    alert = Alert(key, AlertState.FIRING, 0, None, "lost", 0)
    return incident.with_change(Change(key, None, alert), at(seconds))


def ended(incident: Incident, node: str, seconds: float) -> Incident:
    key = Key(RULE.name, node)
    return incident.with_change(Change(key, None, None, "recovered", "online"), at(seconds))


def incident_with(*nodes: str) -> Incident:
    incident = opened(RULE, 1, at(0))
    for node in nodes:
        incident = fired(incident, node)
    return incident


ONE = incident_with("a")
TOLD = ONE.with_mail(at(10))
TWO_TOLD = incident_with("a", "b").with_mail(at(15))


@pytest.mark.parametrize(
    ("incident", "seconds", "expected"),
    [
        pytest.param(ONE, 9.9, None, id="the group may still grow"),
        pytest.param(ONE, 10, MailKind.FIRE, id="the group has waited"),
        pytest.param(incident_with("a", "b", "c"), 19, None, id="each member adds five seconds"),
        pytest.param(incident_with("a", "b", "c"), 20, MailKind.FIRE, id="three have waited"),
        pytest.param(incident_with(*"abcdefgh"), 30, MailKind.FIRE, id="no longer than 30 s"),
        pytest.param(ended(ONE, "a", 5), 100, None, id="over before the first mail"),
        pytest.param(TOLD, 4000, None, id="told, and nothing has changed"),
        pytest.param(ended(TOLD, "a", 11), 11, MailKind.END, id="the last one is over: at once"),
        pytest.param(fired(TOLD, "b", 20), 309, None, id="an update has to wait"),
        pytest.param(fired(TOLD, "b", 20), 310, MailKind.UPDATE, id="an update after five minutes"),
        pytest.param(ended(TWO_TOLD, "a", 20), 100, None, id="one of two is over: it waits"),
        pytest.param(ended(TWO_TOLD, "a", 20), 315, MailKind.UPDATE, id="one of two is over"),
        pytest.param(
            ended(fired(TOLD, "b", 20), "b", 30), 400, None, id="came and went between mails"
        ),
        pytest.param(
            fired(ended(TWO_TOLD, "a", 20), "a", 30), 400, None, id="went and came between mails"
        ),
        pytest.param(TOLD, 43_210, MailKind.REMINDER, id="twelve hours of the same"),
    ],
)
def test_a_mail_is_due(incident: Incident, seconds: float, expected: MailKind | None) -> None:
    decision = due(incident, Timing(), at(seconds))
    assert decision.kind is expected
    assert decision.reason


def test_without_a_repeat_interval_nobody_is_reminded() -> None:
    assert due(TOLD, Timing(repeat_interval_s=0), at(1e9)) == Decision(None, "nothing has changed")


def test_a_pending_alert_does_not_join() -> None:
    key = Key(RULE.name, "b")
    pending = Alert(key, AlertState.PENDING, 0, None, "lost", 0)
    assert ONE.with_change(Change(key, None, pending), at(1)) is ONE


def test_the_scope_is_fixed_by_the_first_mail() -> None:
    assert fired(TOLD, "b").with_mail(at(400)).scope == "a"


@pytest.mark.parametrize(
    ("members", "scope"),
    [
        ([("a", "")], "a"),
        ([("a", "/")], "a /"),
        ([("a", "/"), ("a", "/mnt")], "a"),
        ([("a", ""), ("b", "")], "several nodes"),
    ],
)
def test_a_scope_names_what_it_is_about(members: list[tuple[str, str]], scope: str) -> None:
    incident = opened(RULE, 1, at(0))
    for node, instance in members:
        incident = fired(incident, node, instance=instance)
    assert scope_of(incident.firing) == scope


@given(st.integers(0, 2**ID_BITS - 1))
def test_an_incident_id_is_six_characters_without_lookalikes(bits: int) -> None:
    made = incident_id(bits)
    assert len(made) == 6
    assert not set(made) & set("ILOU")


def test_different_bits_make_different_ids() -> None:
    assert [incident_id(0), incident_id(33), incident_id(2**ID_BITS - 1)] == [
        "000000",
        "000011",
        "ZZZZZZ",
    ]


def test_what_ended_untold_is_forgotten_with_the_next_mail() -> None:
    incident = ended(fired(TOLD, "b", 20), "b", 30)
    told = fired(incident, "c", 40).with_mail(at(400))
    assert {key.node for key in told.members} == {"a", "c"}
    assert replace(told, members={}).ended == []
