"""From samples and presence to changes of alerts.

Durations are summed on the monotonic clock, span by span between consecutive samples of the same
kind; a span longer than the source may be silent adds nothing: the clock pauses, and goes on.
"""

from dataclasses import dataclass, replace
from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.rules import Limit, Rule
from rollcall.alerts.state import Alert, AlertState, Change, Event, Key, after
from rollcall.broker.cluster import NodeState, NodeView, Now, stale_after_s
from rollcall.broker.messages import Number

GONE_AFTER_S: Final = 3600.0
STOOD_STILL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one rule's subject at one moment.

    `since`: when a breach that begins here began, Unix seconds. `longest_span_s`: a longer time
    since the sample before adds nothing. `held_back`: it may be the echo of a reconnection, and
    nothing may begin to fire on it.
    """

    breached: bool
    cleared: bool
    value: Number | None
    summary: str
    since: float
    longest_span_s: float
    held_back: bool = False


def observe_value(
    limit: Limit, instance: str, value: Number, interval_s: float, now: Now
) -> Observation:
    """Observe one sample of a metric that is measured each `interval_s`."""
    return Observation(
        breached=limit.is_breached_by(value),
        cleared=limit.is_cleared_by(value),
        value=value,
        summary=wording.value_summary(limit, instance, value),
        since=now.wall_s,
        longest_span_s=stale_after_s(interval_s),
    )


def observe_presence(view: NodeView, now: Now) -> Observation | None:
    """Observe whether a node is there; None when nobody can say."""
    if view.state is NodeState.UNKNOWN:
        return None
    lost = view.state is NodeState.OFFLINE and view.reason == "lost"
    breached = lost or view.state is NodeState.STALE
    return Observation(
        breached=breached,
        cleared=not breached,
        value=None,
        summary=wording.presence_summary(view),
        since=now.wall_s if view.since is None else view.since,
        longest_span_s=STOOD_STILL_S,
        held_back=view.held_back,
    )


def judge(rule: Rule, key: Key, alert: Alert | None, seen: Observation, now: Now) -> Change | None:
    """Give what the observation does to the alert (None: there is none); None for nothing."""
    state = alert.state if alert else AlertState.INACTIVE
    span_s = _span_s(alert, seen, now)
    held_s = alert.held_s if alert else 0.0
    cleared_s = 0.0
    if state in {AlertState.INACTIVE, AlertState.PENDING}:
        event = Event.CLEAR
        if seen.breached:
            held_s += span_s
            fires = held_s >= rule.for_s and not seen.held_back
            event = Event.HELD if fires else Event.BREACH
    elif seen.cleared:
        cleared_s = alert.cleared_s + span_s if alert and state is AlertState.RECOVERING else 0.0
        event = Event.RECOVERED if cleared_s >= rule.keep_firing_for_s else Event.CLEAR
    else:
        event = Event.BREACH
    become = after(state, event)
    if become is AlertState.INACTIVE:
        return None if alert is None else Change(key, alert, None, "recovered", seen.summary)
    since = alert.since if alert else seen.since
    return Change(
        key,
        alert,
        Alert(
            key=key,
            state=become,
            since=since,
            value=seen.value,
            summary=seen.summary,
            evaluated=now.wall_s,
            held_s=held_s,
            cleared_s=cleared_s,
            counted_s=now.monotonic_s,
        ),
    )


def close(alert: Alert, reason: str) -> Change:
    """End an alert for another cause than recovery."""
    after(alert.state, Event.CLOSED)
    return Change(alert.key, alert, None, reason, alert.summary)


def note_missing(alert: Alert, now: Now) -> Change | None:
    """Note that a healthy report lacks the instance: it holds, and is closed after an hour."""
    if alert.missing_s is None:
        return Change(alert.key, alert, replace(alert, missing_s=now.monotonic_s))
    if now.monotonic_s - alert.missing_s >= GONE_AFTER_S:
        return close(alert, "instance_gone")
    return None


def _span_s(alert: Alert | None, seen: Observation, now: Now) -> float:
    if alert is None or alert.counted_s is None:
        return 0.0
    span_s = max(now.monotonic_s - alert.counted_s, 0.0)
    return span_s if span_s <= seen.longest_span_s else 0.0
