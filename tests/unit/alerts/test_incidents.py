"""Which alerts are one incident, what holds a member back, and what comes and goes."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from rollcall.alerts.flapping import Flapping
from rollcall.alerts.grouping import Group, MailKind, group_of
from rollcall.alerts.incidents import Incidents, timing_of
from rollcall.alerts.inhibition import Inhibition
from rollcall.alerts.rules import Flap, Limit, Presence, Rule, Series, Timing
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now

LABELS = {"a": {"rack": "1"}, "b": {"rack": "1"}, "c": {"rack": "2"}}


def rule(name: str, **keys: Any) -> Rule:
    known: dict[str, Any] = {"question": Limit(">", 90), "series": Series("cpu.percent")}
    return Rule(name, keys.pop("severity", "warning"), 0, **(known | keys))


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def firing(key: Key, samples: int = 1) -> Alert:
    return Alert(key, AlertState.FIRING, 0, 95, "hot", 0, samples=samples)


class Told:
    """Incidents of some rules, with the mails that would leave."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = {each.name: each for each in rules}
        numbers = itertools.count(1)
        self.incidents = Incidents(lambda _bits: next(numbers))
        self.held: Mapping[Key, str] = {}

    def rule_of(self, key: Key) -> Rule | None:
        return self.rules.get(key.rule)

    def fires(self, rule_name: str, node: str, seconds: float = 0) -> Key:
        key = Key(rule_name, node)
        self._take(Change(key, None, firing(key)), seconds)
        return key

    def ends(self, key: Key, seconds: float) -> None:
        self._take(Change(key, firing(key), None, "recovered", "cool"), seconds)

    def _take(self, change: Change, seconds: float) -> None:
        self.incidents.take([change], self.rule_of, lambda node: LABELS[node], at(seconds))

    def mails(self, seconds: float, *, quiet: bool = False) -> list[tuple[MailKind | None, int]]:
        found = []
        due = self.incidents.due(self.rule_of, self.held, at(seconds), quiet=quiet)
        for incident, decision in due:
            found.append((decision.kind, len(incident.members)))
            self.incidents.told(incident, at(seconds), self.held)
        return found


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        pytest.param(("rule",), (("rule", "hot"),), id="by rule"),
        pytest.param(("node", "severity"), (("node", "a"), ("severity", "warning")), id="by node"),
        pytest.param(("label:rack",), (("label:rack", "1"),), id="by a label"),
        pytest.param(("label:room",), (("label:room", ""),), id="by a label that it lacks"),
        pytest.param((), (), id="all in one"),
    ],
)
def test_an_alert_belongs_where_group_by_says(
    group_by: tuple[str, ...], expected: tuple[tuple[str, str], ...]
) -> None:
    hot = rule("hot", group_by=group_by, receivers=("ops", "default"))
    assert group_of(hot, Key("hot", "a"), LABELS["a"]) == Group(("default", "ops"), expected)


def test_rules_grouped_by_node_are_one_incident_a_node() -> None:
    both = Told(rule("hot", group_by=("node",)), rule("full", group_by=("node",)))
    both.fires("hot", "a")
    both.fires("full", "a")
    both.fires("full", "b")
    assert sorted(both.mails(30), key=lambda mail: mail[1]) == [
        (MailKind.FIRE, 1),
        (MailKind.FIRE, 2),
    ]
    assert [incident.rule for incident in both.incidents.open] == ["several rules", "full"]


def test_nodes_of_a_rack_are_one_incident_a_rack() -> None:
    racks = Told(rule("hot", group_by=("label:rack",)))
    for node in "abc":
        racks.fires("hot", node)
    assert sorted(members for _, members in racks.mails(30)) == [1, 2]


def test_other_receivers_and_info_are_incidents_of_their_own() -> None:
    apart = Told(
        rule("hot", group_by=()),
        rule("full", group_by=(), receivers=("ops",)),
        rule("dusty", group_by=(), severity="info"),
    )
    for name in apart.rules:
        apart.fires(name, "a")
    assert len(apart.incidents.open) == 3


def test_the_shortest_times_of_the_members_rules_count() -> None:
    timings = (Timing(10, 30, 300, 0), Timing(5, 40, 60, 7200))
    both = Told(*(rule(name, group_by=(), timing=t) for name, t in zip("xy", timings, strict=True)))
    both.fires("x", "a")
    key = both.fires("y", "a")
    incident = both.incidents.of(key)
    assert incident is not None
    assert timing_of(incident, both.rule_of) == Timing(5, 30, 60, 7200)


