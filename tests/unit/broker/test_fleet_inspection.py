"""What is said about a document before it is put into force: all of it, with lines."""

from typing import Any

import pytest

from rollcall.broker.fleet.inspection import Known, Level, inspect
from rollcall.broker.fleet.source import parse
from rollcall.broker.messages import Info
from rollcall.console.fleet_catalogue import collectors, defaults

OPENING = '[groups]\nall = ["*"]\n[templates.base]\ngroups = ["all"]\nrules = ["cpu_high"]\n'
NODES: dict[str, dict[str, str]] = {"pi-1": {}, "pi-2": {}, "nas": {"role": "files"}}


def with_group(line: str) -> str:
    return OPENING.replace("[templates", f"{line}\n[templates", 1)


def said(text: str, nodes: Any = None, infos: Any = ()) -> list[tuple[str, int | None, str]]:
    _, findings = inspect(parse(text), Known(collectors(infos), nodes))
    return [(str(each.level), each.line, each.text) for each in findings]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(
            "collectors.cpu = { intervall = 2 }",
            'templates.base.collectors.cpu.intervall: unknown option; did you mean "interval"?',
            id="an unknown option",
        ),
        pytest.param(
            'collectors.cpu = { interval = "7h" }',
            "templates.base.collectors.cpu.interval: Input should be less than or equal to 21600",
            id="an interval out of bounds",
        ),
        pytest.param(
            'collectors.cpu = { interval = "2s", sample = "2s" }',
            "templates.base.collectors.cpu.sample: goes from 0.5 s to half the interval",
            id="two options that do not fit together",
        ),
        pytest.param(
            'unset = ["collectors.cpu.intervall"]',
            'templates.base.unset: cpu has no option "intervall"; did you mean "interval"?',
            id="an unknown option taken away",
        ),
        pytest.param(
            '[rules.cpu_high]\nmetric = "cpu.precent"',
            'rules.cpu_high.metric: nothing measures "cpu.precent"; did you mean "cpu.percent"?',
            id="a metric that no collector has",
        ),
        pytest.param(
            "colectors.cpu = {}",
            'templates.base.colectors: unknown key; did you mean "collectors"?',
            id="an unknown key",
        ),
    ],
)
def test_a_fault_refuses_the_document_and_is_told_with_its_line(line: str, text: str) -> None:
    source = parse(OPENING + line)
    fleet, findings = inspect(source, Known(collectors()))
    assert fleet is None
    [fault] = findings
    assert (fault.level, fault.text) == (Level.FAULT, text)
    assert fault.line == 6 + line.count("\n")


def test_faults_of_all_kinds_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        OPENING
        + "collectors.cpu = { intervall = 2 }\ncollectors.disk = { timeout = -1 }\n"
        + "nonsense = 1\n"
        + '[templates.lost]\nrules = ["cpu_hihg"]\n'
        + '[nodes.Pi]\n[nodes.pi-3]\nrules = ["cpu_hihg"]\ndescription = 7\n'
        + '[rules.busy]\nkind = "thresold"\n[rules.cpu_high]\nmetric = "cpu.nothing"\n'
    )
    found = said(text)
    assert [line for level, line, _ in found if level == "fault"] == [
        6,
        7,
        8,
        9,
        11,
        13,
        14,
        15,
        18,
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "place"),
    [
        pytest.param('groups = ["all"]', "groups = 1", 4, "templates.base.groups", id="a list"),
        pytest.param('all = ["*"]', "all = 1", 2, "groups.all", id="a group that is named"),
        pytest.param('["*"]', '["*", 1]', 2, "groups.all.1", id="one of a list"),
    ],
)
def test_one_mistake_is_one_fault(old: str, new: str, line: int, place: str) -> None:
    [(_, at, text)] = [each for each in said(OPENING.replace(old, new)) if each[0] == "fault"]
    assert (at, text.partition(":")[0]) == (line, place)


def test_a_document_without_a_fault_is_given() -> None:
    fleet, findings = inspect(parse(OPENING), Known(collectors(), NODES))
    assert findings == []
    assert fleet is not None
    assert fleet.groups_of("pi-1", {}) == ("all",)


def test_a_group_without_a_node_is_a_warning_where_nodes_are_known() -> None:
    text = with_group('web = ["label:role=web"]')
    text += '[templates.web]\ngroups = ["web"]\n[nodes.pi-9]\n'
    assert said(text) == []
    assert said(text, NODES) == [
        ("warning", 3, "groups.web: no node is in it"),
        ("warning", 9, "nodes.pi-9: the broker knows no such node"),
    ]
    assert said(text, {"nas": {"role": "web"}, "pi-9": {}}) == []


