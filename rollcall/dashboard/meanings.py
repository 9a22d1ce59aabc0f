"""What our own collectors' metrics mean, from the collectors' declarations: `collector.field`."""

from collections.abc import Iterator
from typing import Final

from rollcall.dashboard.openmetrics import Meaning
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import Field

_PEAKS: Final = {"min": "least sample of it", "avg": "mean of it", "max": "greatest sample of it"}


def meanings() -> dict[str, Meaning]:
    """Give every metric that is built in, with those that stand beside it where it is sampled."""
    return {
        f"{declared.name}.{name}": meaning
        for declared in DECLARATIONS
        for field in (*declared.fields, *declared.instance_fields)
        for name, meaning in _of(field)
    }


def _of(field: Field) -> Iterator[tuple[str, Meaning]]:
    yield field.name, Meaning(field.meaning, field.unit, field.kind)
    for peak in field.peaks:
        words = f"{field.meaning}: {_PEAKS[peak]} in the interval"
        yield f"{peak}_{field.name}", Meaning(words, field.unit, "gauge")
