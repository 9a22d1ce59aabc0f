"""What the broker client keeps in mind: what is unanswered, and when its birth is due."""

from rollcall.broker.client.births import Births
from rollcall.broker.client.unanswered import Unanswered


def test_a_message_waits_until_its_own_connection_answers() -> None:
    unanswered = Unanswered()
    unanswered.sent(7, 100.0)
    unanswered.sent(8, 101.0)
    unanswered.answered(1, 7, "")
    unanswered.settle(2)
    assert (len(unanswered), unanswered.oldest_s(200.0)) == (2, 100.0)
    unanswered.answered(2, 7, "")
    unanswered.settle(2)
    assert (len(unanswered), unanswered.oldest_s(200.0)) == (1, 101.0)


def test_a_refused_message_is_counted_and_waits_no_longer() -> None:
    unanswered = Unanswered()
    unanswered.sent(7, 100.0)
    unanswered.answered(1, 7, "Not authorized")
    unanswered.settle(1)
    assert (len(unanswered), unanswered.refused, unanswered.oldest_s(200.0)) == (0, 1, 200.0)


def test_the_birth_is_repeated_every_minute() -> None:
    births = Births()
    births.said(100.0)
    assert [births.is_due(second) for second in (100.0, 159.0, 160.0)] == [False, False, True]


def test_a_birth_that_is_denied_is_repeated_at_most_every_five_seconds() -> None:
    births = Births()
    births.said(100.0)
    assert births.heal()
    assert not births.heal()
    assert [births.is_due(second) for second in (104.0, 105.0)] == [False, True]


def test_a_birth_that_has_changed_is_due_at_once() -> None:
    births = Births()
    births.said(100.0)
    births.hurry()
    assert births.is_due(100.0)
