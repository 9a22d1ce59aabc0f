"""Laying tables of settings over one another, remembering where each value came from. Pure.

A later layer wins. Tables merge key by key, to any depth; everything else, lists too, is replaced
as a whole; `null` takes a key away, as in JSON Merge Patch (RFC 7396).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place; `origin` names it to people, such as `templates.base`."""

    origin: str
    table: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Merged:
    """All layers as one. `origins` names, for the path of each value, whose layer it is from."""

    table: dict[str, JsonValue]
    origins: dict[Path, str]


def merge(layers: Iterable[Layer]) -> Merged:
    """Lay the later layers over the earlier ones; no `null` is left, but within lists."""
    merged = Merged({}, {})
    for layer in layers:
        _lay(merged.table, merged.origins, (), layer.table, layer.origin)
    return merged


def without(paths: Iterable[Path]) -> dict[str, JsonValue]:
    """Give the table that takes all of these paths away when it is laid over another."""
    table: dict[str, JsonValue] = {}
    for *above, key in paths:
        inner = table
        for name in above:
            deeper = inner.setdefault(name, {})
            if not isinstance(deeper, dict):
                break
            inner = deeper
        else:
            inner[key] = None
    return table


def _lay(
    values: dict[str, JsonValue],
    origins: dict[Path, str],
    above: Path,
    table: Mapping[str, JsonValue],
    origin: str,
) -> None:
    for key, new in table.items():
        path = (*above, key)
        old = values.get(key)
        if isinstance(new, dict):
            if not isinstance(old, dict):
                origins.pop(path, None)
                old = values[key] = {}
            _lay(old, origins, path, new, origin)
            continue
        if isinstance(old, dict):
            _forget(origins, path, old)
        if new is None:
            values.pop(key, None)
            origins.pop(path, None)
        else:
            values[key] = new
            origins[path] = origin


def _forget(origins: dict[Path, str], path: Path, table: Mapping[str, JsonValue]) -> None:
    for key, value in table.items():
        deeper = (*path, key)
        if isinstance(value, dict):
            _forget(origins, deeper, value)
        else:
            origins.pop(deeper, None)
