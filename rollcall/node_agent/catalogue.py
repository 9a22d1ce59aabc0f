"""Everything the agent can measure, as a page: `python -m rollcall.node_agent.catalogue`."""

import sys
from collections.abc import Iterator
from typing import Final

from pydantic_core import to_json

from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Declaration, Field
from rollcall.node_agent.collectors.exec import declaration as exec_declaration
from rollcall.node_agent.collectors.textfile import Textfile
from rollcall.node_agent.options import Options

_OPENING = """\
# Metrics

What the agent of a node measures. This page is generated from the collectors' own declarations by
`python -m rollcall.node_agent.catalogue`; do not edit it.

A metric is named `<collector>.<field>`, for example `cpu.percent`; with a node and, where there are
several, an instance it names one series. The unit is the end of the name. A gauge goes up and down,
a counter only grows until it starts over, a state is a flag (1 or 0).

A field that a host does not give is absent, never 0. Rates are taken between two readings: there is
none in the first, and none where a counter has started over. A collector without an interval of its
own follows `[agent] interval`, 10 s by default. A report has at most 256 instances; the values of
all others count as `agent.dropped_values`.

## Options

Every collector has `enabled` (true) and `interval` (1 s to 6 h, in whole seconds). A time is a
number of seconds, or a number and a unit: `"10s"`, `"500ms"`, `"5m"`, `"1h"`. Patterns have `*`,
`?` and `[...]`, as in a shell. Further options stand with their collector. They are set in
`[agent.collectors.<collector>]`:

    [agent.collectors.process]
    interval = "10s"
    sample = "1s"
    groups = { crawlers = "cmdline:*crawler.py*", database = ["postgres", "mysqld"] }

A mistake there is told with all others when the agent starts, and it does not start.

With `sample` a collector is read more often than it reports, from 0.5 s to half the interval, so
that a spike of two seconds is not lost between two reports. Fields marked "peaks" then have their
least and greatest sample beside them, as `min_` and `max_` fields, and, where the field is the last
value and not already the mean of the interval, their mean as `avg_`. The field itself stays what it
is."""


_OF_ONES_OWN = """\
## Measurements of one's own

Two more kinds of collectors are switched on by the host's own file; how, and what they take, is in
[agent](agent.md#measurements-of-ones-own). Their fields are what they find. A program reports under
the name it has in that file. A Python package may bring more."""
_PROGRAM: Final = exec_declaration("exec")


def text() -> str:
    """Give the page in Markdown."""
    sections = ("\n".join(_section(declared)) for declared in DECLARATIONS)
    own = ("\n".join(_section(declared)) for declared in (Textfile.declaration, _PROGRAM))
    return "\n\n".join((_OPENING, *sections, _OF_ONES_OWN, *own)) + "\n"


def _section(declared: Declaration) -> Iterator[str]:
    yield f"## {declared.name}"
    yield ""
    seconds = declared.at_least_s
    slower = f" Read every {seconds} s, or at `[agent] interval` if that is longer."
    yield f"{declared.subject}.{slower if seconds > 1 else ''}"
    if declared.fields:
        yield from _table(declared.fields)
    if declared.instance_fields:
        yield ""
        yield f"For each {declared.instance}, which is the instance:"
        yield from _table(declared.instance_fields)
    own = frozenset(declared.options.model_fields) - frozenset(Options.model_fields)
    if own:
        yield from _options(declared.options, own)


def _options(kind: type[Options], own: frozenset[str]) -> Iterator[str]:
    yield ""
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for name, option in kind.model_fields.items():
        if name in own:
            default = "none" if option.default is None else f"`{to_json(option.default).decode()}`"
            yield f"| `{name}` | {default} | {option.description} |"


def _table(fields: tuple[Field, ...]) -> Iterator[str]:
    yield ""
    yield "| field | unit | kind | meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        peaks = "; peaks" if field.peaks else ""
        yield f"| `{field.name}` | {field.unit} | {field.kind} | {field.meaning}{peaks} |"


if __name__ == "__main__":
    sys.stdout.write(text())
