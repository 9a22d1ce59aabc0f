"""What holds on one node, each value with where it comes from. Pure.

A node has a file of its own, which nobody but it has read: where its answer differs from what
document and defaults make, the value is the node's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rollcall.broker.fleet import Fleet
from rollcall.broker.fleet.differences import shown, values_of
from rollcall.broker.fleet.merge import Path
from rollcall.broker.messages import Applied
from rollcall.console.fleet_catalogue import as_applied

_DEFAULT: Final = "default"
# A path to an option is `collectors`, the collector, the option; a longer one leads into a table.
_OPTION: Final = 3
_OF_THE_NODE: Final = "the node's own file"
_RULE: Final = "rule "
_HOLDS: Final = "holds"
_ELSE: Final = "the node has {} instead"


@dataclass(frozen=True, slots=True)
class Row:
    """One value; `remark` where the node has another than the document says."""

    key: str
    value: JsonValue
    origin: str
    remark: str = ""

    @property
    def shown(self) -> str:
        """The value as the document would write it."""
        return _HOLDS if self.key.startswith(_RULE) else shown(self.value)


def rows(
    fleet: Fleet,
    node: str,
    labels: Mapping[str, str],
    defaults: Mapping[str, Mapping[str, JsonValue]],
    applied: Applied | None,
) -> list[Row]:
    """Give every value that holds on a node; `applied` is its answer, if there is one."""
    effective = fleet.effective(node, labels)
    said: dict[Path, tuple[JsonValue, str]] = {
        ("collectors", name, option): (value, _DEFAULT)
        for name, options in defaults.items()
        for option, value in options.items()
    }
    for path, value in values_of(effective):
        said.pop(path[:3], None)
        said[path] = (value, effective.origins[path])
    answered = applied.collectors if applied is not None else {}
    expected = as_applied({name: effective.collectors.get(name, {}) for name in defaults})
    found = [_row(path, value, answered, expected) for path, value in said.items()]
    found += _of_plug_ins(answered, expected)
    found += _beside(said, answered, expected)
    found += [
        Row(f"{_RULE}{rule}", True, ", ".join(fleet.askers_of(rule, node, labels)))
        for rule in fleet.rules_for(node, labels)
    ]
    return sorted(found, key=lambda each: each.key)


def _row(
    path: Path,
    said: tuple[JsonValue, str],
    answered: Mapping[str, Mapping[str, JsonValue]],
    expected: Mapping[str, Mapping[str, JsonValue]],
) -> Row:
    value, origin = said
    key = ".".join(path[1:] if path[0] == "collectors" else path)
    if path[0] != "collectors" or path[1] not in answered:
        return Row(key, value, origin)
    name, inner = path[1], path[2:]
    has, should = _at(answered[name], inner), _at(expected.get(name, {}), inner)
    if has == should:
        return Row(key, value, origin)
    if origin == _DEFAULT:
        return Row(key, has, _OF_THE_NODE)
    return Row(key, value, origin, _ELSE.format(shown(has)))


def _at(table: Mapping[str, JsonValue], path: Path) -> JsonValue:
    value: JsonValue = {**table}
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _beside(
    said: Mapping[Path, object],
    answered: Mapping[str, Mapping[str, JsonValue]],
    expected: Mapping[str, Mapping[str, JsonValue]],
) -> Iterator[Row]:
    """Give what a node has in a table beside what the document says there: groups of processes."""
    for name, option in sorted({path[1:3] for path in said if len(path) > _OPTION}):
        has, should = (_at(side.get(name, {}), (option,)) for side in (answered, expected))
        if isinstance(has, dict) and isinstance(should, dict):
            own = {key: value for key, value in has.items() if key not in should}
            yield from (
                Row(f"{name}.{option}.{key}", value, _OF_THE_NODE) for key, value in own.items()
            )


def _of_plug_ins(
    answered: Mapping[str, Mapping[str, JsonValue]], expected: Mapping[str, object]
) -> Iterator[Row]:
    for name, options in answered.items():
        if name not in expected:
            yield from (Row(f"{name}.{key}", has, "plug-in") for key, has in options.items())
