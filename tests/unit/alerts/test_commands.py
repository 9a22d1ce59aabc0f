"""Requests to the alert service that are wrong, late, repeated or hostile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.alerts.commands import AlertCommands
from rollcall.alerts.delivery import DeliveryQueue, Outcome, Sent
from rollcall.alerts.dialogue import Say
from rollcall.alerts.dispatch import Dispatch
from rollcall.alerts.incidents import Incidents
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.mail_trial import MailTrial
from rollcall.alerts.notifier import Notifier
from rollcall.alerts.outbox import Outbox
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import Reply
from rollcall.broker.node_view import Now
from tests.support.waiting import wait_until

NOW = Now(1_000_000, 100)
HEAD = Letterhead("home", "r@example.org", ("a@example.org",), "5f2a90c1")


class _Transport:
    def deliver(self, _recipient: str, _content: bytes, say: Say) -> Outcome:
        say("> data")
        return Sent()


class Desk:
    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        dispatch = Dispatch(
            outbox=outbox,
            queue=DeliveryQueue(lambda: 1.0),
            senders={},
            receivers={},
            head=HEAD,
            draw=lambda _bits: 1,
        )
        self.notifier = Notifier(
            outbox=outbox, dispatch=dispatch, incidents=Incidents(lambda _bits: 1)
        )
        trial = MailTrial(
            _Transport(), HEAD, "a@example.org", draw=lambda _bits: 1, wake=lambda: None
        )
        self.commands = AlertCommands(self.notifier, trial, lambda _bits: 0b11111 << 20)
        self._id = 0

    def ask(self, command: str, *, replayed: bool = False, **keys: Any) -> Reply | None:
        self._id += 1
        request = json.dumps({"id": f"c{self._id}", "command": command, **keys}).encode()
        return self.commands.take(request, lambda _all: {"alerts": []}, NOW, replayed=replayed)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Outbox(tmp_path / "alerts.db") as outbox:
        yield Desk(outbox)


@pytest.mark.parametrize(
    ("command", "keys", "words"),
    [
        pytest.param("dance", {}, "no such command; known are list, ack", id="unknown"),
        pytest.param("ack", {"incident": "ZZZ"}, "no incident ZZZ is open", id="no incident"),
        pytest.param("ack", {}, "incident: Field required", id="a key is missing"),
        pytest.param("silence", {"nodes": []}, "nodes: List should have", id="nobody is meant"),
        pytest.param("silence", {"nodes": ["a"], "for": -1}, "for: Input", id="backwards"),
        pytest.param("silence", {"nodes": ["a"], "for": 1e12}, "for: Input", id="for ever"),
        pytest.param("silence", {"nodes": ["a"], "starts": 1}, "over already", id="long ago"),
        pytest.param("end_silence", {"silence": "S"}, "no silence S", id="no silence"),
        pytest.param("test", {"to": "a\r\nBcc: b@c"}, "is no mail address", id="no address"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_told_why(
    desk: Desk, command: str, keys: dict[str, Any], words: str
) -> None:
    reply = desk.ask(command, **keys)
    assert reply is not None
    assert not reply.ok
    assert words in (reply.error or "")
    assert list(desk.notifier.silences) == []


def test_what_the_broker_kept_is_not_carried_out(desk: Desk) -> None:
    assert desk.ask("silence", replayed=True, nodes=["*"]) is None
    assert list(desk.notifier.silences) == []


def test_what_came_too_late_is_refused(desk: Desk) -> None:
    reply = desk.ask("silence", expires=NOW.wall_s - 5, nodes=["*"])
    assert reply is not None
    assert "expired 5 s ago" in (reply.error or "")


def test_what_is_no_command_is_a_decode_error(desk: Desk) -> None:
    with pytest.raises(DecodeError):
        desk.commands.take(b"{}", lambda _all: {}, NOW, replayed=False)


def test_a_silence_is_kept_over_a_restart_and_ended_by_its_id(desk: Desk) -> None:
    reply = desk.ask("silence", nodes=["web-*"], rule="disk_*", comment="by\x07 ann")
    assert reply is not None
    assert isinstance(reply.result, dict)
    assert (reply.result["id"], reply.result["comment"]) == ("S0Z00", "by ann")
    assert desk.outbox.commit(NOW)
    (stored,) = desk.outbox.load(NOW).silences
    assert (stored.ends_at, stored.nodes) == (NOW.wall_s + 3600, ("web-*",))
    ended = desk.ask("end_silence", silence="s0z00")
    assert ended is not None
    assert ended.ok
    desk.outbox.commit(NOW)
    assert desk.outbox.load(NOW).silences == []


def test_a_test_is_answered_when_the_server_has(desk: Desk) -> None:
    assert desk.ask("test") is None
    (reply,) = wait_until(desk.commands.replies, what="the answer")
    assert isinstance(reply.result, dict)
    assert (reply.result["accepted"], reply.result["dialogue"]) == (True, ["> data"])
