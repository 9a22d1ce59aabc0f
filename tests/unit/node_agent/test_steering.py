"""What is in force on a node: its file, the fleet document over it, boosts over both."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.commands import CommandRefused
from rollcall.broker.messages import Fleet, encode
from rollcall.node_agent.collectors.process import ProcessOptions
from rollcall.node_agent.steering import Steering, wanted_here
from rollcall.service.settings import Agent as Settings

NODE: Final = "pi-3"
DOCUMENT: Final[dict[str, Any]] = {
    "groups": {"all": ["*"], "web": ["label:role=web"]},
    "templates": {
        "base": {"groups": ["all"], "collectors": {"cpu": {"interval": "5s"}}},
        "web": {
            "groups": ["web"],
            "collectors": {"process": {"groups": {"nginx": "nginx"}}},
        },
    },
    "nodes": {NODE: {"description": "rack 2, top", "collectors": {"network": {"enabled": False}}}},
}


def steering(**settings: Any) -> Steering:
    local = Settings(**settings)
    wanted, faults = wanted_here(local)
    assert faults == []
    return Steering(NODE, local, wanted)


def message(document: dict[str, Any], revision: int = 1) -> bytes:
    return encode(Fleet(revision=revision, digest=f"sha256:{revision}", document=document))


def with_cpu(**options: Any) -> dict[str, Any]:
    template = {"groups": ["all"], "collectors": {"cpu": options}}
    return {"groups": {"all": ["*"]}, "templates": {"base": template}}


def test_without_a_document_the_local_file_is_in_force_and_is_told() -> None:
    found = steering(collectors={"cpu": {"interval": "7s"}})
    assert found.options["cpu"].interval == 7
    applied = found.applied
    assert (applied.revision, applied.digest, applied.problems) == (0, "", [])
    assert applied.collectors["cpu"]["interval"] == 7
    assert applied.collectors["disk"]["enabled"] is True


def test_templates_of_its_groups_and_its_own_table_are_laid_over_the_local_file() -> None:
    found = steering(
        labels={"role": "web"}, collectors={"cpu": {"interval": "7s", "per_core": True}}
    )
    assert found.hear(message(DOCUMENT, 12))
    cpu = found.options["cpu"].model_dump()
    assert (cpu["interval"], cpu["per_core"]) == (5, True)
    assert not found.options["network"].enabled
    process = found.options["process"]
    assert isinstance(process, ProcessOptions)
    assert process.groups == {"nginx": ("nginx",)}
    assert set(found.groups) == {"all", "web"}
    assert found.description == "rack 2, top"
    assert (found.applied.revision, found.applied.digest) == (12, "sha256:12")


def test_a_template_of_a_group_it_is_not_in_changes_nothing() -> None:
    found = steering(labels={"role": "db"})
    found.hear(message(DOCUMENT))
    assert found.groups == ("all",)
    process = found.options["process"]
    assert isinstance(process, ProcessOptions)
    assert process.groups == {}


def test_an_emptied_topic_takes_the_document_away() -> None:
    found = steering(description="mine", collectors={"cpu": {"interval": "7s"}})
    found.hear(message(DOCUMENT))
    assert found.hear(b"")
    assert found.options["cpu"].interval == 7
    assert found.options["network"].enabled
    assert (found.description, found.groups) == ("mine", ())
    assert (found.applied.revision, found.applied.digest) == (0, "")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param(b"rubbish", "Invalid JSON", id="no JSON"),
        pytest.param(b'{"revision":2}', "digest: Field required", id="no document"),
        pytest.param(message({"templats": {}}, 2), "templats", id="an unknown key"),
        pytest.param(message({"templates": {"a": 1}}, 2), "templates.a", id="no table"),
        pytest.param(
            message({"rules": {"hot": {"kind": "threshold"}}}, 2), "rules.hot", id="half a rule"
        ),
    ],
)
def test_what_is_no_document_leaves_the_old_one_in_force_and_is_said(
    payload: bytes, why: str
) -> None:
    found = steering()
    found.hear(message(DOCUMENT))
    before = found.options
    assert not found.hear(payload)
    assert found.options == before
    applied = found.applied
    assert (applied.revision, applied.digest) == (1, "sha256:1")
    assert "refused" in applied.problems[0]
    assert why in applied.problems[0]
    assert found.hear(message(DOCUMENT, 3))
    assert found.applied.problems == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"interval": "0s"}, "cpu.interval", id="out of bounds"),
        pytest.param({"interval": "7h"}, "cpu.interval", id="beyond six hours"),
        pytest.param({"intervall": "5s"}, 'did you mean "interval"', id="unknown option"),
        pytest.param({"interval": [1]}, "cpu.interval", id="of a wrong type"),
    ],
)
def test_a_value_that_this_node_cannot_take_leaves_the_old_one_and_is_said(
    options: dict[str, Any], problem: str
) -> None:
    found = steering()
    found.hear(message(with_cpu(interval="3s")))
    wrong = with_cpu(**({"interval": "3s"} | options | {"per_core": True}))
    assert found.hear(message(wrong, 2))
    assert found.options["cpu"].interval == 3
    assert found.options["cpu"].model_dump()["per_core"] is True
    assert found.applied.revision == 2
    assert problem in found.applied.problems[0]


def test_a_collector_that_this_node_does_not_have_hinders_no_other() -> None:
    found = steering()
    document = with_cpu(interval="3s")
    document["templates"]["base"]["collectors"]["gpu"] = {"interval": "1s"}
    found.hear(message(document))
    assert found.options["cpu"].interval == 3
    assert "gpu" in found.applied.problems[0]


def test_no_program_and_no_folder_comes_from_a_document() -> None:
    found = steering()
    evil = with_cpu(command=["reboot"])
    evil["templates"]["base"]["collectors"]["evil"] = {"command": ["reboot"], "interval": "1s"}
    found.hear(message(evil))
    assert len(found.applied.problems) == 2
    assert "evil" not in found.options
    assert not found.hear(message({"exec": {"evil": {"command": ["reboot"]}}}, 2))


def test_what_was_written_down_gives_the_same_again() -> None:
    first = steering(labels={"role": "web"})
    first.hear(message(with_cpu(interval="3s")))
    first.hear(message(with_cpu(interval="0s"), 2))
    second = steering(labels={"role": "web"})
    second.recall(first.memory())
    assert second.options == first.options
    assert second.options["cpu"].interval == 3
    assert second.applied == first.applied
    assert second.memory() == first.memory()


@pytest.mark.parametrize(
    "memory", ["", "rubbish", "[]", "{}", '{"fleet":{},"options":{}}', '{"fleet":1,"options":2}']
)
def test_a_damaged_memory_is_said_and_stops_nothing(memory: str) -> None:
    found = steering(collectors={"cpu": {"interval": "7s"}})
    found.recall(memory)
    assert found.options["cpu"].interval == 7
    assert len(found.applied.problems) == 1


def test_a_boost_lies_over_everything_and_ends() -> None:
    found = steering()
    found.hear(message(with_cpu(interval="30s")))
    assert found.boost("cpu", 1, 10, now_ms=5000) == 30
    assert found.options["cpu"].interval == 1
    assert found.applied.collectors["cpu"]["interval"] == 30
    assert found.end_boosts(14_999) == []
    assert found.end_boosts(15_000) == ["cpu"]
    assert found.options["cpu"].interval == 30


def test_a_document_that_comes_during_a_boost_holds_after_it() -> None:
    found = steering()
    found.boost("cpu", 2, 10, now_ms=0)
    found.hear(message(with_cpu(interval="1s")))
    assert found.options["cpu"].interval == 1
    found.hear(message(with_cpu(interval="60s"), 2))
    assert found.options["cpu"].interval == 2
    found.end_boosts(10_000)
    assert found.options["cpu"].interval == 60


def test_what_is_switched_off_is_not_boosted() -> None:
    found = steering(collectors={"cpu": {"enabled": False}})
    with pytest.raises(CommandRefused, match="switched off"):
        found.boost("cpu", 1, 10, now_ms=0)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(options=st.dictionaries(st.sampled_from(["interval", "enabled", "sample", "x"]), _VALUES))
def test_whatever_a_document_says_the_options_in_force_are_sound(options: dict[str, Any]) -> None:
    found = steering()
    told = {"revision": 1, "digest": "d", "document": with_cpu(**options)}
    found.hear(json.dumps(told).encode())
    assert 1 <= found.options["cpu"].interval <= 21_600
    assert isinstance(found.options["cpu"].enabled, bool)
    again = steering()
    again.recall(found.memory())
    assert again.options == found.options
