"""One message of the broker into findings: decode, judge, refuse.

The node is the one that the topic names. Whatever is refused is a finding too, with its reason;
nothing a message contains raises.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from rollcall.broker import messages
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import AlertEnded, BacklogEvent, Online, number_in
from rollcall.broker.topics import Address, Kind, TopicError, Topics, branch_of
from rollcall.recorder import rows
from rollcall.recorder.findings import (
    AlertOver,
    Arrival,
    EventFound,
    Finding,
    FleetFound,
    Freshness,
    NeverComes,
    Number,
    Refused,
    Seen,
    StatusFound,
)
from rollcall.recorder.rows import RowError

_FROM_AGENT: Final = "agent"
_MAX_BATCH_ITEMS: Final = 10_000

# Here an empty payload says something: the alert is over, the document is withdrawn.
_EMPTIED: Final = {Kind.ALERT, Kind.FLEET}

_Reader = Callable[[Address, bytes, Arrival], list[Finding]]


def read(topics: Topics, topic: str, payload: bytes, arrival: Arrival) -> list[Finding]:
    """Give what the message contains; a removal, or what has no place in the database, is empty."""
    try:
        address = topics.parse(topic)
    except TopicError as error:
        return [Refused(topic, "unknown_topic", str(error), payload, arrival.received_ms)]
    try:
        found = _found(address, payload, arrival)
    except (DecodeError, RowError) as error:
        refused = Refused(topic, error.reason, str(error), payload, arrival.received_ms)
        numbered = address.kind in {Kind.METRICS, Kind.EVENT}
        number = _number(address.name, number_in(payload)) if numbered else None
        if number is None:
            return [refused]
        return [replace(refused, number=number), *_seen(address.name, arrival)]
    return [replace(item, topic=topic) if isinstance(item, Refused) else item for item in found]


def _found(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    if not payload and branch_of(address.kind).retained and address.kind not in _EMPTIED:
        return []
    reader = _READERS.get(address.kind)
    if reader is None:
        raise DecodeError("unknown_topic", "a topic that the recorder does not read")
    return reader(address, payload, arrival)


def _status(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    status = messages.STATUS.decode(payload)
    live = arrival.freshness is Freshness.LIVE
    since_ms = arrival.listening_since_ms if live else None
    found = StatusFound(address.name, status, arrival.received_ms, since_ms)
    return [found, *(_seen(address.name, arrival) if isinstance(status, Online) else ())]


def _info(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    info = rows.info_of(address.name, messages.INFO.decode(payload))
    return [info, *_seen(address.name, arrival)]


def _report(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    report = messages.REPORT.decode(payload)
    ts = rows.time_of(report.time, synchronized=report.clock is None, arrival=arrival)
    number = Number(address.name, report.epoch, report.seq)
    live = arrival.freshness is Freshness.LIVE
    return [
        rows.report_of(number, address.leaf, report, ts),
        Seen(
            address.name,
            rows.seen_at(report.time, report.interval, arrival),
            arrival.listening_since_ms if live else None,
        ),
    ]


def _event(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    event = messages.EVENT.decode(payload)
    ts = rows.time_of(event.time, synchronized=True, arrival=arrival)
    number = Number(address.name, event.epoch, event.seq)
    found = EventFound(number, ts, event.kind, _FROM_AGENT, rows.json_of(event.detail))
    return [found, *_seen(address.name, arrival)]


def _backlog(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    batch = messages.BACKLOG.decode(payload)
    if len(batch.reports) + len(batch.evicted) > _MAX_BATCH_ITEMS:
        raise DecodeError("too_large", f"a batch of more than {_MAX_BATCH_ITEMS} items")
    past = replace(arrival, freshness=Freshness.REPLAYED)
    found = [_backlog_item(address.name, batch.epoch, item, past) for item in batch.reports]
    for first, last, reason in batch.evicted:
        if first > last:
            found.append(_refused("span", f"evicted {first} to {last} is no span", past))
        else:
            found.append(NeverComes(address.name, batch.epoch, first, last, reason))
    return found


def _backlog_item(node: str, epoch: str, item: dict[str, JsonValue], arrival: Arrival) -> Finding:
    try:
        decoded = messages.BACKLOG_ITEM.decode_value(item)
        number = Number(node, epoch, decoded.seq)
        if isinstance(decoded, BacklogEvent):
            ts = rows.time_of(decoded.time, synchronized=True, arrival=arrival)
            detail = rows.json_of(decoded.detail)
            return EventFound(number, ts, decoded.kind, _FROM_AGENT, detail)
        ts = rows.time_of(decoded.time, synchronized=decoded.clock is None, arrival=arrival)
        return rows.report_of(number, decoded.collector, decoded, ts)
    except (DecodeError, RowError) as error:
        text = rows.json_of(item).encode()
        named = rows.json_of({"epoch": epoch, "seq": item.get("seq")}).encode()
        refused = _refused(error.reason, f"in a batch: {error}", arrival, payload=text)
        return replace(refused, number=_number(node, number_in(named)))


def _alert(address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    node, rule = address.name, address.leaf
    if not payload:
        return [AlertOver(node, rule, arrival.received_ms)]
    alert = messages.ALERT.decode(payload)
    if isinstance(alert, AlertEnded):
        ended_ms = arrival.received_ms if alert.time is None else rows.milliseconds(alert.time)
        return [AlertOver(node, rule, ended_ms)]
    return [rows.alert_of(node, rule, alert)]


def _fleet(_address: Address, payload: bytes, arrival: Arrival) -> list[Finding]:
    if not payload:
        return [FleetFound(arrival.received_ms, 0, "", None)]
    return [rows.fleet_of(messages.FLEET.decode(payload), arrival.received_ms)]


def _applied(_address: Address, payload: bytes, _arrival: Arrival) -> list[Finding]:
    messages.APPLIED.decode(payload)
    return []


def _reply(_address: Address, payload: bytes, _arrival: Arrival) -> list[Finding]:
    messages.REPLY.decode(payload)
    return []


def _seen(node: str, arrival: Arrival) -> list[Finding]:
    live = arrival.freshness is Freshness.LIVE
    return [Seen(node, arrival.received_ms, arrival.listening_since_ms)] if live else []


def _number(node: str, found: tuple[str, int] | None) -> Number | None:
    return None if found is None else Number(node, *found)


def _refused(reason: str, error: str, arrival: Arrival, *, payload: bytes = b"") -> Refused:
    return Refused("", reason, error, payload, arrival.received_ms)


_READERS: Final[dict[Kind, _Reader]] = {
    Kind.STATUS: _status,
    Kind.INFO: _info,
    Kind.METRICS: _report,
    Kind.EVENT: _event,
    Kind.BACKLOG: _backlog,
    Kind.APPLIED: _applied,
    Kind.NODE_REPLY: _reply,
    Kind.ALERT: _alert,
    Kind.FLEET: _fleet,
}
