"""Everything that is to be said about a document before it is put into force. Pure.

A *fault* refuses the document, a *warning* is likely a mistake, a *note* says what the document
does that may surprise. What collectors there are is an argument: the agent knows it, not we.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.effective import Membership
from rollcall.broker.fleet.faults import nearest, path_of_problem
from rollcall.broker.fleet.fleet import Fleet, examine
from rollcall.broker.fleet.merge import Layer, merge
from rollcall.broker.fleet.overlaps import overridden
from rollcall.broker.fleet.source import Source

Labels = Mapping[str, str]
_Tables = Iterator[tuple[str, Template | NodeTable]]


class Level(StrEnum):
    """How much a finding weighs."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to be said; `text` begins with the path of the key that it is about."""

    level: Level
    text: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Collector:
    """What may be set for a collector, and what it gives.

    `options` are the names of its options; `faults` judges a table of them, each fault beginning
    with `collectors.<name>.<option>: `. `fields` are its fields, None when any may come.
    """

    options: frozenset[str]
    faults: Callable[[Mapping[str, JsonValue]], list[str]]
    fields: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Known:
    """What there is. `nodes` are labels by node, None when nobody was asked: plug-ins, too."""

    collectors: Mapping[str, Collector]
    nodes: Mapping[str, Labels] | None = None


def inspect(source: Source, known: Known) -> tuple[Fleet | None, list[Finding]]:
    """Give the document, None if it is refused, and everything to be said, in the file's order."""
    document, rules, keys, problems = examine(source.table)
    fleet = Fleet(document, rules, keys)
    found = [
        *((Level.FAULT, problem) for problem in problems),
        *_settings(document, known),
        *_together(document, known),
        *_overrides_together(fleet, document, known),
        *_metrics(document, known),
        *_groups(document, known),
        *((Level.WARNING, f"rules.{name}: nobody asks for it") for name in fleet.unused_rules()),
        *_silence(document),
        *_receivers(document),
        *((Level.NOTE, each) for each in overridden(document, known.nodes, source.line_of)),
    ]
    refused = any(level is Level.FAULT for level, _ in found)
    return None if refused else fleet, _placed(found, source)


def _placed(found: list[tuple[Level, str]], source: Source) -> list[Finding]:
    placed = [
        Finding(level, text, source.line_of(path_of_problem(text)))
        for level, text in dict.fromkeys(found)
    ]
    return sorted(placed, key=lambda each: each.line or 0)


def _tables(document: Document) -> _Tables:
    yield from ((f"templates.{name}", table) for name, table in document.templates.items())
    yield from ((f"nodes.{name}", table) for name, table in document.nodes.items())


def _settings(document: Document, known: Known) -> Iterator[tuple[Level, str]]:
    """Judge every table by itself."""
    for place, table in _tables(document):
        for name, options in merge([Layer("", {**table.collectors})]).table.items():
            collector = known.collectors.get(name)
            if collector is None:
                yield _unknown_collector(f"{place}.collectors.{name}", name, known)
            elif isinstance(options, dict):
                yield from ((Level.FAULT, f"{place}.{why}") for why in collector.faults(options))
        for _, name, *option in table.unset_paths:
            collector = known.collectors.get(name)
            if collector is None:
                yield _unknown_collector(f"{place}.unset", name, known)
            elif option and option[0] not in collector.options:
                near = nearest(option[0], collector.options)
                yield Level.FAULT, f'{place}.unset: {name} has no option "{option[0]}"{near}'


def _unknown_collector(place: str, name: str, known: Known) -> tuple[Level, str]:
    near = nearest(name, known.collectors)
    if known.nodes is None:
        why = f'no built-in collector "{name}"; plug-ins are known to `fleet diff` alone{near}'
        return Level.WARNING, f"{place}: {why}"
    return Level.FAULT, f'{place}: no node has a collector "{name}"{near}'


