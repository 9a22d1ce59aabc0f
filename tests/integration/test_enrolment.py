"""The hub's door over a real network: it lets the invited node in, and nobody keeps it out."""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from rollcall.broker import certificates, enrolment_server
from rollcall.broker.credentials import Authority
from rollcall.broker.enrolment import Admission, EnrolmentError, Invitation, Welcome, new_token
from rollcall.broker.enrolment_client import ask
from rollcall.broker.enrolment_server import EnrolmentServer
from tests.support.waiting import wait_until

NOW = dt.datetime.now(dt.UTC)


class Door:
    """An open door for pi-7, with the invitation to it."""

    def __init__(self, server: EnrolmentServer, token: str, authority: Authority) -> None:
        self.server = server
        self.token = token
        self.authority = authority

    def invitation(self, **changed: str) -> Invitation:
        told = {"node": "pi-7", "pin": self.server.pin, "token": self.token} | changed
        return Invitation("127.0.0.1", self.server.port, **told)

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=5)

    def secure(self) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(self.plain())

    def issued(self) -> list[str]:
        return [one.name for one in self.authority.issued()]


@contextmanager
def opened(folder: Path, *, valid_s: float = 900) -> Iterator[Door]:
    authority = Authority.create(folder / "pki", name="test", now=NOW)
    token = new_token()

    def welcome(request_pem: str) -> Welcome:
        return Welcome(
            node="pi-7",
            host="hub",
            port=8883,
            authority=authority.certificate_pem,
            certificate=authority.sign_request(request_pem, "pi-7", now=NOW),
        )

    admission = Admission.of("pi-7", token, time.monotonic(), valid_s)
    with EnrolmentServer(admission, welcome, port=0, now=NOW) as server:
        yield Door(server, token, authority)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with opened(tmp_path) as running:
        yield running


def test_a_node_gets_a_certificate_for_the_key_that_it_made(door: Door) -> None:
    request, _ = certificates.new_request("whatever")
    welcome = ask(door.invitation(), request)
    assert welcome.certificate is not None
    assert certificates.details(welcome.certificate).name == "pi-7"
    assert welcome.authority == door.authority.certificate_pem
    assert door.server.joined.is_set()


def test_the_name_works_as_well_as_the_address_and_over_both_families(door: Door) -> None:
    told = Invitation("localhost", door.server.port, "pi-7", door.server.pin, door.token)
    assert ask(told, certificates.new_request("x")[0]).node == "pi-7"


def test_a_token_is_good_once(door: Door) -> None:
    request, _ = certificates.new_request("pi-7")
    ask(door.invitation(), request)
    with pytest.raises(EnrolmentError, match="used already"):
        ask(door.invitation(), request)
    assert door.issued() == ["pi-7"]
    assert "used already" in door.server.last_refusal


def test_of_twenty_at_the_same_moment_one_gets_in(door: Door) -> None:
    request, _ = certificates.new_request("pi-7")
    outcomes: list[str] = []

    def one() -> None:
        try:
            outcomes.append(ask(door.invitation(), request).node)
        except EnrolmentError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("pi-7") == 1
    assert door.issued() == ["pi-7"]


def test_a_token_expires(tmp_path: Path) -> None:
    with opened(tmp_path, valid_s=0) as door:
        with pytest.raises(EnrolmentError, match=r"expired.*rollcall node add pi-7"):
            ask(door.invitation(), certificates.new_request("pi-7")[0])
        assert door.issued() == []


def test_a_stolen_token_is_of_no_use_for_another_name(door: Door) -> None:
    with pytest.raises(EnrolmentError, match="is for pi-7 and for no other node"):
        ask(door.invitation(node="pi-8"), certificates.new_request("pi-8")[0])
    assert door.issued() == []


