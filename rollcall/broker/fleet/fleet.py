"""A document in force: which nodes are meant, and which rules hold on them.

Rules hold on a node where a template of one of its groups, or the node's own table, names them;
without any document all built-in rules hold everywhere.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.faults import FleetError, faults_of, keys_of, nearest, told
from rollcall.broker.fleet.rule_layers import (
    BUILT_IN,
    Keys,
    faults_of_inhibition,
    faults_of_override,
    overridden,
    read_rules,
)
from rollcall.broker.fleet.rules import AnyRule
from rollcall.broker.fleet.tables import LABEL


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

    def rules_for(self, node: str, labels: Mapping[str, str]) -> dict[str, AnyRule]:
        """Give the rules that hold on `node` with these labels, by name; disabled ones do not.

        What templates and the node override is in them.
        """
        return self._rules_and_conflicts(node, labels)[0]

    def conflicts_on(self, node: str, labels: Mapping[str, str]) -> list[str]:
        """Name the overrides that do not fit together on `node` and are left out there."""
        return self._rules_and_conflicts(node, labels)[1]

    def groups_of(self, node: str, labels: Mapping[str, str]) -> set[str]:
        """Name the groups that `node` with these labels is in."""
        return set() if self._document is None else self._groups(self._document, node, labels)

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
        groups = self._groups(document, node, labels)
        tables: list[tuple[str, Template | NodeTable]] = [
            (f"templates.{title}", template)
            for title, template in document.templates.items()
            if groups & set(template.groups)
        ]
        if node in document.nodes:
            tables.append((f"nodes.{node}", document.nodes[node]))
        return tables

    @staticmethod
    def _groups(document: Document, node: str, labels: Mapping[str, str]) -> set[str]:
        return {
            group
            for group, members in document.groups.items()
            if any(_is_meant(member, node, labels) for member in members)
        }


def built_in() -> Fleet:
    """Give what holds without any document."""
    return read({}, everywhere=True)


def read(document: Mapping[str, JsonValue], *, everywhere: bool = False) -> Fleet:
    """Validate a document as a whole; with `everywhere`, all of its rules hold on every node.

    Raises FleetError with every mistake at once.
    """
    try:
        parsed = Document.model_validate(document)
    except ValidationError as error:
        raise FleetError([told(fault, _known_at(fault)) for fault in faults_of(error)]) from error
    rules, keys, problems = read_rules(parsed.rules, parsed.rule_defaults)
    problems += _dangling(parsed, BUILT_IN.keys() | parsed.rules.keys(), keys)
    if not problems:
        problems = faults_of_inhibition(rules)
    if problems:
        raise FleetError(problems)
    return Fleet(None if everywhere else parsed, rules, keys)


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


def _is_meant(member: str, node: str, labels: Mapping[str, str]) -> bool:
    if member.startswith(LABEL):
        key, _, value = member.removeprefix(LABEL).partition("=")
        return labels.get(key) == value
    return fnmatchcase(node, member)


def _known_at(fault: ErrorDetails) -> list[str]:
    within = {"templates": Template, "nodes": NodeTable}.get(str(fault["loc"][0]))
    model: Any = within if within is not None and len(fault["loc"]) > 1 else Document
    return keys_of(model)
