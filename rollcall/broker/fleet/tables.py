"""What the tables of the fleet document are made of: names, durations, patterns; `Table` itself."""

import re
import tomllib
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rollcall.broker.topics import is_node_name

LABEL: Final = "label:"
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS_IN: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})


def _seconds(written: object) -> object:
    found = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise ValueError('a duration is a number and a unit, such as "30s", "5m" or "1h"')
    return float(int(found[1]) * _SECONDS_IN[found[2]])


def _node_name(name: str) -> str:
    if not is_node_name(name):
        raise ValueError(f"{name[:80]!r} cannot be the name of a node")
    return name


def _member(pattern: str) -> str:
    if pattern.startswith(LABEL) and not re.fullmatch(r"label:[^=]+=.*", pattern):
        raise ValueError('a label is written "label:role=web"')
    return pattern


def path_of(written: str) -> tuple[str, ...]:
    """Split a dotted key as TOML does, quotes and all. Raises ValueError for what is none."""
    if "\n" in written or "\r" in written or "=" in re.sub(r"\"[^\"]*\"|'[^']*'", "", written):
        raise ValueError("a key stands on one line")
    inner: object = tomllib.loads(f"{written} = 0")
    path = []
    while isinstance(inner, dict):
        key, inner = next(iter(inner.items()))
        path.append(key)
    return tuple(path)


def _unset(written: str) -> str:
    try:
        path = path_of(written)
    except ValueError:
        path = ()
    if len(path) < 2 or path[0] != "collectors":  # noqa: PLR2004 - a collector, at least
        raise ValueError('what is unset is written "collectors.cpu" or "collectors.cpu.interval"')
    return written


Unset = Annotated[str, Field(max_length=400), AfterValidator(_unset)]
Duration = Annotated[float, BeforeValidator(_seconds)]
RuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
NodeName = Annotated[str, AfterValidator(_node_name)]
Member = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_member)]
Glob = Annotated[str, Field(min_length=1, max_length=255)]
Op = Literal[">", ">=", "<", "<=", "==", "!="]


class Table(BaseModel):
    """A table of the document: strict, frozen, and without unknown keys."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )
