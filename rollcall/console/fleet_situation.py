"""What the broker says about the fleet at one moment: the document in force, nodes, answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from rollcall.broker import fleet, messages
from rollcall.broker.cluster import Cluster
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.broker.fleet.inspection import Known
from rollcall.broker.fleet.published import newest_revision
from rollcall.broker.node_view import NodeView
from rollcall.console.fleet_catalogue import collectors
from rollcall.console.gather import OF_NODES, linked, now
from rollcall.service.settings import Broker


@dataclass(frozen=True, slots=True)
class Situation:
    """`in_force` is the message, None without any; `views` are all nodes by name.

    `unreadable` counts the retained messages that could not be read; the document may be one.
    """

    in_force: messages.Fleet | None
    views: dict[str, NodeView]
    drifts: dict[str, str]
    unreadable: int = 0

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """The labels of every node, by its name."""
        return {
            name: dict(view.info.labels) if view.info else {} for name, view in self.views.items()
        }

    @property
    def known(self) -> Known:
        """What there is, with the plug-ins that nodes announce."""
        infos = [view.info for view in self.views.values() if view.info]
        return Known(collectors(infos), self.labels)

    @property
    def next_revision(self) -> int:
        """The number of the next document: higher than any that was ever answered to."""
        applied = [view.applied for view in self.views.values() if view.applied]
        return newest_revision(self.in_force, applied) + 1

    def fleet(self) -> Fleet:
        """Give the document in force, as far as it can be read: see `fault`."""
        if self.in_force is None or self.fault:
            return fleet.built_in()
        return fleet.read(self.in_force.document)

    @property
    def fault(self) -> str | None:
        """Say that the document in force is invalid, so that nobody follows it."""
        problems = _problems(self.in_force.document) if self.in_force else []
        if not self.in_force or not problems:
            return None
        what = f"revision {self.in_force.revision}, published as it is, is invalid"
        return f"{what} ({problems[0]}): nodes keep what they had"


def is_valid(document: Mapping[str, JsonValue]) -> bool:
    """Say whether nodes would take a document at all."""
    return not _problems(document)


def _problems(document: Mapping[str, JsonValue]) -> list[str]:
    try:
        fleet.read(document)
    except FleetError as error:
        return error.problems
    return []


def situation(broker: Broker) -> Situation:
    """Ask the broker. Raises CommandError with exit code 5 when it does not answer."""
    with linked(broker, OF_NODES) as link:
        return replace(situation_of(link.cluster), unreadable=link.unreadable)


def situation_of(cluster: Cluster) -> Situation:
    """Give the situation that a cluster is in now."""
    views = {view.name: view for view in cluster.nodes(now())}
    drifts = {name: cluster.drift(view) for name, view in views.items()}
    told = {name: drift for name, drift in drifts.items() if drift is not None}
    return Situation(cluster.fleet, views, told)
