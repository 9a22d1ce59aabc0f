"""Everything the agent can measure, as a page: `python -m rollcall.node_agent.catalogue`."""

import sys
from collections.abc import Iterator

from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Declaration, Field

_OPENING = """\
# Metrics

What the agent of a node measures. This page is generated from the collectors' own declarations by
`python -m rollcall.node_agent.catalogue`; do not edit it.

A metric is named `<collector>.<field>`, for example `cpu.percent`; with a node and, where there are
several, an instance it names one series. The unit is the end of the name. A gauge goes up and down,
a counter only grows until it starts over, a state is a flag (1 or 0).

A field that a host does not give is absent, never 0. Rates are taken between two readings: there is
none in the first, and none where a counter has started over. A collector without an interval of its
own follows `[agent] interval`, 10 s by default."""


def text() -> str:
    """Give the page in Markdown."""
    sections = ("\n".join(_section(declared)) for declared in DECLARATIONS)
    return "\n\n".join((_OPENING, *sections)) + "\n"


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


def _table(fields: tuple[Field, ...]) -> Iterator[str]:
    yield ""
    yield "| field | unit | kind | meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        yield f"| `{field.name}` | {field.unit} | {field.kind} | {field.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(text())
