"""An invitation lets one node in, once, for a short time."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.enrolment import (
    Admission,
    EnrolmentError,
    Invitation,
    RefusedError,
    Welcome,
    decode_bundle,
    decode_request,
    decode_welcome,
    new_token,
)

TOKEN = "Qm7xQm7xQm7xQm7xQm7xQg"
PIN = "A" * 42 + "_"
LINE = f"https://hub.lan:8443/join/pi-7#{TOKEN}.{PIN}"


@pytest.mark.parametrize("host", ["hub", "hub.lan", "192.168.1.2", "fd00::2"])
def test_an_invitation_survives_being_carried_as_text(host: str) -> None:
    invitation = Invitation(host, 8443, "pi-7", PIN, new_token())
    assert Invitation.parse(f"  {invitation}\n") == invitation


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("https://hub.lan:8443/join/pi-7", id="cut at the # by an unquoted copy"),
        pytest.param(LINE[:-1], id="the last character lost"),
        pytest.param(LINE.replace("https", "http"), id="not over TLS"),
        pytest.param(LINE.replace("8443", "99999"), id="no such port"),
        pytest.param(LINE.replace("pi-7", "recorder"), id="a service's name"),
        pytest.param(LINE.replace("pi-7", "../x"), id="a path"),
        pytest.param(LINE.replace("hub.lan", "hub.lan\n"), id="two lines"),
        pytest.param(LINE.replace("hub.lan", "user@hub.lan"), id="a user name"),
    ],
)
def test_a_damaged_invitation_says_how_to_copy_it(line: str) -> None:
    with pytest.raises(EnrolmentError, match="copy it whole"):
        Invitation.parse(line)


def test_an_invitation_shows_its_token_only_where_it_is_meant_to_be_read() -> None:
    assert TOKEN not in repr(Invitation.parse(LINE))


def test_an_admission_keeps_no_token() -> None:
    assert TOKEN not in repr(Admission.of("pi-7", TOKEN, 0))


def test_tokens_hold_128_bits_and_are_never_the_same() -> None:
    drawn = {new_token() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(one) for one in drawn} == {22}


def test_the_right_token_lets_the_right_node_in_until_the_time_is_up() -> None:
    admission = Admission.of("pi-7", TOKEN, 100, valid_s=900)
    admission.check("pi-7", TOKEN, 100)
    admission.check("pi-7", TOKEN, 999.9)
    with pytest.raises(RefusedError, match="expired"):
        admission.check("pi-7", TOKEN, 1000)


@pytest.mark.parametrize(
    ("node", "token", "used", "why"),
    [
        pytest.param("pi-7", new_token(), False, "not valid here", id="a guess"),
        pytest.param("pi-7", "", False, "not valid here", id="no token"),
        pytest.param("pi-7", "\udcff\xff", False, "not valid here", id="not text"),
        pytest.param("pi-8", TOKEN, False, "is for pi-7", id="stolen for another name"),
        pytest.param("pi-7", TOKEN, True, "used already.*node remove pi-7", id="a second time"),
        pytest.param("pi-7", new_token(), True, "not valid here", id="a guess is told nothing"),
    ],
)
def test_nothing_else_lets_in(node: str, token: str, *, used: bool, why: str) -> None:
    admission = Admission.of("pi-7", TOKEN, 0)
    admission.used = used
    with pytest.raises(RefusedError, match=why):
        admission.check(node, token, 1)


@given(st.text(), st.text(string.ascii_letters))
def test_no_text_that_is_not_the_token_lets_in(token: str, node: str) -> None:
    with pytest.raises(RefusedError):
        Admission.of("pi-7", TOKEN, 0).check(node, token, 1)


WELCOME = Welcome(node="pi-7", host="hub", port=8883, authority="ca", certificate="crt")


def test_a_welcome_arrives_as_it_was_given() -> None:
    assert decode_welcome(WELCOME.model_dump_json().encode(), "pi-7") == WELCOME


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"node": "pi-8"}, "not for pi-7", id="another node's"),
        pytest.param({"certificate": None}, "neither or both", id="no credential"),
        pytest.param({"password": "x"}, "neither or both", id="two credentials"),
        pytest.param({"format": 2}, "upgrade this node", id="a newer hub"),
        pytest.param({"port": 0}, "cannot be read", id="no port"),
        pytest.param({"prefix": "a/#"}, "cannot be read", id="a prefix with wildcards"),
    ],
)
def test_a_welcome_that_cannot_be_used_is_refused(change: dict[str, object], why: str) -> None:
    body = WELCOME.model_copy(update=change).model_dump_json(warnings=False).encode()
    with pytest.raises(EnrolmentError, match=why):
        decode_welcome(body, "pi-7")


@given(st.binary(max_size=300))
def test_no_bytes_but_a_refusal_come_of_noise(body: bytes) -> None:
    with pytest.raises(RefusedError):
        decode_request(body)
    with pytest.raises(EnrolmentError):
        decode_welcome(body, "pi-7")
    with pytest.raises(EnrolmentError):
        decode_bundle(body)
