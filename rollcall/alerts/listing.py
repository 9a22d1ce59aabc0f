"""The answer to `rollcall alerts list`: every alert, who was told of it, or why nobody was."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rollcall.alerts.incidents import Incidents, RuleOf
from rollcall.alerts.rules import Limit
from rollcall.alerts.state import Alert, AlertState, Key
from rollcall.broker.node_view import Now

_MAX_ALERTS: Final = 500
_FIRST: Final = (AlertState.FIRING, AlertState.RECOVERING, AlertState.PENDING)


def listing(
    alerts: Iterable[Alert],
    incidents: Incidents,
    rule_of: RuleOf,
    held: Mapping[Key, str],
    now: Now,
    *,
    undelivered: Callable[[str], str],
    everything: bool,
) -> dict[str, Any]:
    """Give the alerts that fire, with `everything` the pending ones too; at most 500 of them.

    `undelivered(incident)` says why something of it has not got out yet.
    """
    ordered = sorted(alerts, key=lambda alert: (_FIRST.index(alert.state), alert.key))
    shown = [alert for alert in ordered if everything or alert.is_told]
    return {
        "alerts": [
            _row(alert, incidents, rule_of, held, now)
            | {"undelivered": _undelivered(alert, incidents, undelivered)}
            for alert in shown[:_MAX_ALERTS]
        ],
        "more": max(len(shown) - _MAX_ALERTS, 0),
        "pending": sum(not alert.is_told for alert in ordered),
    }


def _undelivered(
    alert: Alert, incidents: Incidents, undelivered: Callable[[str], str]
) -> str | None:
    incident = incidents.of(alert.key)
    return (undelivered(incident.id) or None) if incident is not None else None


def _row(
    alert: Alert, incidents: Incidents, rule_of: RuleOf, held: Mapping[Key, str], now: Now
) -> dict[str, Any]:
    rule = rule_of(alert.key)
    incident = incidents.of(alert.key)
    told: dict[str, Any] = {"incident": None, "told": [], "told_at": None, "mails": 0}
    why = "pending: not yet for as long as the rule asks"
    if incident is not None:
        told = {
            "incident": incident.id,
            "told": list(incident.receivers) if incident.mails else [],
            "told_at": incident.told_at,
            "mails": incident.mails,
        }
        why = held.get(alert.key) or incidents.why(incident, rule_of, held, now)
    return {
        **alert.key._asdict(),
        "state": alert.state.value,
        "severity": rule.severity if rule else None,
        "metric": rule.metric if rule else None,
        "value": alert.value,
        "op": rule.question.op if rule and isinstance(rule.question, Limit) else None,
        "threshold": rule.threshold if rule else None,
        "since": alert.since,
        "summary": alert.summary,
        **told,
        "why": why,
        "acknowledged": incident.acknowledged.by or "somebody"
        if incident is not None and incident.acknowledged is not None
        else None,
    }