def test_a_guessed_token_is_refused_and_the_right_one_still_works(door: Door) -> None:
    request, _ = certificates.new_request("pi-7")
    for _ in range(5):
        with pytest.raises(EnrolmentError, match="not valid here"):
            ask(door.invitation(token=new_token()), request)
    assert ask(door.invitation(), request).node == "pi-7"
    assert door.server.refusals == 5


def test_a_node_sends_nothing_to_a_key_that_is_not_the_pinned_one(door: Door) -> None:
    with pytest.raises(EnrolmentError, match="not the hub of this invitation"):
        ask(door.invitation(pin="A" * 43), certificates.new_request("pi-7")[0])
    assert door.server.refusals == 0
    assert door.issued() == []


def test_where_nobody_answers_the_node_hears_what_to_do() -> None:
    gone = Invitation("127.0.0.1", 1, "pi-7", "A" * 43, new_token())
    with pytest.raises(EnrolmentError, match="rollcall node add pi-7"):
        ask(gone, certificates.new_request("pi-7")[0])


def test_a_request_that_is_none_does_not_use_the_token_up(door: Door) -> None:
    with pytest.raises(EnrolmentError, match="no certificate signing request"):
        ask(door.invitation(), "nonsense")
    assert ask(door.invitation(), certificates.new_request("pi-7")[0]).node == "pi-7"


def _post(door: Door, path: str, body: bytes, **headers: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", door.server.port, context=context, timeout=5)
    try:
        connection.request("POST", path, body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        pytest.param("/join/pi-7", b"{}", {}, 403, id="no token"),
        pytest.param("/", b"{}", {}, 404, id="elsewhere"),
        pytest.param("/join/../../etc", b"{}", {}, 404, id="a path upwards"),
        pytest.param("/join/pi-7", b"", {"Content-Length": "70000"}, 413, id="oversize"),
        pytest.param("/join/pi-7", b"", {"Content-Length": "-1"}, 411, id="a negative length"),
        pytest.param("/join/pi-7", b"", {"Content-Length": "9" * 30}, 411, id="a huge length"),
    ],
)
def test_hostile_requests_are_answered_and_forgotten(
    door: Door, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert _post(door, path, body, **headers) == status
    assert ask(door.invitation(), certificates.new_request("pi-7")[0]).node == "pi-7"


def _with_token(door: Door, body: bytes) -> int:
    return _post(door, "/join/pi-7", body, Authorization=f"Bearer {door.token}")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 60_000, b'{"request":7}'])
def test_noise_with_the_right_token_is_refused(door: Door, body: bytes) -> None:
    assert _with_token(door, body) == 400
    assert ask(door.invitation(), certificates.new_request("pi-7")[0]).node == "pi-7"


IDLERS: dict[str, Callable[[Door], socket.socket]] = {
    "silent before TLS": Door.plain,
    "silent after TLS": Door.secure,
}


@pytest.mark.parametrize("idler", IDLERS.values(), ids=IDLERS.keys())
def test_a_hundred_silent_connections_keep_nobody_out(
    door: Door, idler: Callable[[Door], socket.socket]
) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(idler(door))
        assert ask(door.invitation(), certificates.new_request("pi-7")[0]).node == "pi-7"


def test_whoever_dawdles_is_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment_server, "_DONE_WITHIN_S", 0.3)
    with door.secure() as slow:
        sent = b"POST /join/pi-7 HTTP/1.1\r\n"

        def is_cut() -> bool:
            # One byte at a time: each is in time, all of them together are not.
            try:
                slow.sendall(sent[:1])
            except OSError:
                return True
            return False

        wait_until(is_cut, 5, what="the end of the connection")


def test_plain_text_on_the_port_ends_its_own_connection_only(door: Door) -> None:
    with door.plain() as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        plain.settimeout(5)
        while plain.recv(4096):
            pass
    assert ask(door.invitation(), certificates.new_request("pi-7")[0]).node == "pi-7"


def test_the_door_closes_with_connections_still_open(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with opened(tmp_path) as door:
            for _ in range(5):
                stack.enter_context(door.plain())
            port = door.server.port
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)