def _together(document: Document, known: Known) -> Iterator[tuple[Level, str]]:
    """Judge what is right in each table and wrong in what a node makes of them together."""
    membership = Membership(document)
    alone = {text.partition("collectors.")[2] for _, text in _settings(document, known)}
    seen = set()
    for node, labels in _asked_for(document, known).items():
        alike = membership.likeness(node, labels)
        if alike in seen:
            continue
        seen.add(alike)
        for name, options in membership.effective(node, labels).collectors.items():
            collector = known.collectors.get(name)
            for fault in collector.faults(options) if collector else ():
                if fault.partition("collectors.")[2] not in alone:
                    templates = membership.templates_of(node, labels)
                    place = (
                        f"nodes.{node}" if node in document.nodes else f"templates.{templates[-1]}"
                    )
                    yield Level.FAULT, f"{place}: together with what else holds on {node}: {fault}"


def _overrides_together(
    fleet: Fleet, document: Document, known: Known
) -> Iterator[tuple[Level, str]]:
    """Judge overrides that are right in each table and do not fit together on a node."""
    if any(table.override for _, table in _tables(document)):
        seen = set()
        for node, labels in _asked_for(document, known).items():
            alike = fleet.likeness(node, labels)
            if alike not in seen:
                seen.add(alike)
                yield from ((Level.FAULT, each) for each in fleet.conflicts_on(node, labels))


def _asked_for(document: Document, known: Known) -> dict[str, Labels]:
    return {**{node: {} for node in document.nodes}, **(known.nodes or {})}


def _metrics(document: Document, known: Known) -> Iterator[tuple[Level, str]]:
    """Judge the metrics that rules of the document name."""
    tables = [(f"rules.{rule}", table) for rule, table in document.rules.items()]
    tables += [
        (f"{place}.override.{rule}", keys)
        for place, each in _tables(document)
        for rule, keys in each.override.items()
    ]
    for path, table in tables:
        beside = table.get("and")
        for place, inner in ((path, table), (f"{path}.and", beside)):
            metric = inner.get("metric") if isinstance(inner, dict) else None
            if not isinstance(metric, str):
                continue
            name, _, field = metric.partition(".")
            collector = known.collectors.get(name)
            if collector is None:
                yield _unknown_collector(f"{place}.metric", name, known)
            elif collector.fields is not None and field not in collector.fields:
                near = nearest(metric, [f"{name}.{each}" for each in sorted(collector.fields)])
                yield Level.FAULT, f'{place}.metric: nothing measures "{metric}"{near}'


def _groups(document: Document, known: Known) -> Iterator[tuple[Level, str]]:
    used = {group for template in document.templates.values() for group in template.groups}
    for group in document.groups:
        if group not in used:
            yield Level.WARNING, f"groups.{group}: no template is meant for it"
    if not known.nodes:
        empty = [group for group, members in document.groups.items() if not members]
    else:
        membership = Membership(document)
        nodes = known.nodes.items()
        inhabited = {
            group for node, labels in nodes for group in membership.groups_of(node, labels)
        }
        empty = [group for group in document.groups if group not in inhabited]
        for node in document.nodes:
            if node not in known.nodes:
                yield Level.WARNING, f"nodes.{node}: the broker knows no such node"
    yield from ((Level.WARNING, f"groups.{group}: no node is in it") for group in empty)


def _silence(document: Document) -> Iterator[tuple[Level, str]]:
    if not any(table.rules for _, table in _tables(document)):
        yield Level.WARNING, "rules: no template or node asks for any, so nobody is told anything"


def _receivers(document: Document) -> Iterator[tuple[Level, str]]:
    """Name the receivers: who they are stands where the alert service runs, not here."""
    asked: dict[str, list[str]] = {}
    for rule, table in document.rules.items():
        named = table.get("receivers")
        for name in named if isinstance(named, list) else ():
            asked.setdefault(str(name), []).append(rule)
    for name, rules in asked.items():
        where = f"[mail.receivers.{name}] in the rollcall.toml of the alert service"
        yield Level.NOTE, f"rules.{rules[0]}.receivers: {', '.join(rules)} mail to {where}"
