"""docs/nodes.md names every command and option there is, and none that there is not."""

import re
from pathlib import Path

import click
import pytest

from rollcall.console.node import node
from rollcall.console.node_list import Listed

DOCUMENT = (Path(__file__).parents[3] / "docs" / "nodes.md").read_text("utf-8")
SHARED = {"--help", "--verbose", "--config", "--json", "--color"}
# Options of `rollcall broker init`, which the page mentions.
FOREIGN = {"--name"}


def options(command: click.Command) -> set[str]:
    return {name for each in command.params for name in each.opts if name.startswith("--")}


@pytest.mark.parametrize("name", sorted(node.commands))
def test_every_command_is_explained(name: str) -> None:
    assert f"rollcall node {name}" in DOCUMENT


def test_every_option_is_explained_and_no_other() -> None:
    known = set().union(*(options(command) for command in node.commands.values()))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCUMENT))
    assert named - FOREIGN - SHARED == known - SHARED


def test_the_list_looks_as_it_is_shown() -> None:
    shown = Listed("pi-7", "offline", 11_520, "0.1.0", "certificate", 12).cells()
    assert re.search(r"\s+".join(map(re.escape, shown)), DOCUMENT)
