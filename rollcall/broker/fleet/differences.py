"""What another document changes, and for which nodes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rollcall.broker.fleet.effective import Effective
from rollcall.broker.fleet.fleet import Fleet
from rollcall.broker.fleet.merge import Path
from rollcall.broker.fleet.rules import AnyRule

_DURATION_END: Final = "_s"
_Change = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One change on `nodes`. `before` and `after` are in words; None: nothing was or is said.

    `key` is what changes: `collectors.cpu.interval`, `description`, `group web`, `rule cpu_high`,
    or a key of a rule, `rule cpu_high, threshold`.
    """

    key: str
    before: str | None
    after: str | None
    nodes: tuple[str, ...]


def differences(
    before: Fleet, after: Fleet, nodes: Mapping[str, Mapping[str, str]]
) -> list[Difference]:
    """Give what changes for `nodes` (labels by node), each change once with all of its nodes."""
    alike: dict[object, list[str]] = {}
    for node, labels in nodes.items():
        likeness = (before.likeness(node, labels), after.likeness(node, labels))
        alike.setdefault(likeness, []).append(node)
    found: dict[_Change, list[str]] = {}
    for same in alike.values():
        node, labels = same[0], nodes[same[0]]
        if _compared(before, node, labels) == _compared(after, node, labels):
            continue
        was, becomes = (_said(fleet, node, labels) for fleet in (before, after))
        for change in _changes(was, becomes):
            found.setdefault(change, []).extend(same)
    return [
        Difference(*change, tuple(sorted(on))) for change, on in sorted(found.items(), key=_key)
    ]


def _compared(fleet: Fleet, node: str, labels: Mapping[str, str]) -> tuple[object, ...]:
    """Give what would be said, but not in words: for most nodes nothing changes."""
    found = fleet.effective(node, labels)
    return found.groups, found.description, found.collectors, fleet.rules_for(node, labels)


def _changes(was: Mapping[str, str], becomes: Mapping[str, str]) -> Iterator[_Change]:
    for key in {**was, **becomes}:
        rule = key.partition(", ")[0]
        if was.get(key) == becomes.get(key):
            continue
        # Of a rule that begins or ends to hold, its keys are no news.
        if rule == key or (rule in was and rule in becomes):
            yield key, was.get(key), becomes.get(key)


def _key(item: tuple[_Change, list[str]]) -> tuple[str, list[str]]:
    (key, _, _), nodes = item
    return key, sorted(nodes)


def _said(fleet: Fleet, node: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Give everything that holds on a node as words by key."""
    effective = fleet.effective(node, labels)
    words = {f"group {group}": "a member" for group in effective.groups}
    words |= {".".join(path): shown(value) for path, value in values_of(effective)}
    for name, rule in fleet.rules_for(node, labels).items():
        words[f"rule {name}"] = "holds"
        words |= {f"rule {name}, {key}": value for key, value in _keys_of(rule)}
    return words


def values_of(effective: Effective) -> Iterator[tuple[Path, JsonValue]]:
    """Give every value that the document sets on a node, by its path."""
    for path in effective.origins:
        value: JsonValue = effective.description
        if path[0] == "collectors":
            value = {**effective.collectors}
            for key in path[1:]:
                assert isinstance(value, dict)
                value = value[key]
        yield path, value


def _keys_of(rule: AnyRule) -> Iterator[tuple[str, str]]:
    dumped = rule.model_dump(mode="json")
    for name, field in type(rule).model_fields.items():
        value = dumped[name]
        is_duration = name.endswith(_DURATION_END) and isinstance(value, int | float)
        words = duration(value) if is_duration else shown(value)
        yield field.alias or name, words


def shown(value: JsonValue) -> str:
    """Write a value as TOML does."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
        case str():
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{quoted}"'
        case list():
            return f"[{', '.join(shown(each) for each in value)}]"
        case dict() if value:
            return f"{{ {', '.join(f'{key} = {shown(each)}' for key, each in value.items())} }}"
    return "{}" if value == {} else str(value)


def duration(seconds: float) -> str:
    """Write seconds as the document does: `"90s"`, `"5m"`, `"1h"`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f'"{seconds / length:.0f}{unit}"'
    return f'"{seconds:.10g}s"'
