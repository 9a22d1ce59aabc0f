"""A command is carried out once, in time, and never because the broker kept it."""

import pytest

from rollcall.broker.codec import DecodeError
from rollcall.broker.commands import CommandGate, CommandRefused
from rollcall.broker.messages import Command, encode

NOW_S = 1_767_225_600.0


def _command(command_id: str = "7c1e", expires: float | None = NOW_S + 30) -> bytes:
    return encode(Command(id=command_id, command="ping", expires=expires))


def test_a_command_is_let_through_with_its_own_keys() -> None:
    payload = b'{"id":"7c1e","command":"boost","collector":"cpu","interval":1,"for":300}'
    command = CommandGate().admit(payload, replayed=False, now_s=NOW_S)
    assert (command.id, command.command) == ("7c1e", "boost")
    assert command.model_extra == {"collector": "cpu", "interval": 1, "for": 300}


def test_a_repeated_id_is_refused_and_not_answered() -> None:
    gate = CommandGate()
    gate.admit(_command(), replayed=False, now_s=NOW_S)
    with pytest.raises(CommandRefused, match="taken already") as refused:
        gate.admit(_command(), replayed=False, now_s=NOW_S)
    assert refused.value.id is None


def test_an_expired_command_is_refused_and_its_sender_told() -> None:
    gate = CommandGate()
    with pytest.raises(CommandRefused, match="expired 12 s ago") as refused:
        gate.admit(_command(expires=NOW_S - 12), replayed=False, now_s=NOW_S)
    assert refused.value.id == "7c1e"
    with pytest.raises(CommandRefused, match="taken already"):
        gate.admit(_command(), replayed=False, now_s=NOW_S)


def test_without_a_good_clock_the_expiry_is_left_to_the_broker() -> None:
    command = CommandGate().admit(_command(expires=NOW_S - 3600), replayed=False, now_s=None)
    assert command.command == "ping"


def test_what_the_broker_had_retained_is_refused_and_does_not_use_up_the_id() -> None:
    gate = CommandGate()
    with pytest.raises(CommandRefused, match="retained"):
        gate.admit(_command(), replayed=True, now_s=NOW_S)
    assert gate.admit(_command(), replayed=False, now_s=NOW_S).id == "7c1e"


def test_what_is_no_command_is_a_fault_of_decoding() -> None:
    with pytest.raises(DecodeError):
        CommandGate().admit(b'{"id":"a b","command":"ping"}', replayed=False, now_s=NOW_S)


def test_the_newest_256_ids_are_remembered() -> None:
    gate = CommandGate()
    for number in range(257):
        gate.admit(_command(f"c{number}"), replayed=False, now_s=NOW_S)
    with pytest.raises(CommandRefused):
        gate.admit(_command("c1"), replayed=False, now_s=NOW_S)
    assert gate.admit(_command("c0"), replayed=False, now_s=NOW_S).id == "c0"
