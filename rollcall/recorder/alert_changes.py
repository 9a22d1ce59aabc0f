"""The history of alerts: a row whenever an instance of one changes.

The topics tell the present state, again and again; a row is written when state, severity or
incident differ from the newest row of that instance.
"""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.findings import AlertFound, AlertOver

_ENDED: Final = "ended"
_NEWEST: Final = text(
    "SELECT instance, state, severity, incident FROM alert_change WHERE change_id IN "
    "(SELECT max(change_id) FROM alert_change WHERE node_id = :node_id AND rule = :rule "
    "GROUP BY instance)"
)
_CHANGE: Final = text(
    "INSERT INTO alert_change (node_id, rule, instance, ts, state, severity, value, summary, "
    "incident) VALUES (:node_id, :rule, :instance, :ts, :state, :severity, :value, :summary, "
    ":incident)"
)


def write(connection: Connection, node_id: int, found: AlertFound | AlertOver) -> None:
    """Write what has changed since the newest rows of this alert."""
    alert = {"node_id": node_id, "rule": found.rule}
    newest = {row.instance: row for row in connection.execute(_NEWEST, alert)}
    told = found.instances if isinstance(found, AlertFound) else ()
    rows = []
    if isinstance(found, AlertFound):
        common = {"severity": found.severity, "summary": found.summary, "incident": found.incident}
        for item in told:
            known = newest.get(item.instance)
            before = known and (known.state, known.severity, known.incident)
            if before != (item.state, found.severity, found.incident):
                rows.append(_row(item.instance, item.state, value=item.value, **common))
    open_before = {name: row for name, row in newest.items() if row.state != _ENDED}
    rows += [
        _row(name, _ENDED, severity=row.severity, incident=row.incident)
        for name, row in open_before.items()
        if name not in {item.instance for item in told}
    ]
    if rows:
        connection.execute(_CHANGE, [{**alert, "ts": found.ts, **row} for row in rows])


def _row(
    instance: str,
    state: str,
    *,
    severity: str | None,
    incident: str | None,
    value: float | None = None,
    summary: str | None = None,
) -> dict[str, Any]:
    return {
        "instance": instance,
        "state": state,
        "severity": severity,
        "value": value,
        "summary": summary,
        "incident": incident,
    }
