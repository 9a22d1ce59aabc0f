"""What a browser is told of a node: its state, its newest values with their times, its alerts.

Ages are never sent: each value carries the time it was heard (`at`, Unix seconds on this machine's
clock) and its interval, and the browser counts from the `time` of the frame. So nothing has to be
sent for a value to grow old. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from rollcall.broker.messages import Alert
from rollcall.broker.node_view import HeldReport, NodeView, Now, stale_after_s

Card = dict[str, JsonValue]

# The columns of the cluster view, each with the metrics it may come from, the best first.
_SINGLE: Final = {
    "cpu": ("cpu.percent",),
    "memory": ("memory.used_percent",),
    "load": ("load.load1",),
    "temperature": ("temperature.cpu_celsius", "temperature.hottest_celsius"),
}
_FULLEST: Final = "disk.used_percent"
# The cluster view shows no more; a node's own view has every digit.
_DIGITS: Final = 2


def card(view: NodeView, alerts: Mapping[str, Alert], *, rank: int, now: Now) -> Card:
    """Describe one node; `alerts` are those on it by rule, `rank` its place, 0 the worst."""
    info = view.info
    told: Card = {
        "name": view.name,
        "state": str(view.state),
        "reason": view.reason,
        "since": _rounded(view.since),
        "seen": _at(view.age_s, now),
        "rank": rank,
        "held_back": view.held_back or None,
        "interval": view.interval_s,
        "description": info.description if info else None,
        "address": info.addresses[0] if info and info.addresses else None,
        "values": known(
            {
                **{
                    name: _first(value(view, metric, now) for metric in metrics)
                    for name, metrics in _SINGLE.items()
                },
                "disk": _fullest(view, now),
            }
        ),
        "alerts": [alert_row(rule, alert) for rule, alert in sorted(alerts.items())],
    }
    return known(told)


def value(view: NodeView, metric: str, now: Now, instance: str | None = None) -> Card | None:
    """Give one number as `{"value", "at", "interval"}`; None where there is none."""
    found = view.value(metric, now, instance)
    if found is None:
        return None
    held = view.reports[metric.partition(".")[0]]
    return {
        "value": round(found.number, _DIGITS),
        "at": _at(found.age_s, now),
        "interval": held.report.interval,
    }


def alert_row(rule: str, alert: Alert) -> Card:
    """Give an alert as a browser shows it."""
    told: Card = {
        "rule": rule,
        "state": alert.state,
        "severity": alert.severity,
        "summary": alert.summary,
        "since": _rounded(alert.since),
        "incident": alert.incident,
        "flags": list(alert.flags),
    }
    return known(told)


def details(view: NodeView, drift: str | None, now: Now) -> Card:
    """Give everything a node last said: its facts, and each collector's newest report.

    `drift` says in what it does not follow the fleet document in force.
    """
    return {
        "fleet": {"revision": view.applied.revision if view.applied else None, "drift": drift},
        "info": view.info.model_dump(exclude={"fields"}, exclude_none=True) if view.info else None,
        "units": {metric: field.unit for metric, field in sorted(view.info.fields.items())}
        if view.info
        else {},
        "collectors": {
            name: {
                **_timing(held, now),
                "fields": dict(held.report.fields or {}),
                "instances": {
                    instance: dict(fields)
                    for instance, fields in sorted((held.report.instances or {}).items())
                },
                "error": held.report.error,
                "clock": held.report.clock,
            }
            for name, held in sorted(view.reports.items())
        },
    }


def _timing(held: HeldReport, now: Now) -> Card:
    return {
        "at": _at(held.age_s(now), now),
        "interval": held.report.interval,
        "stale_after": stale_after_s(held.report.interval),
    }


def _fullest(view: NodeView, now: Now) -> Card | None:
    held = view.values(_FULLEST, now)
    if not held:
        return None
    instance = max(held, key=lambda name: held[name].number)
    found = value(view, _FULLEST, now, instance)
    return None if found is None else {**found, "instance": instance}


def _first(found: Iterable[Card | None]) -> Card | None:
    return next((each for each in found if each is not None), None)


def known(told: Card) -> Card:
    """Leave out what is unknown: with many nodes that is a third of what is sent."""
    return {name: said for name, said in told.items() if said is not None}


def _at(age_s: float | None, now: Now) -> float | None:
    return None if age_s is None else round(now.wall_s - age_s, 1)


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 1)
