"""Decoded messages into rows; refuses what a column cannot hold.

The codecs let nothing infinite and few strange texts through. This is the last gate: what passes
here can be stored in either engine, so that no statement fails for the sake of one value.
"""

import json
import math
from typing import Final

from pydantic import JsonValue

from rollcall.broker.messages import Alert, BacklogReport, Fields, Fleet, Info, Report
from rollcall.recorder.findings import (
    AlertFound,
    AlertInstanceFound,
    Arrival,
    FleetFound,
    Freshness,
    InfoFound,
    Number,
    ReportFound,
    Sample,
)
from rollcall.recorder.units import Unit

MAX_INTEGER: Final = 2**63 - 1
MAX_TS: Final = 253_402_300_799_999
MAX_AHEAD_MS: Final = 120_000
MAX_OFF_MS: Final = 300_000
_MAX_TEXT: Final = 4096
_NEAR_MS: Final = 5_000


class RowError(ValueError):
    """A value that no column holds. `reason` is `text`, `number`, `clock_ahead` or `span`."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def text_of(value: str) -> str:
    """Give `value` back. Raises RowError for NUL, lone surrogates, and more than 4096 characters.

    PostgreSQL refuses NUL in a text, and neither engine encodes half a surrogate pair.
    """
    if len(value) > _MAX_TEXT:
        raise RowError("text", f"a text of {len(value)} characters; at most {_MAX_TEXT} are kept")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        raise RowError("text", "a text holds NUL or a lone surrogate")
    return value


def number_of(value: float) -> float:
    """Give `value` as a float. Raises RowError for NaN, infinity, and integers over 64 bits."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise RowError("number", "an integer is over 64 bits")
    if not math.isfinite(value):
        raise RowError("number", "a number is not finite")
    return float(value)


def milliseconds(seconds: float) -> int:
    """Give Unix seconds as milliseconds. Raises RowError outside of 1970 to 9999."""
    if not math.isfinite(seconds) or not 0 <= seconds * 1000 <= MAX_TS:
        raise RowError("number", "a time lies outside of 1970 to 9999")
    return round(seconds * 1000)


def time_of(time_s: float, *, synchronized: bool, arrival: Arrival) -> int:
    """Give the time under which a reading is stored, in milliseconds.

    The reading's own, unless the node itself doubts its clock, the message is live, and the clock
    is more than 5 min off or 2 min ahead: then the time of arrival. Raises RowError
    (`clock_ahead`) for any other time more than 2 min ahead: one sample of the year 2099 would
    remain the newest for ever.
    """
    ts = milliseconds(time_s)
    ahead_ms = ts - arrival.received_ms
    if (
        not synchronized
        and arrival.freshness is Freshness.LIVE
        and not -MAX_OFF_MS <= ahead_ms <= MAX_AHEAD_MS
    ):
        return arrival.received_ms
    if ahead_ms > MAX_AHEAD_MS:
        raise RowError(
            "clock_ahead",
            f"the time is {ahead_ms // 1000} s ahead of its arrival; set the node's clock",
        )
    return ts


def seen_at(time_s: float, interval_s: float, arrival: Arrival) -> int:
    """Give when a node was alive, in milliseconds, judged by one of its reports.

    A live one by its arrival; a queued or replayed one by its own time, unless it is hardly older
    than it has to be. Never later than the arrival.
    """
    near_ms = interval_s * 1000 + _NEAR_MS
    age_ms = arrival.received_ms - round(time_s * 1000)
    queued_but_fresh = arrival.freshness is Freshness.QUEUED and abs(age_ms) <= near_ms
    if arrival.freshness is Freshness.LIVE or queued_but_fresh:
        return arrival.received_ms
    return arrival.received_ms - max(age_ms, 0)


def samples_of(collector: str, reading: Report | BacklogReport) -> tuple[Sample, ...]:
    """Give the samples of a report; an unknown value (`null`) is none. Raises RowError."""
    found = _of_fields(collector, "", reading.fields or {})
    for instance, fields in (reading.instances or {}).items():
        found += _of_fields(collector, text_of(instance), fields)
    return tuple(found)


def _of_fields(collector: str, instance: str, fields: Fields) -> list[Sample]:
    return [
        (f"{collector}.{field}", instance, number_of(number))
        for field, number in fields.items()
        if number is not None
    ]


def report_of(
    number: Number, collector: str, reading: Report | BacklogReport, ts: int
) -> ReportFound:
    """Give a report that is stored at `ts` with all its samples. Raises RowError."""
    told_ms = milliseconds(reading.time)
    return ReportFound(
        number,
        samples_of(collector, reading),
        collector=collector,
        ts=ts,
        error=_optional(reading.error),
        clock_off_ms=None if told_ms == ts else told_ms - ts,
    )


def fleet_of(fleet: Fleet, received_ms: int) -> FleetFound:
    """Give a fleet document with its keys in the order in which they came. Raises RowError."""
    document = json_of(fleet.document)
    return FleetFound(received_ms, fleet.revision, text_of(fleet.digest), document)


def json_of(detail: dict[str, JsonValue]) -> str:
    """Give JSON text in ASCII: what text columns refuse stands escaped. Raises RowError."""
    try:
        return json.dumps(detail, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise RowError("number", f"the detail is no JSON: {error}") from error


def info_of(node: str, info: Info) -> InfoFound:
    """Give the facts of a node that have columns. Raises RowError."""
    return InfoFound(
        node=node,
        address=text_of(info.addresses[0]) if info.addresses else None,
        model=_optional(info.model),
        os=_optional(info.os),
        agent=text_of(info.agent),
        description=_optional(info.description),
        units={
            metric: Unit(text_of(field.unit), field.kind) for metric, field in info.fields.items()
        },
        labels=info.labels,
    )


def alert_of(node: str, rule: str, alert: Alert) -> AlertFound:
    """Give the state of an alert, one row for each instance. Raises RowError."""
    instances = tuple(
        AlertInstanceFound(
            text_of(name), found.state, None if found.value is None else number_of(found.value)
        )
        for name, found in alert.instances.items()
    )
    return AlertFound(
        node=node,
        rule=rule,
        ts=milliseconds(alert.evaluated),
        severity=alert.severity,
        summary=text_of(alert.summary),
        incident=_optional(alert.incident),
        instances=instances or (AlertInstanceFound("", alert.state, None),),
    )


def _optional(value: str | None) -> str | None:
    return None if value is None else text_of(value)
