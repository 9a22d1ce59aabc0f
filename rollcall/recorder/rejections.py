"""What was refused: kept within a bound, and counted beyond it.

The same payload on the same topic for the same reason is one row that counts. Payloads are kept
as readable text: what is no printable character stands escaped.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.findings import Refused

MAX_ROWS: Final = 10_000
MAX_PAYLOAD: Final = 4096
_MAX_TOPIC: Final = 512
_ANY_TOPIC: Final = "#"

_KNOWN: Final = text(
    "SELECT 1 FROM rejection WHERE topic = :topic AND reason = :reason AND sha256 = :sha256"
)
_ADD: Final = text(
    "INSERT INTO rejection (topic, reason, sha256, ts, error, times, payload) "
    "VALUES (:topic, :reason, :sha256, :ts, :error, :times, :payload) "
    "ON CONFLICT (topic, reason, sha256) DO UPDATE SET ts = excluded.ts, "
    "times = rejection.times + excluded.times"
)


def write(connection: Connection, refused: Sequence[Refused], kept: int) -> int:
    """Write refusals; `kept` rows are there already. Give how many are there now.

    Beyond `MAX_ROWS` new ones are only counted, in one row for each reason with the topic `#`.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for item in refused:
        row = _row(item)
        known = rows.setdefault((row["topic"], row["reason"], row["sha256"]), row)
        if known is not row:
            known["times"] += 1
            known["ts"] = row["ts"]
    for row in rows.values():
        if connection.execute(_KNOWN, row).first() is None:
            if kept < MAX_ROWS:
                kept += 1
            else:
                row.update(topic=_ANY_TOPIC, sha256="", payload=None)
                row["error"] = f"not kept one by one: over {MAX_ROWS} are"
        connection.execute(_ADD, row)
    return kept


def readable(payload: bytes) -> str:
    """Give bytes as text: at most `MAX_PAYLOAD` bytes, the unprintable escaped."""
    decoded = payload[:MAX_PAYLOAD].decode("utf-8", "backslashreplace")
    return _printable(decoded)


def _row(item: Refused) -> dict[str, Any]:
    return {
        "topic": _printable(item.topic[:_MAX_TOPIC])[:_MAX_TOPIC],
        "reason": item.reason,
        "sha256": hashlib.sha256(item.payload).hexdigest(),
        "ts": item.received_ms,
        "error": _printable(item.error),
        "times": 1,
        "payload": readable(item.payload),
    }


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in value)
