"""What a collector is: what it declares of its fields, and what it finds."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from rollcall.node_agent.host import Host

Number = int | float
Kind = Literal["gauge", "counter", "state"]

# The longest suffix stands first: the unit is the end of the name.
_UNITS: Final = (
    "bytes_per_second",
    "per_second",
    "percent",
    "bytes",
    "hertz",
    "seconds",
)


class UnsupportedError(Exception):
    """This host has nothing of the kind; the text says what is not there."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, what it means, its unit, and what kind of number it is."""

    name: str
    meaning: str
    unit: str
    kind: Kind


def gauge(name: str, meaning: str, *, unit: str = "") -> Field:
    """Declare a number that goes up and down; its unit is the end of its name, else a count."""
    return Field(name, meaning, unit or _unit_of(name), "gauge")


def counter(name: str, meaning: str) -> Field:
    """Declare a number that only grows, until it starts over."""
    return Field(name, meaning, _unit_of(name), "counter")


def state(name: str, meaning: str) -> Field:
    """Declare a flag: 1 or 0."""
    return Field(name, meaning, "flag", "state")


def _unit_of(name: str) -> str:
    return next((unit for unit in _UNITS if f"_{name}".endswith(f"_{unit}")), "count")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a collector says of itself, once: for the agent, for `info`, and for the docs.

    `fields` is what a host has once, `instance_fields` what it has once for each `instance`.
    `at_least_s` is its shortest interval by default. `blocks`: reading may hang with a device.
    """

    name: str
    subject: str
    fields: tuple[Field, ...] = ()
    instance: str = ""
    instance_fields: tuple[Field, ...] = ()
    at_least_s: int = 1
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What one reading found; `error` says what failed beside it, its kind first."""

    fields: dict[str, Number] | None = None
    instances: dict[str, dict[str, Number]] | None = None
    error: str | None = None


class Collector(Protocol):
    """Reads one subject of a host."""

    @property
    def declaration(self) -> Declaration:
        """What it reads."""

    def collect(self, host: Host) -> Found:
        """Read it now. Raises UnsupportedError, OSError, ValueError."""
