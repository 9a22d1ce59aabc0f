"""Whether we see at all; what nodes share; which broker has restarted."""

import json
from typing import Any

import pytest

from rollcall.alerts import blindness
from rollcall.alerts.blindness import Blindness
from rollcall.alerts.broker_uptime import BrokerUptime
from rollcall.alerts.fleet_in_force import FleetInForce
from rollcall.alerts.notice import Shared
from rollcall.alerts.rules import BLIND, blindness_rule
from rollcall.alerts.shared_label import shared_by
from rollcall.broker.messages import Info
from rollcall.broker.node_view import NodeState, NodeView, Now


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def seeing() -> Blindness:
    watch = Blindness(blindness_rule(60))
    watch.linked(at(0))
    assert watch.step(at(1)) == []
    return watch


def told(watch: Blindness, begin: int, end: int) -> list[tuple[int, str]]:
    """Step each second; give what begins and ends, and when."""
    found = []
    for second in range(begin, end):
        for change in watch.step(at(second)):
            assert change.key == blindness.KEY
            found.append((second, "blind" if change.after else "sees"))
    return found


def test_a_link_that_is_back_within_a_minute_is_not_told() -> None:
    watch = seeing()
    watch.lost()
    assert not watch.sees(at(2))
    assert told(watch, 2, 60) == []
    watch.linked(at(60))
    assert told(watch, 60, 100) == []


def test_a_link_that_is_down_for_ten_minutes_is_told_once_and_once_when_it_is_back() -> None:
    watch = seeing()
    watch.lost()
    assert told(watch, 2, 600) == [(62, "blind")]
    watch.linked(at(600))
    assert told(watch, 600, 640) == [(600, "sees")]


def test_what_does_not_come_back_to_us_makes_us_blind_after_45_seconds() -> None:
    watch = seeing()
    for second in range(0, 100, 15):
        watch.echoed(at(second))
    assert watch.sees(at(90 + 44))
    assert not watch.sees(at(90 + 45))
    (change,) = [each for second in range(100, 200) for each in watch.step(at(second))]
    assert change.after is not None
    assert "hands nothing back" in change.after.summary
    watch.echoed(at(200))
    assert told(watch, 200, 203) == [(200, "sees")]


def test_a_restart_while_blind_tells_nothing_twice() -> None:
    watch = Blindness(blindness_rule(60))
    watch.restore(1_000_000)
    assert told(watch, 0, 200) == []
    watch.linked(at(200))
    assert told(watch, 200, 202) == [(200, "sees")]
    assert watch.rule.name == BLIND


@pytest.mark.parametrize(
    ("figures", "restarts"),
    [
        pytest.param([(0, "100 seconds"), (10, "110 seconds")], 0, id="it goes on"),
        pytest.param([(0, "100 seconds"), (10, "5 seconds")], 1, id="it has fallen"),
        pytest.param([(0, "100 seconds"), (15, "100 seconds")], 0, id="an old figure"),
        pytest.param([(0, "100 seconds"), (10, "what"), (20, "120 seconds")], 0, id="nonsense"),
    ],
)
def test_a_broker_has_restarted_when_its_uptime_falls(
    figures: list[tuple[float, str]], restarts: int
) -> None:
    uptime = BrokerUptime()
    found = [uptime.has_fallen(figure.encode(), at(seconds)) for seconds, figure in figures]
    assert sum(found) == restarts


def view(name: str, *, up: bool = True, **labels: str) -> NodeView:
    info = Info(hostname=name, agent="1", interval=10, labels=labels)
    state = NodeState.ONLINE if up else NodeState.OFFLINE
    return NodeView(name, state, None, None, None, False, 10, info, {})


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(["a", "b"], Shared("rack=1", ("c",)), id="a rack, and who of it is up"),
        pytest.param(["a", "b", "c"], Shared("rack=1", ()), id="the whole rack"),
        pytest.param(["a", "d"], Shared("role=web", ()), id="the narrowest of what they share"),
        pytest.param(["b", "e"], Shared("group lab", ("f",)), id="a group, where no label does"),
        pytest.param(["a", "e"], None, id="nothing but what all have"),
    ],
)
def test_nodes_are_told_by_what_they_share(nodes: list[str], expected: Shared | None) -> None:
    views = {
        each.name: each
        for each in (
            view("a", rack="1", site="x", role="web"),
            view("b", rack="1", site="x"),
            view("c", rack="1", site="x"),
            view("d", rack="2", site="x", role="web"),
            view("e", rack="2", site="x"),
            view("f", site="x"),
        )
    }

    def groups_of(name: str, _labels: object) -> set[str]:
        return {"lab"} if name in {"b", "e", "f"} else set()

    assert shared_by(nodes, views, groups_of) == expected


def fleet_message(document: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"revision": 7, "digest": "x", "document": document, **more}).encode()


def test_a_document_in_force_names_its_revision_and_where_rules_stand() -> None:
    in_force = FleetInForce()
    assert in_force.take(fleet_message({}, file="fleet.toml", lines={"cpu_high": 41}))
    assert in_force.source == "fleet revision 7"
    assert in_force.places == {"cpu_high": "fleet.toml:41"}
    assert not in_force.take(fleet_message({}, file="fleet.toml", lines={"cpu_high": 41}))


def test_a_document_with_a_mistake_leaves_the_old_one_and_is_named() -> None:
    in_force = FleetInForce()
    good = fleet_message({"rules": {"cpu_high": {"for": "1m"}}})
    assert in_force.take(good)
    assert in_force.remarks == ["rule cpu_high holds nowhere: no template or node names it"]
    assert not in_force.take(fleet_message({"rules": {"cpu_high": {"fro": "1m"}}}))
    assert in_force.payload == good
    assert 'did you mean "for"' in in_force.faults[0]
    assert not in_force.take(b"{")
    assert in_force.faults
    assert in_force.take(b"")
    assert in_force.source == "built-in rules"
