"""What a collector found, made fit for the contract. Pure.

Numbers that are not finite and instances beyond the bound are dropped and counted; names of
instances are escaped and, when too long, cut with a hash that keeps them apart.
"""

import hashlib
import math
import unicodedata
from typing import Final

from rollcall.broker.messages import Reading
from rollcall.node_agent.collectors.declaration import Found, Number

MAX_INSTANCES: Final = 256
_MAX_NAME_BYTES: Final = 255
_HASH_CHARACTERS: Final = 8
_MAX_ERROR_CHARACTERS: Final = 500
_MAX_INTEGER: Final = 2**63 - 1


def fit(found: Found, *, time_s: float, interval_s: int, synchronized: bool) -> tuple[Reading, int]:
    """Make a reading of what was found; give it and how many values were dropped."""
    dropped = 0
    fields: dict[str, float | None] | None = None
    if found.fields is not None:
        fields, dropped = _sound(found.fields)
    instances: dict[str, dict[str, float | None]] | None = None
    if found.instances is not None:
        instances = {}
        for number, (raw, values) in enumerate(sorted(found.instances.items())):
            kept, lost = _sound(values)
            if number < MAX_INSTANCES:
                instances[instance_name(raw)] = kept
                dropped += lost
            else:
                dropped += len(values)
    reading = Reading(
        time=time_s,
        interval=interval_s,
        fields=fields,
        instances=instances,
        error=_printable(found.error)[:_MAX_ERROR_CHARACTERS] if found.error else None,
        clock=None if synchronized else "unsynchronized",
    )
    return reading, dropped + found.dropped_values


def instance_name(raw: str) -> str:
    """Make a name the contract allows: no control characters, 1 to 255 bytes."""
    name = _printable(raw) or "-"
    encoded = name.encode()
    if len(encoded) <= _MAX_NAME_BYTES:
        return name
    mark = f"~{hashlib.sha256(encoded).hexdigest()[:_HASH_CHARACTERS]}"
    return encoded[: _MAX_NAME_BYTES - len(mark)].decode(errors="ignore") + mark


def _printable(text: str) -> str:
    r"""Escape what may not stand in a name: control characters, and bytes that were not UTF-8."""
    return "".join(
        f"\\x{ord(c) & 0xFF:02x}" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text
    )


def _sound(values: dict[str, Number]) -> tuple[dict[str, float | None], int]:
    kept: dict[str, float | None] = {
        name: value
        for name, value in values.items()
        if math.isfinite(value) and (isinstance(value, float) or abs(value) <= _MAX_INTEGER)
    }
    return kept, len(values) - len(kept)
