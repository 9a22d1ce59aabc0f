"""The states of an alert, and every way from one to another.

An alert is one rule on one node for one instance. An observation, together with how long it has
lasted, becomes one of five events:

* BREACH: the rule is breached (FIRING and RECOVERING: not cleared);
* HELD: breached, and for as long as the rule's `for`;
* CLEAR: not breached (FIRING and RECOVERING: cleared);
* RECOVERED: cleared, and for as long as the rule's `keep_firing_for`;
* CLOSED: ended by another cause: the rule, the node or the instance is gone.

What the table does not hold is impossible, and an error that names state and event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from rollcall.broker.messages import Number


class AlertState(StrEnum):
    """Where an alert stands; INACTIVE ones are not kept."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"


class Event(StrEnum):
    """What an observation means for an alert."""

    BREACH = "breach"
    HELD = "held"
    CLEAR = "clear"
    RECOVERED = "recovered"
    CLOSED = "closed"


class ImpossibleEventError(RuntimeError):
    """An event that cannot happen in a state: a fault of this program."""


_INACTIVE, _PENDING = AlertState.INACTIVE, AlertState.PENDING
_FIRING, _RECOVERING = AlertState.FIRING, AlertState.RECOVERING

TRANSITIONS: Final[Mapping[tuple[AlertState, Event], AlertState]] = MappingProxyType(
    {
        (_INACTIVE, Event.BREACH): _PENDING,
        (_INACTIVE, Event.HELD): _FIRING,
        (_INACTIVE, Event.CLEAR): _INACTIVE,
        (_PENDING, Event.BREACH): _PENDING,
        (_PENDING, Event.HELD): _FIRING,
        (_PENDING, Event.CLEAR): _INACTIVE,
        (_PENDING, Event.CLOSED): _INACTIVE,
        (_FIRING, Event.BREACH): _FIRING,
        (_FIRING, Event.CLEAR): _RECOVERING,
        (_FIRING, Event.RECOVERED): _INACTIVE,
        (_FIRING, Event.CLOSED): _INACTIVE,
        (_RECOVERING, Event.BREACH): _FIRING,
        (_RECOVERING, Event.CLEAR): _RECOVERING,
        (_RECOVERING, Event.RECOVERED): _INACTIVE,
        (_RECOVERING, Event.CLOSED): _INACTIVE,
    }
)


def after(state: AlertState, event: Event) -> AlertState:
    """Give the state that `event` leads to. Raises ImpossibleEventError."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleEventError(
            f"event {event} cannot happen to an alert that is {state}"
        ) from None


class Key(NamedTuple):
    """Which alert; `instance` is empty for what a node has once."""

    rule: str
    node: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is pending, firing or recovering.

    `since` (Unix seconds) is when the breach began and stays; `value` and `summary` follow the
    samples. `held_s` and `cleared_s` sum the spans spent in breach and, while recovering, in the
    clear; `counted_s` is the monotonic time of the newest sample, None after a pause or a restart,
    so that the next span adds nothing. `missing_s` (monotonic) is since when healthy reports lack
    the instance. `samples` counts what it was judged by since it began, or since a restart.
    """

    key: Key
    state: AlertState
    since: float
    value: Number | None
    summary: str
    evaluated: float
    held_s: float = 0.0
    cleared_s: float = 0.0
    counted_s: float | None = None
    missing_s: float | None = None
    samples: int = 0

    @property
    def is_told(self) -> bool:
        """Whether people are to know of it: pending alerts are seen, not told."""
        return self.state in {AlertState.FIRING, AlertState.RECOVERING}


@dataclass(frozen=True, slots=True)
class Change:
    """What an event did to one alert; `after` is None where it is over, `reason` says why.

    `last_words` is the summary of the observation that ended it.
    """

    key: Key
    before: Alert | None
    after: Alert | None
    reason: str = ""
    last_words: str = ""

    @property
    def is_transition(self) -> bool:
        """Whether the state has changed, and not only the value."""
        before = self.before.state if self.before else AlertState.INACTIVE
        return before is not (self.after.state if self.after else AlertState.INACTIVE)
