"""A document in force: which nodes are meant, and which rules hold on them.

Rules hold on a node where a template of one of its groups, or the node's own table, names them;
without any document all built-in rules hold everywhere.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.faults import FleetError, faults_of, keys_of, nearest, told
from rollcall.broker.fleet.rules import BUILT_IN, LATER_RULES, AnyRule, read_rules
from rollcall.broker.fleet.tables import LABEL


class Fleet:
    """A document in force, or, without one, the built-in rules everywhere.

    `rules` are all rules by name; `rules_for` says which of them hold on a node.
    """

    def __init__(self, document: Document | None, rules: Mapping[str, AnyRule]) -> None:
        self.rules = rules
        self._document = document

    def rules_for(self, node: str, labels: Mapping[str, str]) -> dict[str, AnyRule]:
        """Give the rules that hold on `node` with these labels, by name; disabled ones do not."""
        named = set(self.rules) if self._document is None else self._named(node, labels)
        return {name: self.rules[name] for name in sorted(named) if self.rules[name].enabled}

    def groups_of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name the groups that a node with these labels is in, sorted."""
        groups = {} if self._document is None else self._document.groups
        return tuple(
            sorted(
                group
                for group, members in groups.items()
                if any(_is_meant(member, node, labels) for member in members)
            )
        )

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

    def _named(self, node: str, labels: Mapping[str, str]) -> set[str]:
        document = self._document
        assert document is not None
        groups = set(self.groups_of(node, labels))
        tables: list[Template | NodeTable] = [
            template for template in document.templates.values() if groups & set(template.groups)
        ]
        if node in document.nodes:
            tables.append(document.nodes[node])
        return {name for table in tables for name in table.rules}


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
    rules, problems = read_rules(parsed.rules)
    problems += _dangling(parsed)
    if problems:
        raise FleetError(problems)
    return Fleet(None if everywhere else parsed, rules)


def _dangling(document: Document) -> list[str]:
    problems = []
    rules = BUILT_IN.keys() | document.rules.keys()
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
        for rule in table.rules:
            if rule in rules:
                continue
            if rule in LATER_RULES:
                what = f"of kind {LATER_RULES[rule]}, which this version does not support yet"
                problems.append(f'{place}.rules: "{rule}" is {what}')
            else:
                problems.append(f'{place}.rules: no rule "{rule}"{nearest(rule, rules)}')
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
