"""Where two templates say different things about the same key of a node, and who wins. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from rollcall.broker.fleet.document import Document, NodeTable, Template
from rollcall.broker.fleet.effective import Membership
from rollcall.broker.fleet.merge import Path

_NAMED: Final = 3
_OVERRIDE: Final = "override"
# What one template has over another: path, winner, loser.
_Clash = tuple[Path, str, str]


def overridden(
    document: Document,
    nodes: Mapping[str, Mapping[str, str]] | None,
    line_of: Callable[[Path], int | None],
) -> list[str]:
    """Say each disagreement, beginning with the path of the key that wins.

    `nodes` are labels by node; without them, templates that must meet somewhere are compared.
    """
    said = {name: dict(_leaves(template)) for name, template in document.templates.items()}
    clashes: dict[_Clash, list[str]] = {}
    for templates, winners, on in _meetings(document, said, nodes):
        for clash in _clashes(templates, said):
            path, winner, _ = clash
            if winners is None or winners.get(path) == f"templates.{winner}":
                clashes.setdefault(clash, []).extend(on)
    return [
        f"templates.{winner}.{'.'.join(path)}: {_shown(said[winner][path])} wins over "
        f"{_shown(said[loser][path])} of templates.{loser}"
        f"{_line(line_of(('templates', loser, *path)))}, {_where(on)}"
        for (path, winner, loser), on in clashes.items()
    ]


def _meetings(
    document: Document,
    said: Mapping[str, dict[Path, JsonValue]],
    nodes: Mapping[str, Mapping[str, str]] | None,
) -> Iterator[tuple[tuple[str, ...], Mapping[Path, str] | None, list[str]]]:
    """Give which templates meet, in order, whose each value is there, and on which nodes."""
    if nodes is None:
        yield from ((pair, None, []) for pair in _bound_to_meet(document))
        return
    membership = Membership(document)
    alike: dict[object, list[str]] = {}
    for node, labels in nodes.items():
        alike.setdefault(membership.likeness(node, labels), []).append(node)
    for on in alike.values():
        node = on[0]
        effective = membership.effective(node, nodes[node])
        winners = {path: f"templates.{name}" for name in effective.templates for path in said[name]}
        if node in document.nodes:
            winners |= dict.fromkeys(_overrides(document.nodes[node]), f"nodes.{node}")
        # Of collectors, a later table may also have taken a key away.
        of_rules = {path: origin for path, origin in winners.items() if path[0] == _OVERRIDE}
        yield effective.templates, {**effective.origins, **of_rules}, on


def _bound_to_meet(document: Document) -> Iterator[tuple[str, str]]:
    """Give pairs of templates that meet on any node of a group, whichever nodes there are."""
    everybody = {name for name, members in document.groups.items() if "*" in members}
    names = list(document.templates)
    for number, later in enumerate(names):
        for earlier in names[:number]:
            groups = [frozenset(document.templates[name].groups) for name in (earlier, later)]
            if groups[0] & groups[1] or (all(groups) and any(each & everybody for each in groups)):
                yield earlier, later


def _clashes(templates: tuple[str, ...], said: Mapping[str, dict[Path, JsonValue]]) -> list[_Clash]:
    clashes = []
    for number, winner in enumerate(templates):
        for path, value in said[winner].items():
            wins = all(path not in said[later] for later in templates[number + 1 :])
            losers = templates[:number] if wins else ()
            clashes += [
                (path, winner, loser) for loser in losers if said[loser].get(path, value) != value
            ]
    return clashes


def _leaves(template: Template) -> Iterator[tuple[Path, JsonValue]]:
    yield from _leaves_of({**template.collectors}, ("collectors",))
    yield from _overrides(template).items()


def _overrides(table: Template | NodeTable) -> dict[Path, JsonValue]:
    return {
        (_OVERRIDE, rule, key): value
        for rule, keys in table.override.items()
        for key, value in keys.items()
    }


def _leaves_of(table: Mapping[str, JsonValue], above: Path) -> Iterator[tuple[Path, JsonValue]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves_of(value, (*above, key))
        else:
            yield (*above, key), value


def _shown(value: JsonValue) -> str:
    return to_json(value).decode()


def _line(number: int | None) -> str:
    return f" (line {number})" if number else ""


def _where(nodes: list[str]) -> str:
    if not nodes:
        return "where both are in force"
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return f"on {', '.join(nodes[:_NAMED])}{more}"
