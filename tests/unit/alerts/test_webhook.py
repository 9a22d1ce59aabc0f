"""Messages to programs, and through Apprise: what a real server gets, and what its answers mean."""

import hashlib
import hmac
import json
import socket

import pytest

from rollcall.alerts.apprise_channel import AppriseChannel
from rollcall.alerts.delivery import Misconfigured, Never, Outcome, Sent, TryAgain
from rollcall.alerts.webhook import Webhook
from tests.support.http import HttpUnderTest

BODY = json.dumps({"schema": 1, "id": "a7f3k2.1.ops@example.org", "text": "nas-1 is full"}).encode()
HOOK = "webhook:ops"
MAIL = (
    b"Subject: [FIRING] disk_full on nas-1 / - home A7F3K2\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\n\r\nnas-1 is full\r\n'
)


def test_a_message_is_signed_so_that_the_receiver_can_check_it() -> None:
    with HttpUnderTest() as server:
        hook = Webhook(f"http://127.0.0.1:{server.port}/alerts", b"s3cret")
        assert hook.deliver(HOOK, BODY) == Sent()
        ((headers, body),) = server.received
    assert body == BODY
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Rollcall-Signature"] == f"sha256={expected}"
    assert headers["Rollcall-Id"] == "a7f3k2.1.ops@example.org"
    assert headers["Content-Type"] == "application/json"


def test_the_secret_does_not_show() -> None:
    assert "s3cret" not in repr(Webhook("http://example.org", b"s3cret"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(204, Sent, id="taken"),
        pytest.param(302, Misconfigured, id="a redirection is not followed"),
        pytest.param(400, Never, id="not understood"),
        pytest.param(401, Misconfigured, id="not let in"),
        pytest.param(404, Misconfigured, id="no such place"),
        pytest.param(429, TryAgain, id="too many"),
        pytest.param(503, TryAgain, id="busy"),
    ],
)
def test_an_answer_means(status: int, kind: type[Outcome]) -> None:
    with HttpUnderTest() as server:
        server.status = status
        outcome = Webhook(f"http://127.0.0.1:{server.port}/").deliver(HOOK, BODY)
    assert isinstance(outcome, kind)


def test_a_connection_cut_after_the_body_is_uncertain() -> None:
    with HttpUnderTest() as server:
        server.drop = True
        outcome = Webhook(f"http://127.0.0.1:{server.port}/").deliver(HOOK, BODY)
    assert isinstance(outcome, TryAgain)
    assert outcome.uncertain


def test_a_server_out_of_reach_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = Webhook(f"http://127.0.0.1:{unused.getsockname()[1]}/").deliver(HOOK, BODY)
    assert isinstance(outcome, TryAgain)
    assert not outcome.uncertain


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Apprise imports
@pytest.mark.parametrize(("status", "kind"), [(200, Sent), (500, TryAgain)])
def test_apprise_carries_subject_and_text(status: int, kind: type[Outcome]) -> None:
    with HttpUnderTest() as server:
        server.status = status
        channel = AppriseChannel((f"json://127.0.0.1:{server.port}/",))
        assert isinstance(channel.deliver("apprise:ops", MAIL), kind)
        _, body = server.received[0]
    told = json.loads(body)
    assert told["title"] == "[FIRING] disk_full on nas-1 / - home A7F3K2"
    assert told["message"].strip() == "nas-1 is full"


def test_an_apprise_url_that_is_none_is_a_fault_of_the_configuration() -> None:
    channel = AppriseChannel(("no-such-service",))
    assert isinstance(channel.deliver("apprise:ops", MAIL), Misconfigured)
    assert "no-such-service" not in repr(channel)
