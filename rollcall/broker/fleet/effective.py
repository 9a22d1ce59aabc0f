"""What a document means for one node: its groups, its templates, its settings and their origins."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

from pydantic import JsonValue

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.merge import Layer, Path, merge, without
from rollcall.broker.fleet.tables import LABEL

_WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds on one node.

    `collectors` are the options by collector as written, without defaults. `origins` names for the
    path of each value, such as `("collectors", "cpu", "interval")`, the layer that it is from.
    """

    groups: tuple[str, ...]
    templates: tuple[str, ...]
    description: str | None
    collectors: dict[str, dict[str, JsonValue]]
    origins: dict[Path, str]


class _Groups:
    """Who is in which group. Names and labels are looked up; only patterns are tried one by one."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._by_name: dict[str, set[str]] = {}
        self._by_label: dict[tuple[str, str], set[str]] = {}
        self._by_pattern = []
        for group, members in groups.items():
            patterns = []
            for member in members:
                if member.startswith(LABEL):
                    key, _, value = member.removeprefix(LABEL).partition("=")
                    self._by_label.setdefault((key, value), set()).add(group)
                elif _WILD.search(member):
                    patterns.append(translate(member))
                else:
                    self._by_name.setdefault(member, set()).add(group)
            if patterns:
                self._by_pattern.append((group, re.compile("|".join(patterns)).match))

    def of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        found = {group for group, matches in self._by_pattern if matches(node)}
        found |= self._by_name.get(node, set())
        for label in labels.items():
            found |= self._by_label.get(label, set())
        return tuple(sorted(found))


class Membership:
    """Which groups a node is in, which templates it has, and what they say together.

    Patterns are compiled and layers made once: a large fleet asks this for each of its nodes.
    """

    def __init__(self, document: Document) -> None:
        self._groups = _Groups(document.groups)
        self._templates = [
            (name, frozenset(template.groups), _layers(f"templates.{name}", template))
            for name, template in document.templates.items()
        ]
        self._nodes = {
            name: _layers(f"nodes.{name}", table, table.description)
            for name, table in document.nodes.items()
        }

    def groups_of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name the groups of a node, sorted."""
        return self._groups.of(node, labels)

    def templates_of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name the templates of a node, in the document's order: later ones win."""
        groups = frozenset(self.groups_of(node, labels))
        return tuple(name for name, meant, _ in self._templates if groups & meant)

    def likeness(self, node: str, labels: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
        """Give a value that is equal for nodes for which the document means the same."""
        return self.groups_of(node, labels), node if node in self._nodes else ""

    def effective(
        self, node: str, labels: Mapping[str, str], below: Sequence[Layer] = ()
    ) -> Effective:
        """Merge what is meant for a node, over the layers `below` (such as its local file)."""
        groups = self.groups_of(node, labels)
        among = frozenset(groups)
        layers, templates = [*below], []
        for name, meant, own in self._templates:
            if among & meant:
                templates.append(name)
                layers += own
        merged = merge([*layers, *self._nodes.get(node, ())])
        description = merged.table.get("description")
        return Effective(
            groups=groups,
            templates=tuple(templates),
            description=description if isinstance(description, str) else None,
            collectors=_tables(merged.table.get("collectors")),
            origins=merged.origins,
        )


def _layers(
    origin: str, table: Template | NodeTable, description: str | None = None
) -> tuple[Layer, ...]:
    """Give what a table takes away, then what it sets: so one table can replace another whole."""
    said: dict[str, JsonValue] = {"collectors": {**table.collectors}}
    if description is not None:
        said["description"] = description
    taken = without(table.unset_paths)
    return (*((Layer(origin, taken),) if taken else ()), Layer(origin, said))


def _tables(found: JsonValue) -> dict[str, dict[str, JsonValue]]:
    tables = found if isinstance(found, dict) else {}
    return {name: options for name, options in tables.items() if isinstance(options, dict)}
