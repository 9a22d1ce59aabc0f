"""Plug-ins of all three kinds, found and kept within the contract."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollcall.node_agent import plugins, readings
from rollcall.node_agent.account import Account, SpoolSize
from rollcall.node_agent.collection import Collection
from rollcall.node_agent.collectors.declaration import AnySource, Found
from rollcall.node_agent.host import LinuxHost
from rollcall.node_agent.options import read
from rollcall.node_agent.schedule import Due
from rollcall.service.settings import Agent as AgentSettings
from tests.support.waiting import wait_until

MODULE = """
from rollcall.node_agent.collectors.declaration import Declaration, Found, gauge

class Garden:
    declaration = Declaration("whatever", "A garden", fields=(gauge("soil_percent", "wetness"),))

    def collect(self, host):
        fields = {"soil_percent": 40, "bees": 3, "Bad Name": 1}
        return Found(fields, {"": {"bees": 2, "pots": True}})

def failing():
    raise RuntimeError("no garden")
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with entry points on the path, as pip would."""

    def put(**entries: str) -> None:
        told = tmp_path / "garden-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text("Metadata-Version: 2.1\nName: garden\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (told / "entry_points.txt").write_text("\n".join((f"[{plugins.GROUP}]", *lines, "")))
        (tmp_path / "garden_of_ours.py").write_text(MODULE)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "garden_of_ours", raising=False)

    return put


def found_by(sources: tuple[AnySource, ...], name: str) -> Found:
    """Run one collector as the agent does, on its own thread."""
    kinds = {each.declaration.name: each.declaration.options for each in sources}
    options, _ = read(kinds, {}, intervals=dict.fromkeys(kinds, 10))
    account = Account(spool_size=lambda: SpoolSize(0, 0, None))
    collection = Collection(LinuxHost(), sources, account)
    collection.apply(options)
    collected = collection.run([Due(name, 0, 10, 0)])
    return (collected or wait_until(collection.finished))[0].found


def test_without_plug_ins_there_is_nothing_and_nothing_is_imported() -> None:
    code = (
        "import sys, rollcall.node_agent.program as agent\n"
        "from rollcall.service.settings import Agent\n"
        "assert agent.collected(Agent()).plugins == ()\n"
        "print({'subprocess', 'rollcall.node_agent.collectors.textfile'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


def test_an_entry_point_is_a_collector_by_its_name(install: Install) -> None:
    install(garden="garden_of_ours:Garden")
    sources, problems = plugins.sources(AgentSettings(), ["cpu"])
    assert problems == []
    assert [each.declaration.name for each in sources] == ["garden"]
    assert all(each.declaration.blocks for each in sources)
    found = found_by(sources, "garden")
    assert found.fields == {"soil_percent": 40, "bees": 3}
    assert found.instances == {"": {"pots": 1}}
    assert found.dropped_values == 2


def test_what_a_plug_in_was_found_to_have_is_declared(install: Install) -> None:
    install(garden="garden_of_ours:Garden")
    sources, _ = plugins.sources(AgentSettings(), [])
    collector = sources[0].make(read({}, {}, intervals={})[0])
    collector.collect(LinuxHost())
    declared = collector.declaration
    assert [(each.name, each.unit) for each in declared.fields] == [
        ("soil_percent", "percent"),
        ("bees", "count"),
    ]
    assert [each.name for each in declared.instance_fields] == ["pots"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param("nowhere:Garden", "failed: it cannot be imported", id="no such module"),
        pytest.param("garden_of_ours:Nobody", "failed: it cannot be imported", id="no such name"),
        pytest.param("garden_of_ours:failing", "failed: it cannot be made", id="it raises"),
        pytest.param("garden_of_ours:MODULE", "failed: it cannot be imported", id="not there"),
        pytest.param("builtins:dict", "failed: it cannot be made", id="no collector"),
    ],
)
def test_one_that_cannot_be_loaded_says_so_in_each_report(
    install: Install, value: str, error: str
) -> None:
    install(garden=value)
    sources, problems = plugins.sources(AgentSettings(), [])
    found = found_by(sources, "garden")
    assert found.error is not None
    assert found.error.startswith(error)
    assert bool(problems) == ("imported" in error)


def test_a_name_that_is_taken_or_not_allowed_is_a_problem_and_left_out(install: Install) -> None:
    install(cpu="garden_of_ours:Garden", backup="garden_of_ours:Garden")
    programs = {"backup": {"command": ["true"]}, "Bad-Name": {"command": ["true"]}}
    settings = AgentSettings.model_validate({"exec": programs})
    sources, problems = plugins.sources(settings, ["cpu"])
    assert [each.declaration.name for each in sources] == ["backup"]
    assert problems == [
        "[agent.exec.Bad-Name]: 'Bad-Name' cannot be the name of a collector; left out",
        "entry point 'cpu': there is a collector 'cpu' already; left out",
        "entry point 'backup': there is a collector 'backup' already; left out",
    ]


def test_a_program_and_a_folder_of_files_come_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "a.prom").write_text("jobs 3\n")
    told = {
        "exec": {"backup": {"command": ["echo", "age_seconds", "7"]}},
        "textfile_dir": tmp_path,
    }
    sources, problems = plugins.sources(AgentSettings.model_validate(told), [])
    assert problems == []
    assert found_by(sources, "backup").fields == {"age_seconds": 7}
    assert found_by(sources, "textfile").fields == {"jobs": 3.0}


NAN = float("nan")


@pytest.mark.parametrize(
    ("found", "kept", "dropped"),
    [
        pytest.param(Found({"a": NAN, "b": 1}), {"fields": {"b": 1}}, 1, id="not a number"),
        pytest.param(Found({"A": 1, "b": 1}), {"fields": {"b": 1}}, 1, id="a bad name"),
        pytest.param(Found({"b\n": 1, "b": 1}), {"fields": {"b": 1}}, 1, id="a line break"),
        pytest.param(
            Found({"a": 1}, {"x": {"a": 2, "b": 3}}),
            {"fields": {"a": 1}, "instances": {"x": {"b": 3}}},
            1,
            id="a field of both",
        ),
        pytest.param(
            Found(None, {"\x1b[2J": {"b": 3}}),
            {"instances": {"\\x1b[2J": {"b": 3}}},
            0,
            id="an instance with control characters",
        ),
        pytest.param(
            Found({"A": 1}),
            {"error": "failed: nothing of what was found can be used"},
            1,
            id="nothing left",
        ),
        pytest.param(Found({f"f{n}": n for n in range(300)}), None, 44, id="too many fields"),
    ],
)
def test_whatever_it_finds_makes_a_report_of_the_contract(
    found: Found, kept: dict[str, Any] | None, dropped: int
) -> None:
    reading, lost = readings.fit(plugins.sound(found), time_s=0, interval_s=1, synchronized=True)
    assert lost == dropped
    if kept is not None:
        told = reading.model_dump(exclude_none=True, exclude={"time", "interval"})
        assert {key: value for key, value in told.items() if value} == kept