def test_who_is_held_back_is_told_when_it_no_longer_is() -> None:
    two = Told(rule("hot"))
    two.fires("hot", "a")
    held = two.fires("hot", "b")
    two.held = {held: "silenced"}
    assert two.mails(30) == [(MailKind.FIRE, 2)]
    assert two.mails(1000) == []
    two.held = {}
    assert two.mails(1001) == [(MailKind.UPDATE, 2)]


def test_the_end_waits_for_those_who_are_held_back() -> None:
    two = Told(rule("hot"))
    keys = [two.fires("hot", node) for node in "ab"]
    assert two.mails(30) == [(MailKind.FIRE, 2)]
    for key in keys:
        two.ends(key, 40)
    two.held = {keys[1]: "silenced"}
    assert two.mails(50) == []
    two.held = {}
    assert two.mails(60) == [(MailKind.END, 2)]


def test_what_began_and_ended_while_it_was_held_back_is_told_to_nobody() -> None:
    one = Told(rule("hot"))
    key = one.fires("hot", "a")
    one.held = {key: "silenced"}
    assert one.mails(100) == []
    one.ends(key, 200)
    one.held = {}
    assert one.mails(300) == []
    assert one.incidents.open == []


def test_for_a_while_after_connecting_only_being_blind_is_told() -> None:
    one = Told(rule("hot"))
    one.fires("hot", "a")
    assert one.mails(30, quiet=True) == []
    assert one.mails(31) == [(MailKind.FIRE, 1)]


def test_a_rule_inhibits_on_its_node_and_for_its_instance_alone() -> None:
    rules = {
        "full": rule("full", inhibits=("filling",)),
        "filling": rule("filling"),
        "away": Rule("away", "critical", 0, question=Presence(), inhibits=("*",)),
        "gone": Rule("gone", "critical", 0, question=Presence()),
    }
    keys = [
        Key("full", "a", "/"),
        Key("filling", "a", "/"),
        Key("filling", "a", "/data"),
        Key("filling", "b", "/"),
        Key("away", "c"),
        Key("gone", "c"),
        Key("full", "c", "/"),
    ]
    held = Inhibition().step([firing(key) for key in keys], lambda key: rules[key.rule])
    assert held == {keys[1]: "inhibited by full", keys[6]: "inhibited by away"}


def test_what_was_inhibited_waits_for_two_fresh_samples() -> None:
    rules = {"full": rule("full", inhibits=("filling",)), "filling": rule("filling")}
    full, filling = Key("full", "a"), Key("filling", "a")
    inhibition = Inhibition()

    def held(*alerts: Alert) -> set[Key]:
        return set(inhibition.step(alerts, lambda key: rules[key.rule]))

    assert held(firing(full), firing(filling, 5)) == {filling}
    assert held(firing(filling, 6)) == {filling}
    assert held(firing(filling, 7)) == set()
    assert held(firing(full), firing(filling, 8)) == {filling}
    assert held() == set()


@pytest.mark.parametrize(
    ("turns", "asked_at", "expected"),
    [
        pytest.param([0, 10, 20, 30], 40, [], id="too few"),
        pytest.param([0, 10, 20, 30, 40], 50, [True], id="enough"),
        pytest.param([0, 10, 20, 30, 2000], 2010, [], id="some are too old"),
        pytest.param([9000, 9001, 9002, 9003, 9004], 10, [], id="of a clock that was set back"),
    ],
)
def test_an_alert_flaps_by_its_turns_within_the_window(
    turns: list[float], asked_at: float, expected: list[bool]
) -> None:
    flapping, key = Flapping(), Key("hot", "a")
    fires, over = Change(key, None, firing(key)), Change(key, firing(key), None, "recovered")
    for number, seconds in enumerate(turns):
        flapping.note(over if number % 2 else fires, seconds)
    found = flapping.step(lambda _key: Flap(), asked_at)
    assert [flaps for _, flaps in found] == expected


def test_a_rule_that_goes_is_no_turn() -> None:
    flapping, key = Flapping(), Key("hot", "a")
    for second in range(10):
        flapping.note(Change(key, firing(key), None, "rule_removed"), second)
    assert flapping.step(lambda _key: Flap(), 11) == []
