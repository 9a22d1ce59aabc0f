"""The fleet document as written: groups, templates, nodes, and rules as open tables."""

from pydantic import Field, JsonValue

from rollcall.broker.fleet.tables import GroupName, Member, NodeName, RuleName, Table
from rollcall.broker.messages import CollectorName, Line


class Template(Table):
    """Collectors and rules for groups of nodes; a collector's settings are its own affair."""

    groups: list[GroupName]
    rules: list[RuleName] = Field([])
    collectors: dict[CollectorName, dict[str, JsonValue]] = Field({})


class NodeTable(Table):
    """What one node has beside its templates."""

    description: Line | None = None
    rules: list[RuleName] = Field([])
    collectors: dict[CollectorName, dict[str, JsonValue]] = Field({})


class Document(Table):
    """The document as written, its rules still open tables."""

    groups: dict[GroupName, list[Member]] = Field({})
    templates: dict[GroupName, Template] = Field({})
    nodes: dict[NodeName, NodeTable] = Field({})
    rules: dict[RuleName, dict[str, JsonValue]] = Field({})
