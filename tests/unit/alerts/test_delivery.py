"""What becomes of messages on their way out."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest

from rollcall.alerts.delivery import (
    MAIL_CHANNEL,
    DeliveryQueue,
    Hold,
    MailKey,
    MailState,
    Misconfigured,
    Never,
    Outcome,
    QueuedMail,
    Refused,
    Sent,
    TryAgain,
    channel_of,
)
from rollcall.broker.node_view import Now

HOUR_S = 3600.0
HOOK = "webhook:ops"


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def mail(
    incident: str = "A7F3K2", sequence: int = 1, recipient: str = "a@b", **more: object
) -> QueuedMail:
    key = MailKey(incident, sequence, recipient)
    fields = {"created_at": 1_000_000.0, "content": b"content", **more}
    return QueuedMail(key, f"<{incident}.{sequence}>", **fields)  # type: ignore[arg-type]


def queue_of(*mails: QueuedMail) -> DeliveryQueue:
    queue = DeliveryQueue(lambda: 1.0)
    queue.add(mails)
    return queue


def tried(
    queue: DeliveryQueue, seconds: float, outcome: Outcome, channel: str = MAIL_CHANNEL
) -> QueuedMail:
    started = queue.start_next(channel, seconds)
    assert started is not None
    return queue.settle(started.key, outcome, at(seconds))


def test_a_sent_mail_is_over() -> None:
    queue = queue_of(mail())
    assert tried(queue, 0, Sent()).state is MailState.SENT
    state = queue.channel_state(MAIL_CHANNEL)
    assert (len(queue), state, queue.start_next(MAIL_CHANNEL, 1)) == (0, "ok", None)


def test_a_mail_is_marked_before_it_is_sent() -> None:
    started = queue_of(mail()).start_next(MAIL_CHANNEL, 0)
    assert started is not None
    assert started.state is MailState.SENDING


@pytest.mark.parametrize("away", [False, True])
def test_a_temporary_fault_waits_longer_each_time(away: object) -> None:
    queue = queue_of(mail())
    seconds = 0.0
    waits = []
    for wait_s in (10, 30, 60, 120, 300, 600, 900, 900, 900):
        tried(queue, seconds, TryAgain("greylisted", away=bool(away)))
        assert queue.start_next(MAIL_CHANNEL, seconds + wait_s - 0.1) is None
        waits.append(wait_s)
        seconds += wait_s
    assert queue.channel_state(MAIL_CHANNEL) == "waiting"
    assert queue.faults == ["greylisted"]


def test_a_drop_after_data_stays_marked_as_uncertain() -> None:
    queue = queue_of(mail())
    tried(queue, 0, TryAgain("dropped", uncertain=True))
    settled = tried(queue, 20, TryAgain("busy"))
    assert settled.uncertain
    assert not settled.is_surely_unsent


def test_a_server_that_is_away_is_asked_once_for_all_and_gets_everything_when_it_is_back() -> None:
    queue = queue_of(mail(), mail(incident="B2M8T0"), mail(incident="C3N9V1"))
    tried(queue, 0, TryAgain("connection refused", away=True))
    assert queue.start_next(MAIL_CHANNEL, 9) is None
    tried(queue, 10, TryAgain("connection refused", away=True))
    assert queue.start_next(MAIL_CHANNEL, 39) is None
    assert [tried(queue, 40, Sent()).state for _ in range(3)] == [MailState.SENT] * 3


def test_after_two_days_of_trying_a_mail_is_given_up() -> None:
    queue = queue_of(mail())
    assert tried(queue, 0, TryAgain("busy")).state is MailState.WAITING
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
        if queue.start_next(MAIL_CHANNEL, seconds):
            probes += 1
            queue.settle(mail().key, Misconfigured("535"), at(seconds))
        seconds += 60
    assert (len(queue), queue.dead, queue.channel_state(MAIL_CHANNEL)) == (2, 0, "paused")
    assert queue.faults == ["535"]
    assert probes == 72 * 12
    # Mended, but busy: the time of the pause is no reason to give up.
    assert tried(queue, seconds, TryAgain("busy")).state is MailState.WAITING
    tried(queue, seconds, Sent())
    assert (queue.channel_state(MAIL_CHANNEL), len(queue)) == ("waiting", 1)


def test_a_channel_that_is_paused_holds_up_no_other() -> None:
    queue = queue_of(mail(), mail(recipient=HOOK))
    tried(queue, 0, Misconfigured("535"))
    assert queue.start_next(MAIL_CHANNEL, 0) is None
    assert tried(queue, 0, Sent(), HOOK).key.recipient == HOOK


@pytest.mark.parametrize(
    ("recipient", "channel"),
    [("a@b", "mail"), ("folder", "mail"), (HOOK, HOOK), ("apprise:ops", "apprise:ops")],
)
def test_a_recipient_belongs_to_a_channel(recipient: str, channel: str) -> None:
    assert channel_of(recipient) == channel


def test_mails_of_one_incident_to_one_recipient_go_in_order() -> None:
    queue = queue_of(mail(sequence=1), mail(sequence=2), mail(incident="B2M8T0"))
    tried(queue, 0, TryAgain("busy"))
    assert tried(queue, 0, Sent()).key.incident == "B2M8T0"
    assert queue.start_next(MAIL_CHANNEL, 5) is None
    assert tried(queue, 10, Sent()).key.sequence == 1
    assert tried(queue, 10, Sent()).key.sequence == 2


@pytest.mark.parametrize(("waiting", "age_s"), [(True, 90), (False, 0)])
def test_the_age_of_the_oldest_mail_is_known(waiting: object, age_s: float) -> None:
    queue = queue_of(mail()) if waiting else queue_of()
    assert queue.oldest_s(at(90).wall_s) == age_s


def test_what_is_held_for_the_day_does_not_go_and_does_not_count() -> None:
    queue = queue_of(mail(state=MailState.HELD, hold=Hold.DAILY))
    assert queue.start_next(MAIL_CHANNEL, 0) is None
    assert (len(queue), queue.oldest_s(at(90).wall_s)) == (0, 0)
    assert queue.held(Hold.RATE, "default") == []
    (held,) = queue.held(Hold.DAILY, "default")
    assert queue.release([held])[0].state is MailState.QUEUED
    assert tried(queue, 0, Sent()).state is MailState.SENT


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(mail(), "on its way", id="queued"),
        pytest.param(mail(error="busy"), "not out yet: busy", id="failing"),
        pytest.param(
            mail(state=MailState.HELD, hold=Hold.RATE),
            "held for a digest: more than max_rate",
            id="over the rate",
        ),
        pytest.param(
            mail(state=MailState.HELD, hold=Hold.DAILY), "goes with the daily digest", id="info"
        ),
        pytest.param(mail(incident="B2M8T0"), "", id="of another incident"),
    ],
)
def test_why_something_is_not_out_is_known(row: QueuedMail, why: str) -> None:
    assert queue_of(row).undelivered("A7F3K2") == why


def test_what_is_superseded_does_not_go() -> None:
    queue = queue_of(mail())
    (over,) = queue.supersede(queue.unsent("A7F3K2", "a@b"))
    assert (over.state, over.content, len(queue)) == (MailState.SUPERSEDED, b"", 0)


def _real_mail() -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "r@example.org", "a@b"
    message["Subject"] = "[FIRING] disk_full on nas-1 / - home A7F3K2"
    message["Message-ID"] = "<a7f3k2.1.default.5f2a90c1@example.org>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("nas-1: disk / is 97.1 °C full.\n\n" + "line\n" * 40)
    message.add_alternative("<p>spam?</p>", subtype="html")
    return message.as_bytes()


def test_a_refused_text_goes_once_more_as_short_text_and_then_never() -> None:
    queue = queue_of(mail(content=_real_mail()))
    again = tried(queue, 0, Refused("554 looks like spam"))
    assert (again.state, again.short) == (MailState.WAITING, True)
    short = message_from_bytes(again.content, policy=default)
    assert short["Message-ID"] == "<a7f3k2.1.default.short.5f2a90c1@example.org>"
    assert short["Message-ID"] == again.message_id
    assert short["Subject"] == "[FIRING] disk_full on nas-1 / - home A7F3K2"
    assert short["Auto-Submitted"] == "auto-generated"
    assert (short.get_content_type(), again.content.isascii()) == ("text/plain", True)
    assert short.get_content().startswith("nas-1: disk / is 97.1 ?C full.")
    assert len(short.get_content().splitlines()) == 14
    assert tried(queue, 0, Refused("554 still")).state is MailState.DEAD
