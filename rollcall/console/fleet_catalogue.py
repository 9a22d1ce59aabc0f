"""What collectors there are: the built-in ones as the agent declares them, and nodes' plug-ins."""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from rollcall.broker.fleet.inspection import Collector
from rollcall.broker.messages import Info
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Declaration
from rollcall.node_agent.collectors.textfile import Textfile
from rollcall.node_agent.options import BlockingOptions, Options, read

# Where a table names no interval, any may be in force on the node: the longest forbids nothing.
_LONGEST_S: Final = 21_600


def collectors(infos: Iterable[Info] = ()) -> dict[str, Collector]:
    """Give what is built in, and what running nodes announce beside it."""
    announced = {name for info in infos for name in info.collectors}
    plug_ins = {name: _collector(name, BlockingOptions, None) for name in sorted(announced)}
    built_in = {each.name: _built_in(each) for each in DECLARATIONS}
    textfile = _collector(Textfile.declaration.name, Textfile.declaration.options, None)
    return {**plug_ins, Textfile.declaration.name: textfile, **built_in}


def defaults(interval_s: int) -> dict[str, dict[str, JsonValue]]:
    """Give the value of every option of the built-in collectors that nobody sets."""
    found = {}
    for declared in DECLARATIONS:
        options = declared.options(interval=max(interval_s, declared.at_least_s))
        found[declared.name] = to_jsonable_python(options.model_dump(mode="json"))
    return found


def _built_in(declared: Declaration) -> Collector:
    fields = (*declared.fields, *declared.instance_fields)
    names = {field.name for field in fields}
    names |= {f"{peak}_{field.name}" for field in fields for peak in field.peaks}
    return _collector(declared.name, declared.options, frozenset(names))


def _collector(name: str, options: type[Options], fields: frozenset[str] | None) -> Collector:
    def faults(table: Mapping[str, JsonValue]) -> list[str]:
        return read({name: options}, {name: table}, intervals={name: _LONGEST_S})[1]

    return Collector(frozenset(options.model_fields), faults, fields)
