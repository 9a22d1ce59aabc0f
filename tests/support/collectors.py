"""Collectors as the agent makes them, with options as people write them."""

from collections.abc import Mapping

from pydantic import JsonValue

from rollcall.node_agent.account import Account
from rollcall.node_agent.collectors import sources
from rollcall.node_agent.collectors.declaration import Collector
from rollcall.node_agent.options import Options, read


def options_of(
    account: Account, tables: Mapping[str, Mapping[str, JsonValue]]
) -> dict[str, Options]:
    """Read the options of all built-in collectors; each reports every 10 s unless told."""
    declared = [source.declaration for source in sources(account)]
    options, problems = read(
        {each.name: each.options for each in declared},
        tables,
        intervals={each.name: 10 for each in declared},
    )
    assert problems == []
    return options


def make_collectors(
    account: Account, tables: Mapping[str, Mapping[str, JsonValue]] | None = None
) -> dict[str, Collector]:
    """Make one of each, by name."""
    options = options_of(account, tables or {})
    return {
        source.declaration.name: source.make(options[source.declaration.name])
        for source in sources(account)
    }
