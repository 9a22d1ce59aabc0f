"""A document in force: which nodes are meant, and which rules hold on them.

Rules hold on a node where a template of one of its groups, or the node's own table, names them;
without any document all built-in rules hold everywhere.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.effective import Effective, Membership
from rollcall.broker.fleet.faults import FleetError, nearest
from rollcall.broker.fleet.merge import Layer
from rollcall.broker.fleet.reading import read_document
from rollcall.broker.fleet.rules import BUILT_IN, LATER_RULES, AnyRule, read_rules


class Fleet:
    """A document in force, or, without one, the built-in rules everywhere.

    `rules` are all rules by name; `rules_for` says which of them hold on a node.
    """

    def __init__(self, document: Document | None, rules: Mapping[str, AnyRule]) -> None:
        self.rules = rules
        self._document = document
        self._membership = Membership(document or Document())

    def groups_of(self, node: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Name the groups that a node with these labels is in, in the document's order."""
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
        """Give the rules that hold on `node` with these labels, by name; disabled ones do not."""
        named = set(self.rules) if self._document is None else self._named(node, labels)
        return {name: self.rules[name] for name in sorted(named) if self.rules[name].enabled}

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
        if self._document is None:
            return ("built in",)
        tables = self._tables_for(node, labels)
        return tuple(place for place, table in tables.items() if rule in table.rules)

    def _named(self, node: str, labels: Mapping[str, str]) -> set[str]:
        return {name for table in self._tables_for(node, labels).values() for name in table.rules}

    def _tables_for(self, node: str, labels: Mapping[str, str]) -> dict[str, Template | NodeTable]:
        document = self._document
        assert document is not None
        tables: dict[str, Template | NodeTable] = {
            f"templates.{name}": document.templates[name]
            for name in self._membership.templates_of(node, labels)
        }
        if node in document.nodes:
            tables[f"nodes.{node}"] = document.nodes[node]
        return tables


def built_in() -> Fleet:
    """Give what holds without any document."""
    return read({}, everywhere=True)


def read(document: Mapping[str, JsonValue], *, everywhere: bool = False) -> Fleet:
    """Validate a document as a whole; with `everywhere`, all of its rules hold on every node.

    Raises FleetError with every mistake at once.
    """
    parsed, rules, problems = examine(document)
    if problems:
        raise FleetError(problems)
    return Fleet(None if everywhere else parsed, rules)


def examine(
    document: Mapping[str, JsonValue],
) -> tuple[Document, dict[str, AnyRule], list[str]]:
    """Give what can be read of a document and its rules, and everything that is wrong in it."""
    parsed, problems = read_document(document)
    rules, faults = read_rules(parsed.rules)
    return parsed, rules, [*problems, *faults, *_dangling(parsed)]


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
