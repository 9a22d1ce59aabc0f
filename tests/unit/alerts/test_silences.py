"""Whom a silence means, and when."""

import pytest

from rollcall.alerts.silences import Silence, Silences
from rollcall.alerts.state import Key

KEY = Key("disk_full", "web-3", "/var")


def silence(*nodes: str, rule: str = "*", instance: str = "*", name: str = "S1AB") -> Silence:
    return Silence(name, nodes, rule, instance, starts_at=1000, ends_at=2000)


def held(*silences: Silence, at: float = 1500) -> dict[Key, str]:
    return Silences(silences).held(
        [KEY],
        lambda _node: {"role": "web"},
        lambda group, node: (group, node) == ("pis", "web-3"),
        at,
    )


@pytest.mark.parametrize(
    ("one", "meant"),
    [
        pytest.param(silence("web-3"), True, id="by name"),
        pytest.param(silence("web-*"), True, id="by glob"),
        pytest.param(silence("db-*", "web-*"), True, id="the second of two"),
        pytest.param(silence("db-*"), False, id="another node"),
        pytest.param(silence("label:role=web"), True, id="by label"),
        pytest.param(silence("label:role=db"), False, id="another label"),
        pytest.param(silence("group:pis"), True, id="by group"),
        pytest.param(silence("group:webs"), False, id="another group"),
        pytest.param(silence("*", rule="disk_*"), True, id="by rule"),
        pytest.param(silence("*", rule="cpu_*"), False, id="another rule"),
        pytest.param(silence("*", instance="/var"), True, id="by instance"),
        pytest.param(silence("*", instance="/"), False, id="another instance"),
    ],
)
def test_a_silence_means(one: Silence, meant: object) -> None:
    assert (KEY in held(one)) is meant


@pytest.mark.parametrize(("at", "holds"), [(999, False), (1000, True), (1999, True), (2000, False)])
def test_a_silence_holds_from_its_beginning_to_its_end(at: float, holds: object) -> None:
    assert bool(held(silence("*"), at=at)) is holds


def test_a_silence_says_until_when() -> None:
    assert held(silence("*")) == {KEY: "silenced until 1970-01-01 00:33:20 UTC (S1AB)"}


def test_what_is_over_is_taken_out_once() -> None:
    silences = Silences([silence("*"), silence("*", name="S2CD")])
    assert silences.end("S2CD") is not None
    assert silences.end("S2CD") is None
    assert [one.id for one in silences.take_ended(2000)] == ["S1AB"]
    assert silences.take_ended(2000) == []
