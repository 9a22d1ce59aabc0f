"""What `rollcall show NODE` says of a node out of the database. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollcall.console.known_rows import RecordedAlert, fresh_for_s
from rollcall.console.recording import clock
from rollcall.console.words import age, iso
from rollcall.recorder.last_known import KnownNode
from rollcall.recorder.queries import Reading

_Collectors = dict[str, list[Reading]]


def lines(
    facts: KnownNode,
    readings: Sequence[Reading],
    alerts: Mapping[str, RecordedAlert],
    now_s: float,
) -> list[str]:
    """Say all of it as lines; `now_s` in Unix seconds."""
    return [
        *_heading(facts, now_s),
        *(
            f"  {alert.severity} {alert.state} {rule}: {alert.summary}"
            for rule, alert in sorted(alerts.items())
        ),
        *_facts(facts),
        *(
            line
            for name, found in sorted(_by_collector(readings).items())
            for line in _collector(name, found, facts, now_s)
        ),
    ]


def document(
    facts: KnownNode,
    readings: Sequence[Reading],
    alerts: Mapping[str, RecordedAlert],
    now_s: float,
) -> dict[str, Any]:
    """Give all of it as the document of `--json`, in the shape of the one from the broker."""
    seen = facts.last_seen_ts
    return {
        "schema": 1,
        "time": iso(now_s),
        "ts": round(now_s * 1000),
        "source": "database",
        "recorded": None,
        "node": facts.node,
        "state": facts.state,
        "reason": facts.reason,
        "since": None if facts.since_ts is None else iso(facts.since_ts / 1000),
        "age_seconds": None if seen is None else round(now_s - seen / 1000, 1),
        "info": {
            "model": facts.model,
            "os": facts.os,
            "agent": facts.agent,
            "addresses": [facts.address] if facts.address else [],
            "description": facts.description,
        },
        "alerts": {
            rule: {
                "state": alert.state,
                "severity": alert.severity,
                "since": alert.since,
                "summary": alert.summary,
                "incident": alert.incident,
            }
            for rule, alert in sorted(alerts.items())
        },
        "collectors": {
            name: _collector_document(found, now_s)
            for name, found in sorted(_by_collector(readings).items())
        },
    }


def _heading(facts: KnownNode, now_s: float) -> Iterator[str]:
    seen = facts.last_seen_ts
    newest = "" if seen is None else f", the newest of {clock(seen / 1000, now_s)}"
    yield f"The broker is out of reach. Values come from the database{newest}."
    reason = f" ({facts.reason})" if facts.reason else ""
    since = f" since {iso(facts.since_ts / 1000)}" if facts.since_ts else ""
    heard = age(None if seen is None else max(now_s - seen / 1000, 0))
    yield f"{facts.node}: {facts.state}{reason}{since}, heard {heard} ago"


def _facts(facts: KnownNode) -> Iterator[str]:
    told = {
        "description": facts.description,
        "model": facts.model,
        "system": facts.os,
        "addresses": facts.address,
        "agent": facts.agent,
    }
    for name, text in told.items():
        if text:
            yield f"  {name:12} {text}"


def _by_collector(readings: Sequence[Reading]) -> _Collectors:
    found: _Collectors = defaultdict(list)
    for reading in readings:
        found[reading.metric.partition(".")[0]].append(reading)
    return found


def _collector(
    name: str, readings: Sequence[Reading], facts: KnownNode, now_s: float
) -> Iterator[str]:
    age_s = now_s - max(reading.ts for reading in readings) / 1000
    fresh = facts.state == "online" and age_s <= fresh_for_s(name)
    yield ""
    yield f"{name}, {'' if fresh else 'OLD: '}{age(max(age_s, 0))} ago"
    for instance in sorted({reading.instance for reading in readings}):
        of_it = [reading for reading in readings if reading.instance == instance]
        indent = "    " if instance else "  "
        if instance:
            yield f"  {instance}"
        width = max(len(_field(reading)) for reading in of_it)
        for reading in of_it:
            yield f"{indent}{_field(reading):{width}}  {reading.value:g}"


def _collector_document(readings: Sequence[Reading], now_s: float) -> dict[str, Any]:
    newest = max(reading.ts for reading in readings) / 1000
    fields = {_field(each): each.value for each in readings if not each.instance}
    instances: dict[str, dict[str, float]] = defaultdict(dict)
    for each in readings:
        if each.instance:
            instances[each.instance][_field(each)] = each.value
    return {
        "time": iso(newest),
        "age_seconds": round(now_s - newest, 1),
        "interval": None,
        "fields": fields or None,
        "instances": dict(instances) or None,
        "error": None,
    }


def _field(reading: Reading) -> str:
    return reading.metric.partition(".")[2]
