"""What a collector is: what it declares of its fields, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from rollcall.node_agent.host import Host
from rollcall.node_agent.options import Options

Number = int | float
Kind = Literal["gauge", "counter", "state"]
Peak = Literal["min", "avg", "max"]

# Beside a number that is the last of the interval, and beside one that is its mean already.
OF_LAST: Final[tuple[Peak, ...]] = ("min", "avg", "max")
OF_MEAN: Final[tuple[Peak, ...]] = ("min", "max")

# The longest suffix stands first: the unit is the end of the name.
_UNITS: Final = (
    "bytes_per_second",
    "per_second",
    "percent",
    "bytes",
    "hertz",
    "seconds",
    "celsius",
    "revolutions_per_minute",
    "code",
)


class UnsupportedError(Exception):
    """This host has nothing of the kind; the text says what is not there."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, what it means, its unit, and what kind of number it is.

    `peaks` are the prefixes of the fields that stand beside it where the collector samples.
    """

    name: str
    meaning: str
    unit: str
    kind: Kind
    peaks: tuple[Peak, ...] = ()


def gauge(name: str, meaning: str, *, unit: str = "", peaks: tuple[Peak, ...] = ()) -> Field:
    """Declare a number that goes up and down; its unit is the end of its name, else a count."""
    return Field(name, meaning, unit or _unit_of(name), "gauge", peaks)


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
    `options` is the model of what may be set for it.
    """

    name: str
    subject: str
    fields: tuple[Field, ...] = ()
    instance: str = ""
    instance_fields: tuple[Field, ...] = ()
    at_least_s: int = 1
    blocks: bool = False
    options: type[Options] = Options


@dataclass(frozen=True, slots=True)
class Found:
    """What one reading found; `error` says what failed beside it, its kind first.

    `dropped_values` counts what could not be read and is left out.
    """

    fields: dict[str, Number] | None = None
    instances: dict[str, dict[str, Number]] | None = None
    error: str | None = None
    dropped_values: int = 0

    @property
    def is_unsupported(self) -> bool:
        """Whether this host has nothing of the kind."""
        return self.error is not None and self.error.startswith("unsupported:")


class Collector(Protocol):
    """Reads one subject of a host."""

    @property
    def declaration(self) -> Declaration:
        """What it reads."""

    def collect(self, host: Host) -> Found:
        """Read it now. Raises UnsupportedError, OSError, ValueError."""


OptionsOfIt = TypeVar("OptionsOfIt", bound=Options)


@dataclass(frozen=True, slots=True)
class Source(Generic[OptionsOfIt]):
    """Something that can be collected: what it declares, and how a collector of it is made."""

    declaration: Declaration
    make: Callable[[OptionsOfIt], Collector]


# Sources of all kinds in one list: which options fit which, their declarations say.
AnySource = Source[Any]
