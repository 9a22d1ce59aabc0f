"""What collectors there are: the built-in ones as the agent declares them, and nodes' plug-ins."""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker.fleet.inspection import Collector
from rollcall.broker.messages import Info
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Declaration
from rollcall.node_agent.collectors.textfile import Textfile
from rollcall.node_agent.options import BlockingOptions, Options, read
from rollcall.service.settings import Agent

# Where a table names no interval, any may be in force on the node: the longest forbids nothing.
_LONGEST_S: Final = 21_600
# What the agent takes where neither its own file nor the document names an interval.
_INTERVAL_S: Final = Agent.model_fields["interval"].default


def collectors(infos: Iterable[Info] = ()) -> dict[str, Collector]:
    """Give what is built in, and what running nodes announce beside it."""
    announced = {name for info in infos for name in info.collectors}
    plug_ins = {name: _collector(name, BlockingOptions, None) for name in sorted(announced)}
    built_in = {each.name: _built_in(each) for each in DECLARATIONS}
    textfile = _collector(Textfile.declaration.name, Textfile.declaration.options, None)
    return {**plug_ins, Textfile.declaration.name: textfile, **built_in}


def defaults() -> dict[str, dict[str, JsonValue]]:
    """Give the value of every option of the built-in collectors that nobody sets."""
    options = _options({})
    return {name: each.model_dump(mode="json") for name, each in options.items()}


def as_applied(
    tables: Mapping[str, Mapping[str, JsonValue]],
) -> dict[str, dict[str, JsonValue]]:
    """Give the options of the built-in collectors as a node answers with them."""
    return {
        name: each.model_dump(mode="json", exclude_none=True)
        for name, each in _options(tables).items()
    }


def _options(tables: Mapping[str, Mapping[str, JsonValue]]) -> dict[str, Options]:
    kinds = {each.name: each.options for each in DECLARATIONS}
    intervals = {each.name: max(_INTERVAL_S, each.at_least_s) for each in DECLARATIONS}
    return read(kinds, tables, intervals=intervals)[0]


def _built_in(declared: Declaration) -> Collector:
    fields = (*declared.fields, *declared.instance_fields)
    names = {field.name for field in fields}
    names |= {f"{peak}_{field.name}" for field in fields for peak in field.peaks}
    return _collector(declared.name, declared.options, frozenset(names))


def _collector(name: str, options: type[Options], fields: frozenset[str] | None) -> Collector:
    def faults(table: Mapping[str, JsonValue]) -> list[str]:
        return read({name: options}, {name: table}, intervals={name: _LONGEST_S})[1]

    return Collector(frozenset(options.model_fields), faults, fields)
