"""From what was seen to changes of alerts.

Durations are summed on the monotonic clock, span by span between consecutive samples of the same
kind; a span longer than the source may be silent adds nothing: the clock pauses, and goes on.
"""

from dataclasses import dataclass, replace
from typing import Final

from rollcall.alerts import rule_words
from rollcall.alerts.rule_words import Words
from rollcall.alerts.rules import Limit, Presence, Rule
from rollcall.alerts.state import Alert, AlertState, Change, Event, Key, after
from rollcall.broker.messages import Number
from rollcall.broker.node_view import NodeState, NodeView, Now

STOOD_STILL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one rule's subject at one moment.

    `since`: when a breach that begins here began, Unix seconds. `longest_span_s`: a longer time
    since the sample before adds nothing. `held_back`: it may be the echo of a reconnection, and
    nothing may begin to fire, or end, on it.
    """

    breached: bool
    cleared: bool
    value: Number | None
    words: Words
    since: float
    longest_span_s: float
    held_back: bool = False


def observe_value(
    rule: Rule, key: Key, value: Number, interval_s: float, now: Now, *, also: bool = True
) -> Observation:
    """Observe one sample of a metric that is measured each `interval_s`.

    `also`: whether the rule's second condition holds, if it has one.
    """
    limit, series = rule.question, rule.series
    assert isinstance(limit, Limit)
    assert series is not None

    def words(_lasted_s: float) -> str:
        return rule_words.value_summary(rule, limit, key.instance, value)

    return Observation(
        breached=also and limit.is_breached_by(value),
        cleared=not also or limit.is_cleared_by(value),
        value=value,
        words=rule_words.filled(rule, key.node, key.instance, {"value": value}) or words,
        since=now.wall_s,
        longest_span_s=series.silence_s(interval_s),
    )


def observe_presence(rule: Rule, view: NodeView, now: Now) -> Observation | None:
    """Observe whether a node is there; None when nobody can say."""
    asked = rule.question
    assert isinstance(asked, Presence)
    if view.state is NodeState.UNKNOWN:
        return None
    breached = _is_away(asked, view, now)

    def words(_lasted_s: float) -> str:
        return rule_words.presence_summary(view)

    return Observation(
        breached=breached,
        cleared=not breached,
        value=None,
        words=rule_words.filled(rule, view.name, "", {}) or words,
        since=now.wall_s if view.since is None else view.since,
        longest_span_s=STOOD_STILL_S,
        held_back=view.held_back or not view.heard,
    )


def observe_silence(
    rule: Rule, key: Key, silent_s: float, interval_s: float, now: Now, *, held_back: bool
) -> Observation:
    """Observe how long a series has been silent on a node that is online."""
    assert rule.series is not None
    silent = silent_s > rule.series.silence_s(interval_s)

    def words(_lasted_s: float) -> str:
        return rule_words.silence_summary(rule, key.instance, silent_s)

    return Observation(
        breached=silent,
        cleared=not silent,
        value=None,
        words=rule_words.filled(rule, key.node, key.instance, {}) or words,
        since=now.wall_s - silent_s,
        longest_span_s=STOOD_STILL_S,
        held_back=held_back,
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
        over = cleared_s >= rule.keep_firing_for_s and not seen.held_back
        event = Event.RECOVERED if over else Event.CLEAR
    else:
        event = Event.BREACH
    become = after(state, event)
    if become is AlertState.INACTIVE and alert is None:
        return None
    since = alert.since if alert else seen.since
    summary = seen.words(max(now.wall_s - since, 0.0))
    if become is AlertState.INACTIVE:
        return Change(key, alert, None, "recovered", summary)
    follows = Alert(
        key=key,
        state=become,
        since=since,
        value=seen.value,
        summary=summary,
        evaluated=now.wall_s,
        held_s=held_s,
        cleared_s=cleared_s,
        counted_s=now.monotonic_s,
        samples=alert.samples + 1 if alert else 1,
    )
    return Change(key, alert, follows)


def close(alert: Alert, reason: str) -> Change:
    """End an alert for another cause than recovery."""
    after(alert.state, Event.CLOSED)
    return Change(alert.key, alert, None, reason, alert.summary)


def note_missing(alert: Alert, gone_after_s: float, now: Now) -> Change | None:
    """Note that a healthy report lacks the instance: it holds, and is closed after a while."""
    if alert.missing_s is None:
        return Change(alert.key, alert, replace(alert, missing_s=now.monotonic_s))
    if now.monotonic_s - alert.missing_s >= gone_after_s:
        return close(alert, "instance_gone")
    return None


def _is_away(asked: Presence, view: NodeView, now: Now) -> bool:
    if view.state is NodeState.STALE:
        return "stale" in asked.on
    if view.state is not NodeState.OFFLINE:
        return False
    if view.reason == "reboot":
        away_s = 0.0 if view.since is None else now.wall_s - view.since
        return "lost" in asked.on and away_s > asked.reboot_grace_s
    return view.reason in asked.on


def _span_s(alert: Alert | None, seen: Observation, now: Now) -> float:
    if alert is None or alert.counted_s is None:
        return 0.0
    span_s = max(now.monotonic_s - alert.counted_s, 0.0)
    return span_s if span_s <= seen.longest_span_s else 0.0
