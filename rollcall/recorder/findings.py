"""What a message turned out to contain, ready to be stored.

Times are integer milliseconds since 1970, UTC. Every text fits a column of either engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollcall.broker.messages import Offline, Online
from rollcall.recorder.units import Unit


class Freshness(StrEnum):
    """What the arrival of a message says about its age.

    `LIVE`: just sent. `QUEUED`: perhaps waited at the broker for us. `REPLAYED`: retained.
    """

    LIVE = "live"
    QUEUED = "queued"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a message came, and what that says about its age.

    `listening_since_ms`: since when every live message would have reached us; None: not known.
    """

    received_ms: int
    freshness: Freshness
    listening_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """What identifies a report or event for ever."""

    node: str
    epoch: str
    seq: int


# One number of a report: metric, instance (empty where there is only one), value. There are so many
# of them that they are plain tuples.
Sample = tuple[str, str, float]


@dataclass(frozen=True, slots=True)
class ReportFound:
    """A report of one collector at `ts`; `error` tells what failed.

    `clock_off_ms`: how far its node's clock was off, where it was stored under another time.
    """

    number: Number
    samples: tuple[Sample, ...]
    collector: str = ""
    ts: int = 0
    error: str | None = None
    clock_off_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EventFound:
    """Something that happened once; `detail` is JSON text."""

    number: Number
    ts: int
    kind: str
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class NeverComes:
    """Numbers `first` to `last` that an agent declared lost, and why."""

    node: str
    epoch: str
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A sign of life of a node; `listening_since_ms` as in `Arrival`, None for an old message."""

    node: str
    ts: int
    listening_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StatusFound:
    """A birth, goodbye or last will; `listening_since_ms` as in `Seen`."""

    node: str
    status: Online | Offline
    received_ms: int
    listening_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InfoFound:
    """The facts of a node; `units` by metric, `labels` by name."""

    node: str
    address: str | None
    model: str | None
    os: str | None
    agent: str
    description: str | None
    units: Mapping[str, Unit]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetFound:
    """The fleet document in force at `ts`, as JSON text; None: there is none any more."""

    ts: int
    revision: int
    digest: str
    document: str | None


@dataclass(frozen=True, slots=True)
class AlertInstanceFound:
    """The state of one instance of an alert."""

    instance: str
    state: str
    value: float | None


@dataclass(frozen=True, slots=True)
class AlertFound:
    """An alert as it is at `ts`."""

    node: str
    rule: str
    ts: int
    severity: str
    summary: str
    incident: str | None
    instances: tuple[AlertInstanceFound, ...]


@dataclass(frozen=True, slots=True)
class AlertOver:
    """An alert that ended at `ts`."""

    node: str
    rule: str
    ts: int


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be stored, and why; `number` counts as received where it could be read."""

    topic: str
    reason: str
    error: str
    payload: bytes
    received_ms: int
    number: Number | None = None


Finding = (
    ReportFound
    | EventFound
    | NeverComes
    | Seen
    | StatusFound
    | InfoFound
    | FleetFound
    | AlertFound
    | AlertOver
    | Refused
)


def node_of(finding: Finding) -> str | None:
    """Give the node whose rows a finding changes; None where no single one is meant."""
    if isinstance(finding, ReportFound | EventFound | Refused):
        return None if finding.number is None else finding.number.node
    if isinstance(finding, FleetFound):
        return None
    return finding.node


@dataclass(frozen=True, slots=True)
class Intake:
    """A message as it came, and what it turned out to contain."""

    topic: str
    payload: bytes
    received_ms: int
    findings: tuple[Finding, ...]
