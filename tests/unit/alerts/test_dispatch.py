"""How many messages a receiver gets, on a held clock: rates, digests, late mails."""

from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from rollcall.alerts.delivery import DeliveryQueue, Outcome, Sent, TryAgain
from rollcall.alerts.dispatch import Dispatch
from rollcall.alerts.grouping import Incident, MailKind
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.notice import Notice
from rollcall.alerts.outbox import Outbox
from rollcall.alerts.receivers import Receiver
from rollcall.alerts.sender import Sender
from rollcall.alerts.state import Key
from rollcall.broker.node_view import Now
from tests.support import mail_scenes
from tests.support.waiting import wait_until

RATE = 20 / 3600
START = 1_767_582_807.0  # 03:13:27 UTC


class Stage:
    """A dispatch with real outbox and sender threads, and a mail server of three lines."""

    def __init__(self, path: Path, *recipients: str) -> None:
        self.path = path
        self.recipients = recipients or ("a@example.org",)
        self.seconds = 0.0
        self.drawn = 0
        self.away = False
        self.accepted: list[tuple[str, bytes]] = []
        self.open()

    @property
    def now(self) -> Now:
        return Now(START + self.seconds, 100 + self.seconds)

    def open(self) -> None:
        self.outbox = Outbox(self.path / "alerts.db")
        self.outbox.__enter__()
        self.queue = DeliveryQueue(lambda: 1.0)
        programs = [one for one in self.recipients if ":" in one]
        self.senders = {name: Sender(self._deliver) for name in ("mail", *programs)}
        receiver = Receiver("default", ("a@example.org",), self.recipients, "20/h", RATE, 5)
        stored = self.outbox.load(self.now)
        self.dispatch = Dispatch(
            outbox=self.outbox,
            queue=self.queue,
            senders=self.senders,
            receivers={"default": receiver},
            head=Letterhead("home", "r@example.org", (), stored.install),
            draw=self._draw,
        )
        self.dispatch.restore(stored, self.now)

    def close(self) -> None:
        for sender in self.senders.values():
            sender.stop()
        self.outbox.__exit__(None, None, None)

    def tell(self, notice: Notice) -> None:
        self.dispatch.tell(replace(notice, at=self.now.wall_s), self.now)
        self.settle()

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.settle()

    def settle(self) -> None:
        """Let everything happen that can happen now."""

        def is_quiet() -> bool:
            self.dispatch.tick(self.now)
            return all(sender.is_idle for sender in self.senders.values())

        wait_until(is_quiet, what="the senders idle")

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            message_from_bytes(content, policy=default)
            for recipient, content in self.accepted
            if "@" in recipient
        ]

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    def _draw(self, _bits: int) -> int:
        self.drawn += 1
        return 900_000 + self.drawn

    def _deliver(self, recipient: str, content: bytes) -> Outcome:
        if self.away:
            return TryAgain("connection refused", away=True)
        self.accepted.append((recipient, content))
        return Sent()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def incident(number: int = 0, *, severity: str = "critical") -> Incident:
    made = mail_scenes.incident_of("disk_full")
    key = Key("disk_full", f"nas-{number}", "/")
    made = mail_scenes.fires(made, key, mail_scenes.FULL, value=97.1)
    return replace(made, id=f"A7F3{number:02}", severity=severity)  # type: ignore[arg-type]


def fire(number: int = 0, *, severity: str = "critical") -> Notice:
    return mail_scenes.note(MailKind.FIRE, incident(number, severity=severity), 0)


def end(number: int = 0, *, after_s: float) -> Notice:
    told = incident(number).with_mail(mail_scenes.now(10))
    key = Key("disk_full", f"nas-{number}", "/")
    over = mail_scenes.ends(told, key, after_s, "disk.used_percent / is 91 %")
    return mail_scenes.note(MailKind.END, over, after_s)


def test_sixty_incidents_in_a_minute_are_five_mails_and_a_digest_of_the_rest(stage: Stage) -> None:
    for number in range(60):
        stage.tell(fire(number))
        stage.pass_time(1)
    assert len(stage.mails) == 5
    stage.pass_time(180)
    assert len(stage.mails) == 6
    assert stage.subjects[5].startswith("[DIGEST 55] disk_full - home ")
    body = stage.mails[5].get_body(("plain",))
    assert body is not None
    assert "55 alerts, more than 20 mails an hour: 55 firing, 0 over." in body.get_content()
    stage.pass_time(3600)
    assert (len(stage.mails), len(stage.queue)) == (6, 0)


def test_one_mail_over_the_rate_goes_as_itself_when_there_is_room(stage: Stage) -> None:
    for number in range(6):
        stage.tell(fire(number))
    assert len(stage.mails) == 5
    stage.pass_time(181)
    assert stage.subjects[5].startswith("[FIRING] disk_full on nas-5 / - home A7F305")


def test_a_restart_refills_nothing(stage: Stage) -> None:
    for number in range(7):
        stage.tell(fire(number))
    stage.close()
    stage.open()
    stage.pass_time(1)
    assert len(stage.mails) == 5
    stage.pass_time(180)
    assert stage.subjects[5].startswith("[DIGEST 2] ")


def test_what_fired_and_ended_while_the_server_was_away_is_one_late_mail(stage: Stage) -> None:
    stage.away = True
    stage.tell(fire())
    stage.pass_time(1200)
    stage.tell(end(after_s=1200))
    assert stage.mails == []
    stage.away = False
    stage.pass_time(901)
    (late,) = stage.mails
    assert late["Subject"] == "[LATE, over] disk_full on nas-0 / - home A7F300"
    assert ".2.default.late." in late["Message-ID"]
    body = late.get_body(("plain",))
    assert body is not None
    assert "No mail got out since 2026-01-05 03:13:27 UTC." in body.get_content()
    assert len(stage.queue) == 0


def test_a_short_outage_changes_nothing(stage: Stage) -> None:
    stage.away = True
    stage.tell(fire())
    stage.pass_time(60)
    stage.tell(end(after_s=60))
    stage.away = False
    stage.pass_time(900)
    assert [subject.partition(" ")[0] for subject in stage.subjects] == ["[FIRING]", "[RESOLVED]"]


def test_info_is_told_once_a_day_at_its_hour(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    for number in range(3):
        stage.tell(fire(number, severity="info"))
    stage.pass_time(3 * 3600)
    assert (stage.mails, len(stage.queue)) == ([], 0)
    stage.pass_time(3600)
    (digest,) = stage.subjects
    assert digest.startswith("[DIGEST 3] disk_full - home ")


def test_a_program_gets_everything_at_once_whatever_people_get(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "a@example.org", "webhook:ops")
    for number in range(9):
        stage.tell(fire(number, severity="info"))
    assert [recipient for recipient, _ in stage.accepted] == ["webhook:ops"] * 9
    stage.close()


def test_a_full_disk_does_not_keep_a_mail(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    connection = stage.outbox._opened
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    connection.commit()
    for number in range(4):
        stage.tell(fire(number))
    assert "database or disk is full" in caplog.text
    assert len(stage.mails) == 4
