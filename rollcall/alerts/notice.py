"""A notice: everything that a message to people, or to a program, may tell. Values only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rollcall.alerts.grouping import Incident, MailKind
from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Key
from rollcall.broker.node_view import NodeView


@dataclass(frozen=True, slots=True)
class Shared:
    """What the nodes of an incident have in common: a label, and who of its bearers is up."""

    label: str
    up: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Process:
    """A process among those that used most when the breach began."""

    name: str
    pid: int
    user: str | None = None
    cpu_percent: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessList:
    """The top processes of a node, by `cpu` or `memory`, at one moment (Unix seconds)."""

    by: str
    at: float
    processes: tuple[Process, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """The newest values of one series, oldest first, one a `step_s`; None where nothing came."""

    step_s: float
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told: the incident as it stands, before this telling is noted in it.

    `rules` holds the members' rules that still exist; `views` what is known of nodes, all of them;
    `held` the alerts that inhibition keeps back on the members' nodes; `suppressed` the members
    that are not to be told of now, and why; `source` says where the rules come from, `places` where
    each stands in the file.
    """

    kind: MailKind
    incident: Incident
    at: float
    source: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    views: Mapping[str, NodeView] = field(default_factory=dict)
    shared: Shared | None = None
    held: Sequence[Key] = ()
    suppressed: Mapping[Key, str] = field(default_factory=dict)
    trends: Mapping[Key, Trend] = field(default_factory=dict)
    processes: Mapping[str, ProcessList] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gist:
    """What a held message would have told, in short, for the digest that tells it."""

    kind: str
    rule: str
    scope: str
    severity: str
    text: str
    firing: int
    over: int
    at: float

    def to_json(self) -> str:
        """Write it for the outbox."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Gist":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))
