"""What `rollcall fleet` says: findings, differences and answers as lines and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pydantic import JsonValue

from rollcall.broker.fleet.differences import Difference
from rollcall.broker.fleet.inspection import Finding, Level

_NAMED: Final = 8
_HOLDS: Final = "holds"


def finding_lines(file: str, findings: Iterable[Finding]) -> list[str]:
    """Write each finding as compilers do, so that editors find the line."""
    return [
        f"{file}{f':{each.line}' if each.line else ''}: {each.level}: {each.text}"
        for each in findings
    ]


def counted(findings: Iterable[Finding]) -> str:
    """Count findings by level: `2 faults, 1 warning`."""
    counts = Counter(each.level for each in findings)
    return ", ".join(plural(counts[level], level) for level in Level if counts[level])


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Give findings for `--json`."""
    return [asdict(each) | {"level": str(each.level)} for each in findings]


def difference_lines(found: Sequence[Difference], nodes: int) -> list[str]:
    """Write what changes, once for all nodes for which the same changes."""
    if not found:
        return [f"Nothing changes for {'the one node' if nodes == 1 else f'any of {nodes} nodes'}."]
    changes: dict[tuple[str, ...], list[str]] = {}
    for each in found:
        changes.setdefault(each.nodes, []).append(_in_words(each))
    lines = []
    for where, told in sorted(changes.items(), key=lambda change: (-len(change[0]), change[0])):
        everybody = len(where) == nodes and nodes > 1
        lines.append(f"all {nodes} nodes:" if everybody else f"{named(where)}:")
        lines += [f"  {text}" for text in told]
    return lines


def difference_json(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """Give differences for `--json`."""
    return [asdict(each) | {"nodes": list(each.nodes)} for each in found]


def named(nodes: Sequence[str]) -> str:
    """Name nodes, and count them where they are several: `pi-1, pi-2 (2 nodes)`."""
    if len(nodes) == 1:
        return nodes[0]
    more = ", ..." if len(nodes) > _NAMED else ""
    return f"{', '.join(nodes[:_NAMED])}{more} ({len(nodes)} nodes)"


def plural(number: int, noun: str) -> str:
    """Count things: `1 node`, `2 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def document_toml(document: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Give a published document as a table for TOML, which has no `null`: it goes to `unset`."""
    table = dict(document)
    for section in ("templates", "nodes"):
        inner = table.get(section)
        if isinstance(inner, dict):
            table[section] = {name: _without_null(each) for name, each in inner.items()}
    return table


def _in_words(each: Difference) -> str:
    kind, _, rest = each.key.partition(" ")
    if kind == "group":
        return f"joins the group {rest}" if each.before is None else f"leaves the group {rest}"
    if each.after == _HOLDS and each.before is None:
        return f"{each.key} begins to hold"
    if each.before == _HOLDS and each.after is None:
        return f"{each.key} no longer holds"
    if each.before is None:
        return f"{each.key} = {each.after} (was not set)"
    if each.after is None:
        return f"{each.key} is no longer set (was {each.before})"
    return f"{each.key} = {each.after} (was {each.before})"


def _without_null(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict) or not isinstance(value.get("collectors"), dict):
        return value
    taken: list[JsonValue] = []
    collectors = _pruned(value["collectors"], "collectors", taken)
    unset = value.get("unset")
    before = unset if isinstance(unset, list) else []
    rest: dict[str, JsonValue] = {**value, "collectors": collectors}
    return {**rest, "unset": [*before, *taken]} if taken else rest


def _pruned(value: JsonValue, path: str, taken: list[JsonValue]) -> JsonValue:
    """Leave out every null of a table, and note its path in `taken`."""
    if not isinstance(value, dict):
        return value
    kept: dict[str, JsonValue] = {}
    for key, inner in value.items():
        bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
        deeper = f"{path}.{key}" if bare else f"{path}.{_quoted(key)}"
        if inner is None:
            taken.append(deeper)
        else:
            kept[key] = _pruned(inner, deeper, taken)
    return kept


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
