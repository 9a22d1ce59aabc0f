"""Which alerts the broker and the log are to show, with what is to be said beside each."""

from rollcall.alerts.alert_topics import Pair, alert_message
from rollcall.alerts.engine import Engine
from rollcall.alerts.notifier import Notifier, Scene
from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Change
from rollcall.broker import messages
from rollcall.broker.cluster import Cluster
from rollcall.broker.node_view import NodeState, NodeView, Now


def shown_alerts(
    engine: Engine, cluster: Cluster, notifier: Notifier, scene: Scene, now: Now
) -> dict[Pair, messages.Alert]:
    """Give the messages of all alerts there are, by rule and node."""
    found = {}
    for name, node in engine.active:
        alerts = engine.alerts_of(name, node)
        told = [alert.key for alert in alerts.values() if alert.is_told]
        rule = engine.rule_for(next(iter(alerts.values())).key)
        if rule is None:
            continue
        incident = notifier.incident_of(told[0]) if told else None
        silenced = notifier.silenced(told, scene, now)
        flags: dict[messages.Flag, bool] = {
            "stale": _is_stale(rule, cluster.node(node, now), now),
            "inhibited": bool(told) and all(key in scene.inhibited for key in told),
            "silenced": bool(told) and all(key in silenced for key in told),
            "flapping": any(notifier.incidents.flaps(key) for key in told),
            "acknowledged": incident is not None and incident.acknowledged is not None,
        }
        shown = [flag for flag, is_set in flags.items() if is_set]
        identity = incident.id if incident else None
        found[name, node] = alert_message(rule, alerts, identity, shown)
    return found


def in_words(change: Change) -> str:
    """Say for the log what happened to an alert."""
    rule, node, instance = change.key
    subject = f"{rule} on {node} {instance}".rstrip()
    if change.after is None:
        return f"{subject}: over ({change.reason})"
    return f"{subject}: {change.after.state}: {change.after.summary}"


def _is_stale(rule: Rule, view: NodeView | None, now: Now) -> bool:
    """Say whether no fresh report backs a metric alert; presence is never stale."""
    if rule.series is None:
        return False
    held = view.reports.get(rule.series.collector) if view else None
    if view is None or held is None or view.state is not NodeState.ONLINE:
        return True
    age_s = held.age_s(now)
    return age_s is None or age_s > rule.series.silence_s(held.report.interval)
