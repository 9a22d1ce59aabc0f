"""The thread that sends, when the mail server hangs."""

import threading
import time

import pytest

from rollcall.alerts import sender as module
from rollcall.alerts.delivery import MailKey, Outcome, QueuedMail, Sent
from rollcall.alerts.sender import Sender
from tests.support.waiting import wait_until

MAIL = QueuedMail(MailKey("A7F3K2", 1, "a@b"), "<1@b>", b"content", created_at=0)


def test_a_mail_comes_back_with_its_outcome() -> None:
    sender = Sender(lambda _recipient, _content: Sent())
    idle = [sender.is_idle]
    sender.submit(MAIL)
    idle.append(sender.is_idle)
    assert wait_until(sender.results) == [(MAIL.key, Sent())]
    idle.append(sender.is_idle)
    assert idle == [True, False, True]
    sender.stop()


def test_a_stop_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_STOP_WITHIN_S", 0.1)
    release = threading.Event()

    def hang(_recipient: str, _content: bytes) -> Outcome:
        release.wait(10)
        return Sent()

    sender = Sender(hang)
    sender.submit(MAIL)
    began = time.monotonic()
    sender.stop()
    assert time.monotonic() - began < 2
    assert "goes again at the next start" in caplog.text
    release.set()
    assert wait_until(sender.results) == [(MAIL.key, Sent())]


def test_a_sender_that_never_sent_stops_at_once() -> None:
    Sender(lambda _recipient, _content: Sent()).stop()
