"""The fleet document as written: groups, templates, nodes, and rules as open tables."""

from pydantic import Field, JsonValue

from rollcall.broker.fleet.tables import (
    GroupName,
    Member,
    NodeName,
    RuleName,
    Table,
    Unset,
    path_of,
)
from rollcall.broker.messages import CollectorName, Line

Collectors = dict[CollectorName, dict[str, JsonValue] | None]


class _Settings(Table):
    rules: list[RuleName] = Field(
        [], description="rules that hold there, beside those of other templates"
    )
    override: dict[RuleName, dict[str, JsonValue]] = Field(
        {}, description="keys of rules by rule, laid over what the rule has everywhere else"
    )
    collectors: Collectors = Field(
        {}, description="options by collector; those of each are listed in [metrics](metrics.md)"
    )
    unset: list[Unset] = Field(
        [], description='keys of layers below to take away, such as `"collectors.cpu.interval"`'
    )

    @property
    def unset_paths(self) -> list[tuple[str, ...]]:
        """The keys of `unset`, each as a path."""
        return [path_of(each) for each in self.unset]


class Template(_Settings):
    """Collectors and rules for groups of nodes; a collector's settings are its own affair."""

    groups: list[GroupName] = Field(description="groups that it is meant for")


class NodeTable(_Settings):
    """What one node has beside its templates, and over them."""

    description: Line | None = Field(None, description="where or what it is")


class Document(Table):
    """The document as written, its rules still open tables."""

    groups: dict[GroupName, list[Member]] = Field(
        {}, description="by name: node-name patterns, and labels such as `label:role=web`"
    )
    templates: dict[GroupName, Template] = Field(
        {}, description="by name, in order: of two that say the same key, the later one wins"
    )
    nodes: dict[NodeName, NodeTable] = Field({}, description="by node name; wins over templates")
    rule_defaults: dict[str, JsonValue] = Field(
        {}, description="keys of every rule that neither it nor a built-in one of its name has"
    )
    rules: dict[RuleName, dict[str, JsonValue]] = Field(
        {}, description="rules by name; laid over the built-in one of that name"
    )
