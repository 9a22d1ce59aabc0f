"""The file that people keep: every key on its line, and nothing that JSON cannot say."""

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.fleet import FleetError
from rollcall.broker.fleet.source import parse

FILE = '''\
# The fleet.
[groups]
all = ["*"]
many = [  # one a line
  "pi-1",
  "pi-2 ]",
]
"quoted.name" = []

[templates.base]
groups = ["all"]
collectors.cpu = { interval = "10s", per_core = true }
collectors.disk.exclude = ["tmpfs"]

  [ templates . "pi" ]
groups = []

[nodes.pi-3]
description = """
line = 1
[rules.none]
"""
rules = []

[nodes.pi-3.collectors.process]
groups = { python = "python*" }
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param(("groups",), 2, id="a table"),
        pytest.param(("groups", "all"), 3, id="a key"),
        pytest.param(("groups", "many"), 4, id="an array over several lines"),
        pytest.param(("groups", "many", "1"), 4, id="what stands in an array"),
        pytest.param(("groups", "quoted.name"), 8, id="a quoted key after it"),
        pytest.param(("templates",), 10, id="a table that only its inner one opens"),
        pytest.param(("templates", "base", "collectors"), 12, id="a table of dotted keys"),
        pytest.param(("templates", "base", "collectors", "cpu", "per_core"), 12, id="inline"),
        pytest.param(("templates", "base", "collectors", "disk", "exclude"), 13, id="dotted"),
        pytest.param(("templates", "base", "collectors", "disk", "nothing"), 13, id="not there"),
        pytest.param(("templates", "pi", "groups"), 16, id="a header with spaces and quotes"),
        pytest.param(("nodes", "pi-3", "rules"), 23, id="after a text that looks like TOML"),
        pytest.param(("nodes", "pi-3", "collectors", "process", "groups", "python"), 26, id="deep"),
        pytest.param(("rules",), None, id="a table that is not there"),
    ],
)
def test_every_key_has_its_line(path: tuple[str, ...], line: int | None) -> None:
    assert parse(FILE).line_of(path) == line


def test_lines_do_not_depend_on_the_line_ends() -> None:
    assert parse(FILE.replace("\n", "\r\n")).lines == parse(FILE).lines


TABLES = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.one_of(st.text(max_size=12), st.integers(-9, 9), st.lists(st.text(max_size=5))),
        lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    max_size=4,
)


@given(TABLES)
def test_every_key_of_whatever_toml_is_found_where_it_stands(table: dict[str, object]) -> None:
    text = tomli_w.dumps(table, multiline_strings=True)
    found = parse(text)
    assert {path[0] for path in found.lines} == set(table)
    written = text.split("\n")
    for path, line in found.lines.items():
        if path[-1].isalnum() and path[-1].isascii():
            assert path[-1] in written[line - 1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("[groups", "is not TOML", id="no TOML"),
        pytest.param("a = 1\na = 2", "is not TOML", id="a key twice"),
        pytest.param("a = inf", "a: floats have no place", id="an infinite number"),
        pytest.param("[t]\na = [2026-01-01]", "t.a.0: dates have no place", id="a date"),
        pytest.param("a = " + "[" * 5000, "is not TOML", id="far too deep"),
    ],
)
def test_what_json_cannot_say_is_refused(text: str, problem: str) -> None:
    with pytest.raises(FleetError) as raised:
        parse(text)
    assert raised.value.problems[0].startswith(problem)
