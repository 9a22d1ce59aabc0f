"""What the alert topics say: retained while an alert is pending or firing, empty when it is over.

The broker may know more than we do (alerts of a run before, or of a database that is gone): what is
found retained there and is no alert of ours is emptied.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Alert, AlertState, Change
from rollcall.broker import messages
from rollcall.broker.topics import Kind, Topics

_MAX_INSTANCES: Final = 200

Publish = Callable[[str, bytes, bool], bool]
Pair = tuple[str, str]


def alert_message(
    rule: Rule,
    alerts: Mapping[str, Alert],
    incident: str | None,
    flags: Iterable[messages.Flag] = (),
) -> messages.Alert:
    """Give the message for the alerts of one rule on one node, by instance; at least one.

    The summary is that of the first that fires, else of the first; at most 200 instances are told.
    `flags` are what others know; whether it is recovering is seen here.
    """
    ordered = sorted(alerts.values(), key=lambda alert: (not alert.is_told, alert.key.instance))
    told = [alert for alert in ordered if alert.is_told]
    shown = set(flags)
    if told and all(alert.state is AlertState.RECOVERING for alert in told):
        shown.add("recovering")
    more = f", and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    return messages.Alert(
        state="firing" if told else "pending",
        severity=rule.severity,
        metric=rule.metric,
        threshold=rule.threshold,
        since=min(alert.since for alert in told or ordered),
        evaluated=max(alert.evaluated for alert in ordered),
        summary=ordered[0].summary + more,
        incident=incident if told else None,
        flags=sorted(shown),
        instances={
            alert.key.instance: messages.AlertInstance(
                state="firing" if alert.is_told else "pending",
                value=alert.value,
                since=alert.since,
            )
            for alert in ordered[:_MAX_INSTANCES]
        },
    )


class AlertTopics:
    """Keeps the retained alert topics equal to the alerts there are.

    `publish(topic, payload, retained)` says whether the broker took it; what it did not take goes
    with the next `sync`.
    """

    def __init__(self, topics: Topics, publish: Publish) -> None:
        self._topics = topics
        self._publish = publish
        self._said: dict[Pair, messages.Alert] = {}
        self._retained: set[Pair] = set()
        self._endings: list[tuple[Pair, messages.AlertEnded]] = []

    def reconnected(self) -> None:
        """Note that the broker may have forgotten everything: all is said again."""
        self._said.clear()

    def found(self, rule: str, node: str) -> None:
        """Note that the broker holds an alert, of ours or not."""
        self._retained.add((rule, node))

    def ended(self, change: Change, incident: str | None, at: float) -> None:
        """Note that the last alert of a rule on a node is over; `at` in Unix seconds."""
        ending = messages.AlertEnded(reason=change.reason, time=at, incident=incident)
        self._endings.append(((change.key.rule, change.key.node), ending))

    def sync(self, alerts: Mapping[Pair, messages.Alert]) -> None:
        """Publish what is new, say what has ended, empty what is over."""
        self._endings = [
            (pair, ending) for pair, ending in self._endings if not self._say(pair, ending)
        ]
        for pair, alert in alerts.items():
            if not _is_the_same(alert, self._said.get(pair)) and self._say(pair, alert):
                self._said[pair] = alert
                self._retained.add(pair)
        for pair in self._retained - alerts.keys():
            if self._publish(self._topic(pair), b"", True):
                self._retained.discard(pair)
                self._said.pop(pair, None)

    def _say(self, pair: Pair, message: messages.Alert | messages.AlertEnded) -> bool:
        retained = isinstance(message, messages.Alert)
        return self._publish(self._topic(pair), messages.encode(message), retained)

    def _topic(self, pair: Pair) -> str:
        rule, node = pair
        return self._topics.topic(Kind.ALERT, node, rule)


def _is_the_same(alert: messages.Alert, said: messages.Alert | None) -> bool:
    return said is not None and said == alert.model_copy(update={"evaluated": said.evaluated})
