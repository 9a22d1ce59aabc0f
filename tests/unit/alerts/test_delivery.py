"""What becomes of mails on their way out."""

import pytest

from rollcall.alerts.delivery import (
    DeliveryQueue,
    MailKey,
    MailState,
    Misconfigured,
    Never,
    Outcome,
    QueuedMail,
    Sent,
    TryAgain,
)
from rollcall.broker.cluster import Now

HOUR_S = 3600.0


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def mail(incident: str = "A7F3K2", sequence: int = 1, recipient: str = "a@b") -> QueuedMail:
    key = MailKey(incident, sequence, recipient)
    return QueuedMail(key, f"<{incident}.{sequence}>", b"content", created_at=1_000_000)


def queue_of(*mails: QueuedMail) -> DeliveryQueue:
    queue = DeliveryQueue(lambda: 1.0)
    queue.add(mails)
    return queue


def tried(queue: DeliveryQueue, seconds: float, outcome: Outcome) -> QueuedMail:
    started = queue.start_next(seconds)
    assert started is not None
    return queue.settle(started.key, outcome, at(seconds))


def test_a_sent_mail_is_over() -> None:
    queue = queue_of(mail())
    assert tried(queue, 0, Sent()).state is MailState.SENT
    assert (len(queue), queue.state, queue.start_next(1)) == (0, "ok", None)


def test_a_mail_is_marked_before_it_is_sent() -> None:
    started = queue_of(mail()).start_next(0)
    assert started is not None
    assert started.state is MailState.SENDING


def test_a_temporary_fault_waits_longer_each_time() -> None:
    queue = queue_of(mail())
    seconds = 0.0
    waits = []
    for _ in range(9):
        settled = tried(queue, seconds, TryAgain("greylisted"))
        waits.append(settled.not_before_s - seconds)
        assert queue.start_next(settled.not_before_s - 0.1) is None
        seconds = settled.not_before_s
    assert waits == [10, 30, 60, 120, 300, 600, 900, 900, 900]
    assert (queue.state, queue.last_error) == ("waiting", "greylisted")


def test_a_drop_after_data_stays_marked_as_uncertain() -> None:
    queue = queue_of(mail())
    tried(queue, 0, TryAgain("dropped", uncertain=True))
    assert tried(queue, 20, TryAgain("busy")).uncertain


def test_after_two_days_of_trying_a_mail_is_given_up() -> None:
    queue = queue_of(mail())
    assert tried(queue, 47 * HOUR_S, TryAgain("busy")).state is MailState.WAITING
    assert tried(queue, 49 * HOUR_S, TryAgain("busy")).state is MailState.DEAD
    assert (len(queue), queue.dead) == (0, 1)


def test_a_refused_recipient_costs_only_that_mail() -> None:
    queue = queue_of(mail(recipient="gone@b"), mail(recipient="a@b"))
    assert tried(queue, 0, Never("550")).state is MailState.DEAD
    assert tried(queue, 0, Sent()).key.recipient == "a@b"


def test_a_wrong_password_drops_nothing_for_three_days_and_probes_every_five_minutes() -> None:
    queue = queue_of(mail(), mail(incident="B2M8T0"))
    seconds, probes = 0.0, 0
    while seconds < 72 * HOUR_S:
        if queue.start_next(seconds):
            probes += 1
            queue.settle(mail().key, Misconfigured("535"), at(seconds))
        seconds += 60
    assert (len(queue), queue.dead, queue.state) == (2, 0, "paused")
    assert queue.last_error == "535"
    assert probes == 72 * 12
    tried(queue, seconds, Sent())
    assert (queue.state, len(queue)) == ("ok", 1)


def test_mails_of_one_incident_to_one_recipient_go_in_order() -> None:
    queue = queue_of(mail(sequence=1), mail(sequence=2), mail(incident="B2M8T0"))
    tried(queue, 0, TryAgain("busy"))
    assert tried(queue, 0, Sent()).key.incident == "B2M8T0"
    assert queue.start_next(5) is None
    assert tried(queue, 10, Sent()).key.sequence == 1
    assert tried(queue, 10, Sent()).key.sequence == 2


@pytest.mark.parametrize(("waiting", "age_s"), [(True, 90), (False, 0)])
def test_the_age_of_the_oldest_mail_is_known(waiting: object, age_s: float) -> None:
    queue = queue_of(mail()) if waiting else queue_of()
    assert queue.oldest_s(at(90).wall_s) == age_s
