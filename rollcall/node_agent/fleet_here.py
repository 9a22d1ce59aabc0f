"""What the fleet document says about this node. Pure.

Imported where there is a document: to know a wrong one takes the rules and their models along,
which an agent needs for nothing else.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from rollcall.broker import fleet
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import Fleet
from rollcall.service.settings import Agent as AgentSettings


@dataclass(frozen=True, slots=True)
class Meant:
    """The options by collector as written, the groups, and the description of a node."""

    collectors: dict[str, dict[str, JsonValue]]
    groups: tuple[str, ...]
    description: str | None


def meant_for(node: str, settings: AgentSettings, message: Fleet) -> Meant:
    """Lay what the document says over the local file. Raises DecodeError for an invalid one."""
    local: dict[str, JsonValue] = {
        "collectors": {name: {**options} for name, options in settings.collectors.items()},
        "description": settings.description,
    }
    try:
        document = fleet.read(message.document)
    except fleet.FleetError as error:
        raise DecodeError("invalid", str(error)) from error
    layers = [fleet.Layer("local file", local)]
    found = document.effective(node, settings.labels, below=layers)
    return Meant(found.collectors, found.groups, found.description)
