"""A document in force: which nodes are meant, and which rules hold on them.

Rules hold on a node where a template of one of its groups, or the node's own table, names them;
without any document all built-in rules hold everywhere.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from pydantic import JsonValue

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.effective import Effective, Membership
from rollcall.broker.fleet.faults import FleetError, nearest
from rollcall.broker.fleet.merge import Layer
from rollcall.broker.fleet.reading import read_document
from rollcall.broker.fleet.rule_layers import (
    BUILT_IN,
    Keys,
    faults_of_inhibition,
    faults_of_override,
    overridden,
    read_rules,
)
from rollcall.broker.fleet.rules import AnyRule


class Fleet:
    """A document in force, or, without one, the built-in rules everywhere.

    `rules` are all rules by name; `rules_for` says which of them hold on a node.
    """

    def __init__(
        self, document: Document | None, rules: Mapping[str, AnyRule], keys: Mapping[str, Keys]
    ) -> None:
        self.rules = rules
        self._document = document
        self._keys = keys
        self._membership = Membership(document or Document())

    def groups_of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name the groups that a node with these labels is in, sorted."""
        return self._membership.groups_of(node, labels)

    def likeness(self, node: str, labels: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
        """Give a value that is equal for nodes for which the document means the same."""
        return self._membership.likeness(node, labels)

    def effective(
        self, node: str, labels: Mapping[str, str], below: Sequence[Layer] = ()
    ) -> Effective:
        """Say what holds on a node: templates in order, then its own table, over `below`."""
        return self._membership.effective(node, labels, below)

    def rules_for(self, node: str, labels: Mapping[str, str]) -> dict[str, AnyRule]:
        """Give the rules that hold on `node` with these labels, by name; disabled ones do not.

        What templates and the node override is in them.
        """
        return self._rules_and_conflicts(node, labels)[0]

    def conflicts_on(self, node: str, labels: Mapping[str, str]) -> list[str]:
        """Name the overrides that do not fit together on `node` and are left out there."""
        return self._rules_and_conflicts(node, labels)[1]

    def only(self, rule: str) -> "Fleet":
        """Give the same document with one rule alone, which holds where it held."""
        return Fleet(self._document, {rule: self.rules[rule]}, self._keys)

    def unused_rules(self) -> list[str]:
        """Name the rules that the document defines and no template or node asks for."""
        document = self._document
        if document is None:
            return []
        tables: list[Template | NodeTable] = [
            *document.templates.values(),
            *document.nodes.values(),
        ]
        return sorted(set(document.rules) - {name for table in tables for name in table.rules})

    @property
    def named_nodes(self) -> frozenset[str]:
        """The nodes that have a table of their own, whether they exist or not."""
        return frozenset(self._document.nodes if self._document else ())

    def askers_of(self, rule: str, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name what asks for a rule on a node: `templates.base`, `nodes.pi-3`."""
        document = self._document
        if document is None:
            return ("built in",)
        tables = self._tables_for(document, node, labels)
        return tuple(
            f"{place}.override" if rule not in table.rules else place
            for place, table in tables
            if rule in table.rules or rule in table.override
        )

    def _rules_and_conflicts(
        self, node: str, labels: Mapping[str, str]
    ) -> tuple[dict[str, AnyRule], list[str]]:
        if self._document is None:
            return {name: rule for name, rule in self.rules.items() if rule.enabled}, []
        tables = self._tables_for(self._document, node, labels)
        rules, conflicts = {}, []
        named = {name for _, table in tables for name in table.rules}
        for name in sorted(named & self.rules.keys()):
            layers = [
                (place, each.override[name]) for place, each in tables if name in each.override
            ]
            rule, problems = self.rules[name], list[str]()
            if layers:
                rule, problems = overridden(name, self._keys[name], layers)
            conflicts += [f"{problem} (on {node})" for problem in problems]
            if rule.enabled:
                rules[name] = rule
        return rules, conflicts

    def _tables_for(
        self, document: Document, node: str, labels: Mapping[str, str]
    ) -> list[tuple[str, Template | NodeTable]]:
        tables: list[tuple[str, Template | NodeTable]] = [
            (f"templates.{name}", document.templates[name])
            for name in self._membership.templates_of(node, labels)
        ]
        if node in document.nodes:
            tables.append((f"nodes.{node}", document.nodes[node]))
        return tables


def built_in() -> Fleet:
    """Give what holds without any document."""
    return read({}, everywhere=True)


def read(document: Mapping[str, JsonValue], *, everywhere: bool = False) -> Fleet:
    """Validate a document as a whole; with `everywhere`, all of its rules hold on every node.

    Raises FleetError with every mistake at once.
    """
    examined = examine(document)
    if examined.problems:
        raise FleetError(examined.problems)
    return Fleet(None if everywhere else examined.document, examined.rules, examined.keys)


class Examined(NamedTuple):
    """What can be read of a document and its rules, and everything that is wrong in it."""

    document: Document
    rules: dict[str, AnyRule]
    keys: dict[str, Keys]
    problems: list[str]


def examine(table: Mapping[str, JsonValue]) -> Examined:
    """Read a document as far as it goes."""
    document, problems = read_document(table)
    rules, keys, faults = read_rules(document.rules, document.rule_defaults)
    problems = [*problems, *faults]
    problems += _dangling(document, BUILT_IN.keys() | document.rules.keys(), keys)
    return Examined(document, rules, keys, problems or faults_of_inhibition(rules))


def _dangling(document: Document, rules: AbstractSet[str], keys: Mapping[str, Keys]) -> list[str]:
    problems = []
    for title, template in document.templates.items():
        problems += [
            f'templates.{title}.groups: no group "{group}"{nearest(group, document.groups)}'
            for group in template.groups
            if group not in document.groups
        ]
    tables: list[tuple[str, Template | NodeTable]] = [
        *((f"templates.{title}", template) for title, template in document.templates.items()),
        *((f"nodes.{name}", node) for name, node in document.nodes.items()),
    ]
    for place, table in tables:
        problems += [
            f'{place}.rules: no rule "{rule}"{nearest(rule, rules)}'
            for rule in table.rules
            if rule not in rules
        ]
        problems += faults_of_override(place, table.override, rules, keys)
    return problems