def test_what_nobody_uses_is_a_warning() -> None:
    text = with_group("spare = []") + '[rules.busy]\nkind = "presence"\n'
    assert said(text) == [
        ("warning", 3, "groups.spare: no template is meant for it"),
        ("warning", 3, "groups.spare: no node is in it"),
        ("warning", 7, "rules.busy: nobody asks for it"),
    ]


def test_two_templates_that_disagree_are_told_with_who_wins_and_where() -> None:
    text = (
        with_group('pis = ["pi-*"]')
        + 'collectors.cpu = { interval = "10s", per_core = true }\n[templates.pi]\n'
        + 'groups = ["pis"]\ncollectors.cpu = { interval = "1s", per_core = true }\n'
    )
    what = 'templates.pi.collectors.cpu.interval: "1s" wins over "10s" of templates.base (line 7), '
    assert said(text) == [("note", 10, what + "where both are in force")]
    assert said(text, NODES) == [("note", 10, what + "on pi-1, pi-2")]
    assert said(text.replace('["*"]', '["nas"]')) == []
    own = '[nodes.pi-2]\nunset = ["collectors.cpu.interval"]\n'
    assert said(text + own, NODES) == [("note", 10, what + "on pi-1")]


def test_settings_that_are_right_alone_and_wrong_together_are_a_fault() -> None:
    text = (
        OPENING
        + 'collectors.cpu = { sample = "2s" }\n'
        + '[nodes.pi-1]\ncollectors.cpu = { interval = "2s" }\n'
    )
    why = "collectors.cpu.sample: goes from 0.5 s to half the interval"
    assert said(text) == [("fault", 7, f"nodes.pi-1: together with what else holds on pi-1: {why}")]


def test_overrides_are_judged_alone_and_together() -> None:
    text = with_group('pis = ["pi-*"]') + "override.cpu_high = { threshold = 60, clear = 50 }\n"
    text += '[templates.pi]\ngroups = ["pis"]\noverride.cpu_high = { threshold = 40, clear = 30 }\n'
    [threshold, clear] = said(text, NODES)
    what = "templates.pi.override.cpu_high.threshold: 40 wins over 60 of templates.base (line 7)"
    assert threshold == ("note", 10, f"{what}, on pi-1, pi-2")
    assert clear[2].startswith("templates.pi.override.cpu_high.clear: 30 wins over 50")
    own = "[nodes.pi-1]\noverride.cpu_high = { clear = 70 }\n"
    [fault] = [each for each in said(text + own, NODES) if each[0] == "fault"]
    assert fault[1] == 12
    assert fault[2].startswith("nodes.pi-1.override.cpu_high: clear 70")
    wrong = 'override.cpu_high = { metric = "cpu.precent" }\n'
    [(_, line, what)] = said(OPENING + wrong)
    assert (line, what.partition(":")[0]) == (6, "templates.base.override.cpu_high.metric")


def test_receivers_are_named_with_where_they_are_made() -> None:
    text = OPENING + '[rules.cpu_high]\nreceivers = ["night"]\n'
    what = "rules.cpu_high.receivers: cpu_high mail to [mail.receivers.night] in the rollcall.toml"
    assert said(text) == [("note", 7, f"{what} of the alert service")]


def test_a_plug_in_is_known_as_soon_as_a_running_node_announces_it() -> None:
    text = OPENING + '[templates.gpu]\ngroups = ["all"]\ncollectors.gpu = { interval = "5s" }\n'
    place = "templates.gpu.collectors.gpu:"
    [(level, line, what)] = said(text)
    assert (level, line) == ("warning", 8)
    assert what.startswith(f'{place} no built-in collector "gpu"')
    [(level, line, what)] = said(text, NODES)
    assert (level, line) == ("fault", 8)
    assert what.startswith(f'{place} no node has a collector "gpu"')
    info = Info(hostname="pi-1", agent="1", interval=10, collectors={"cpu": 10, "gpu": 60})
    assert said(text, NODES, [info]) == []


def test_defaults_are_given_for_every_option_of_every_built_in_collector() -> None:
    found = defaults()
    assert found["cpu"] == {"enabled": True, "interval": 10, "sample": None, "per_core": False}
    assert found["disk"]["interval"] == 60
    assert {name: set(options) for name, options in found.items()} == {
        name: each.options for name, each in collectors().items() if name != "textfile"
    }
