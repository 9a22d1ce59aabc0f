"""From a notice to the readers, over a real mail server that misbehaves: nobody misses anything."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from rollcall.alerts.delivery import DeliveryQueue
from rollcall.alerts.dispatch import Dispatch
from rollcall.alerts.grouping import MailKind
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.outbox import Outbox
from rollcall.alerts.receivers import Receiver
from rollcall.alerts.sender import Sender
from rollcall.alerts.smtp import SmtpServer
from rollcall.broker.node_view import Now
from tests.support import mail_scenes
from tests.support.smtp import PASSWORD, USER, Certificate, SmtpUnderTest
from tests.support.waiting import wait_until

ANN, BOB, CAT = "ann@example.org", "bob@example.org", "cat@example.org"


class Way:
    """Outbox, dispatch and sender before a real server: STARTTLS, checked certificate, login."""

    def __init__(self, folder: Path) -> None:
        certificate = Certificate(folder / "tls")
        self.smtp = SmtpUnderTest(security="starttls", certificate=certificate, login=True)
        self.seconds = 0.0
        self.outbox = Outbox(folder / "alerts.db")
        self.outbox.__enter__()
        server = SmtpServer(
            "127.0.0.1",
            self.smtp.port,
            "starttls",
            "rollcall@example.org",
            USER,
            PASSWORD,
            certificate.path,
        )
        self.queue = DeliveryQueue(lambda: 1.0)
        self.sender = Sender(server.deliver)
        readers = (ANN, BOB, CAT)
        self.dispatch = Dispatch(
            outbox=self.outbox,
            queue=self.queue,
            senders={"mail": self.sender},
            receivers={"default": Receiver("default", readers, readers, "9/s", 9, 100)},
            head=Letterhead("home", "rollcall@example.org", (), "5f2a90c1"),
            draw=lambda _bits: 1,
        )

    @property
    def now(self) -> Now:
        return Now(mail_scenes.AT + self.seconds, 1000 + self.seconds)

    def tell(self) -> None:
        self.dispatch.tell(mail_scenes.disk_full(), self.now)
        self.settle()

    def tell_end(self) -> None:
        told = mail_scenes.disk_full().incident.with_mail(self.now)
        over = mail_scenes.ends(told, mail_scenes.NAS, self.seconds, "is 91 %")
        self.dispatch.tell(mail_scenes.note(MailKind.END, over, self.seconds), self.now)
        self.settle()

    def settle(self, seconds: float = 0) -> None:
        """Let time pass, and everything happen that can happen then."""
        self.seconds += seconds

        def is_quiet() -> bool:
            self.dispatch.tick(self.now)
            return self.sender.is_idle

        wait_until(is_quiet, what="the sender idle")

    def got(self, reader: str) -> list[str]:
        """The Message-IDs that a reader got."""
        return [
            str(message_from_bytes(content, policy=default)["Message-ID"])
            for recipient, content in self.smtp.received
            if recipient == reader
        ]


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    made = Way(tmp_path)
    yield made
    made.sender.stop()
    made.outbox.__exit__(None, None, None)


FIRST = "<a7f3k2.1.default.5f2a90c1@example.org>"


def test_each_of_three_readers_gets_one(way: Way) -> None:
    with way.smtp:
        way.tell()
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[FIRST]] * 3
    assert way.smtp.logins == 3


def test_one_reader_who_is_refused_for_good_costs_the_others_nothing(way: Way) -> None:
    with way.smtp:
        way.smtp.answers[f"RCPT {BOB}"] = "550 no such user"
        way.tell()
        way.settle(3600)
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[FIRST], [], [FIRST]]
    assert (way.queue.dead, len(way.queue)) == (1, 0)


def test_one_reader_who_is_put_off_gets_it_later_and_the_others_at_once(way: Way) -> None:
    with way.smtp:
        way.smtp.answers[f"RCPT {BOB}"] = "450 greylisted"
        way.tell()
        assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[FIRST], [], [FIRST]]
        del way.smtp.answers[f"RCPT {BOB}"]
        way.settle(10)
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[FIRST]] * 3


def test_a_mail_that_is_refused_once_it_was_read_comes_as_short_text(way: Way) -> None:
    with way.smtp:
        way.smtp.spam = b"text/html"
        way.tell()
        way.settle()
    short = "<a7f3k2.1.default.short.5f2a90c1@example.org>"
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[short]] * 3


def test_a_mail_that_is_refused_in_any_form_is_dead_and_said_so(way: Way) -> None:
    with way.smtp:
        way.smtp.spam = b"disk_full"
        way.tell()
        way.settle()
    assert (way.queue.dead, len(way.queue), way.smtp.received) == (3, 0, [])


def test_a_connection_dropped_after_the_mail_repeats_it_with_the_same_id(way: Way) -> None:
    with way.smtp:
        way.smtp.drop_after_data = True
        way.tell()
        way.smtp.drop_after_data = False
        way.settle(10)
    for reader in (ANN, BOB, CAT):
        assert set(way.got(reader)) == {FIRST}
    assert len(way.got(ANN)) == 2
    assert len({content for _, content in way.smtp.received}) == 1


def test_a_server_that_is_away_for_long_gets_one_late_mail_for_each_reader(way: Way) -> None:
    way.tell()
    way.settle(1200)
    way.tell_end()
    assert len(way.queue) == 3
    with way.smtp:
        way.settle(900)
    late = "<a7f3k2.2.default.late.5f2a90c1@example.org>"
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[late]] * 3


def test_a_wrong_password_keeps_every_mail_until_it_is_mended(way: Way) -> None:
    with way.smtp:
        way.smtp.answers["AUTH"] = "535 authentication failed"
        way.tell()
        for _ in range(12):
            way.settle(300)
        assert (len(way.queue), way.queue.dead) == (3, 0)
        assert way.queue.channel_state("mail") == "paused"
        assert way.smtp.received == []
        del way.smtp.answers["AUTH"]
        way.settle(300)
    assert [way.got(reader) for reader in (ANN, BOB, CAT)] == [[FIRST]] * 3
