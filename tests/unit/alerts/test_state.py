"""The transition table: all of it, and nothing beside it."""

import itertools

import pytest

from rollcall.alerts.state import TRANSITIONS, AlertState, Event, ImpossibleEventError, after

IMPOSSIBLE = {
    ("inactive", "recovered"),
    ("inactive", "closed"),
    ("pending", "recovered"),
    ("firing", "held"),
    ("recovering", "held"),
}


@pytest.mark.parametrize(
    ("state", "event"),
    list(itertools.product(AlertState, Event)),
    ids=str,
)
def test_every_event_leads_somewhere_or_is_an_error_that_names_it(
    state: AlertState, event: Event
) -> None:
    if (state, event) in IMPOSSIBLE:
        with pytest.raises(ImpossibleEventError, match=f"{event}.*{state}"):
            after(state, event)
    else:
        assert after(state, event) is TRANSITIONS[state, event]


def test_every_state_but_inactive_can_be_closed() -> None:
    active = set(AlertState) - {AlertState.INACTIVE}
    assert {after(state, Event.CLOSED) for state in active} == {AlertState.INACTIVE}
