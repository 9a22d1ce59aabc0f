"""What calls for somebody: alerts that fire, nodes that were lost, mails that do not get out.

A lost node calls once, whether or not the alert service has an alert for its absence. What is
acknowledged, silenced or inhibited is quiet: it is told, but calls for nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import Alert, Flag, ServiceOnline, Severity
from rollcall.lcd_display.figures import Figures, NodeFigures

_QUIET: Final[tuple[Flag, ...]] = ("acknowledged", "silenced", "inhibited")
_MAIL_TROUBLE: Final[Mapping[str, tuple[Severity, str]]] = MappingProxyType(
    {
        "waiting": ("warning", "mails wait: no server takes them"),
        "paused": ("critical", "mails wait: mend the settings"),
    }
)
CallKey = tuple[str, str, str, str | None]
_RANK: Final = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that calls; `since` is Unix seconds, `lost` the node that was, if one was.

    `quiet` is the flag by which it calls for nobody, if it has one.
    """

    node: str
    rule: str
    severity: Severity
    quiet: Flag | None
    since: float | None
    summary: str
    lost: NodeFigures | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether it is critical and nobody has taken it on."""
        return self.severity == "critical" and not self.quiet

    @property
    def key(self) -> CallKey:
        """What it is the same call by; another severity is another call."""
        return self.node, self.rule, self.severity, self.quiet


@dataclass(frozen=True)
class Attention:
    """All that calls, worst first, then newest first.

    `service_online` is whether the alert service is there to tell; without it nobody can.
    """

    calls: Sequence[Call] = ()
    service_online: bool = True

    @cached_property
    def loud(self) -> int:
        """How many of them call for somebody."""
        return sum(not call.quiet for call in self.calls)


def attention_of(cluster: Cluster, figures: Figures, *, everywhere: bool) -> Attention:
    """Gather what calls; unless `everywhere`, only about the nodes of `figures`."""
    lost = {node.name: node for node in figures.lost}
    names = None if everywhere else {node.name for node in figures.nodes}
    firing = [
        (node, rule, alert)
        for (node, rule), alert in cluster.alerts.items()
        if alert.state == "firing" and (names is None or node in names)
    ]
    absent = {node: alert for node, _, alert in firing if alert.metric is None and node in lost}
    calls = [_of_lost(node, absent.get(name)) for name, node in lost.items()]
    calls += [
        _of_alert(node, rule, alert)
        for node, rule, alert in firing
        if not (alert.metric is None and node in lost)
    ]
    if everywhere:
        calls += _of_mail(cluster)
    return Attention(sorted(calls, key=_urgency), service_online=_is_alert_service_online(cluster))


def _of_lost(node: NodeFigures, alert: Alert | None) -> Call:
    return Call(node.name, "lost", "critical", _quiet(alert), node.view.since, "", lost=node)


def _of_alert(node: str, rule: str, alert: Alert) -> Call:
    return Call(node, rule, alert.severity, _quiet(alert), alert.since, alert.summary)


def _of_mail(cluster: Cluster) -> list[Call]:
    """Mails that do not get out call too: whoever waits for one would wait in vain."""
    for name, status in cluster.services.items():
        if name.partition("-")[0] != "alerts" or not isinstance(status, ServiceOnline):
            continue
        trouble = _MAIL_TROUBLE.get(str(status.health.get("mail")))
        if trouble is not None:
            severity, summary = trouble
            return [Call("mail", str(status.health["mail"]), severity, None, None, summary)]
    return []


def _quiet(alert: Alert | None) -> Flag | None:
    return next((flag for flag in _QUIET if alert and flag in alert.flags), None)


def _urgency(call: Call) -> tuple[bool, int, float, str, str]:
    return bool(call.quiet), _RANK.index(call.severity), -(call.since or 0), call.node, call.rule


def _is_alert_service_online(cluster: Cluster) -> bool:
    return any(
        name.partition("-")[0] == "alerts" and isinstance(status, ServiceOnline)
        for name, status in cluster.services.items()
    )
