"""The unit and kind of a series whose node has not said what they are.

A field's name ends with its unit in full: `used_bytes`, `receive_bytes_per_second`, `percent`.
"""

from typing import Final, NamedTuple

_UNITS: Final = (
    "bytes",
    "seconds",
    "hertz",
    "celsius",
    "volts",
    "amperes",
    "watts",
    "joules",
    "percent",
)
_PER_SECOND: Final = "_per_second"


class Unit(NamedTuple):
    """The unit of a series (None: unknown) and its kind: `gauge`, `counter` or `state`."""

    name: str | None
    kind: str


def derived(metric: str) -> Unit:
    """Derive the unit of `collector.field` from the end of its name."""
    field = metric.rpartition(".")[2]
    kind = "counter" if field.endswith("_total") else "gauge"
    plain = field.removesuffix("_total")
    if plain.endswith(_PER_SECOND):
        counted = plain.removesuffix(_PER_SECOND).rpartition("_")[2]
        return Unit(f"{counted}{_PER_SECOND}", kind)
    last = plain.rpartition("_")[2]
    return Unit(last if last in _UNITS else None, kind)
