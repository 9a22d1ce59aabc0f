"""The TOML file that people keep: its table, and on which line each of its keys stands. Pure.

`tomllib` gives lines for syntax errors only, so the text is cut into statements, each of which
`tomllib` then reads by itself: no second grammar that could disagree with the first.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from rollcall.broker.fleet.faults import FleetError
from rollcall.broker.fleet.merge import Path

# What a statement of several lines can end with: an array, an inline table, a long string.
_END: Final = re.compile(r"[]}]|\"\"\"|'''")


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read. `lines` gives the first line, counted from 1, of every key and table."""

    table: dict[str, JsonValue]
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int | None:
        """Give the line of a key, else that of the nearest table around it."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return None


def parse(text: str) -> Source:
    """Read the text of a file. Raises FleetError for what is no TOML, or more than JSON can say."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FleetError([f"is not TOML: {error}"]) from error
    source = Source(table, _lines(text))
    foreign = [
        f"{'.'.join(path)}: {type(value).__name__}s have no place here; write it in quotes"
        for path, value in _leaves(table)
        if not _is_json(value)
    ]
    if foreign:
        raise FleetError(foreign)
    return source


def _lines(text: str) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    within: Path = ()
    for number, statement in _statements(text):
        found: Any = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            within = ()
            while isinstance(found, dict) and found:
                key, found = next(iter(found.items()))
                within = (*within, key)
                lines.setdefault(within, number)
                found = found[0] if isinstance(found, list) and found else found
        else:
            for path in _paths(found):
                lines.setdefault((*within, *path), number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut the text of valid TOML into statements, each with the line on which it begins."""
    begun, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        is_first = not begun
        first = number if is_first else first
        begun += f"{line}\n"
        if (is_first or _END.search(line)) and _is_whole(begun):
            yield first, begun
            begun = ""


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _paths(table: Mapping[str, Any]) -> Iterator[Path]:
    for key, value in table.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *deeper) for deeper in _paths(value))


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        yield path, value
    for key, each in inner:
        yield from _leaves(each, (*path, str(key)))


def _is_json(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, str | bool | int)
