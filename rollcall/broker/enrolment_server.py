"""The hub's door for one invited node: HTTPS with a key made for this invitation alone.

It stands open to the whole network for minutes, so it is narrow: one path, small messages, a limit
on time and on the number of connections. Whoever dawdles is cut off, and when too many come the
oldest goes, so that idle ones keep nobody out.
"""

import datetime as dt
import json
import logging
import os
import socket
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rollcall.broker import certificates
from rollcall.broker.enrolment import (
    LONGEST_MESSAGE_BYTES,
    Admission,
    RefusedError,
    Welcome,
    decode_request,
)

_log = logging.getLogger(__name__)

_CONNECTIONS: Final = 32
_DONE_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.2
_KEY_VALID: Final = dt.timedelta(days=2)
_BEARER: Final = "Bearer "

Welcoming = Callable[[str], Welcome]
"""Takes a certificate signing request (PEM); raises CredentialError when it is none."""


class EnrolmentServer:
    """Lets one node in, while it is entered; a context manager.

    `joined` is set when the node has been given `welcome`, and `joined_from` is its address;
    `refusals` counts those sent away, and `last_refusal` says why. Entering raises OSError when
    the port is taken.
    """

    def __init__(
        self, admission: Admission, welcoming: Welcoming, *, port: int, now: dt.datetime
    ) -> None:
        self.joined = threading.Event()
        self.joined_from = ""
        self.welcome: Welcome | None = None
        self.refusals = 0
        self.last_refusal = ""
        self._admission = admission
        self._welcoming = welcoming
        self._asked_port = port
        self._now = now
        self._one_at_a_time = threading.Lock()
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        self.port = 0
        self.pin = ""

    def __enter__(self) -> Self:
        key = certificates.self_signed("rollcall-join", self._now, _KEY_VALID)
        self.pin = certificates.public_key_pin(ssl.PEM_cert_to_DER_cert(key.certificate_pem))
        self._listener = _Listener(self._asked_port, _context(key), self._answer)
        self.port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_LOOK_EVERY_S,), name="enrolment"
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listener is not None and self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._listener.cut_off(older_than_s=0)
            self._listener.server_close()

    def _answer(self, path: str, token: str, body: bytes, who: str) -> tuple[int, bytes]:
        """Give the HTTP status and the JSON body of the answer; called on any thread."""
        try:
            welcome = self._admit(path, token, body)
        except RefusedError as error:
            self._note(f"{who}: {error}")
            return error.status, _error(str(error))
        except certificates.CredentialError as error:
            self._note(f"{who}: {error}")
            return 400, _error(str(error))
        except (OSError, RuntimeError) as error:
            self._note(f"{who}: the hub failed: {error}")
            return 500, _error("the hub has a fault of its own; it says there what it is")
        self.welcome = welcome
        self.joined_from = who.removeprefix("::ffff:")
        self.joined.set()
        return 200, welcome.model_dump_json().encode()

    def _admit(self, path: str, token: str, body: bytes) -> Welcome:
        root, _, node = path.rpartition("/")
        if root != "/join":
            raise RefusedError(404, "there is nothing here")
        with self._one_at_a_time:
            self._admission.check(node, token, time.monotonic())
            welcome = self._welcoming(decode_request(body).request)
            self._admission.used = True
        return welcome

    def _note(self, refusal: str) -> None:
        self.refusals += 1
        self.last_refusal = refusal


_Answer = Callable[[str, str, bytes, str], tuple[int, bytes]]


class _Listener(socketserver.ThreadingTCPServer):
    """Accepts connections; a thread for each, which does the TLS handshake too."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, context: ssl.SSLContext, answer: _Answer) -> None:
        self.answer = answer
        self._context = context
        self._open: dict[int, tuple[socket.socket, float]] = {}
        self._guard = threading.Lock()
        if socket.has_dualstack_ipv6():
            self.address_family = socket.AF_INET6
        super().__init__(("", port), _Asked)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept without the handshake: a silent client holds up its own thread only."""
        accepted, address = self.socket.accept()
        accepted.settimeout(_DONE_WITHIN_S)
        wrapped = self._context.wrap_socket(
            accepted, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open[id(request)] = (request, time.monotonic())
            crowd = list(self._open.values())[:-_CONNECTIONS]
        for oldest, _ in crowd:
            _cut(oldest)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.do_handshake()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(older_than_s=_DONE_WITHIN_S)

    def cut_off(self, *, older_than_s: float) -> None:
        """End the connections that have been open for too long."""
        now_s = time.monotonic()
        with self._guard:
            late = [one for one, since_s in self._open.values() if now_s - since_s >= older_than_s]
        for one in late:
            _cut(one)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - its form
        """Let a connection that broke, or spoke no TLS, concern nobody else."""
        _log.debug("%s did not get through", client_address[0], exc_info=True)


class _Asked(BaseHTTPRequestHandler):
    """One request over HTTP."""

    server: _Listener
    server_version = "rollcall"
    sys_version = ""
    timeout = _DONE_WITHIN_S

    def do_POST(self) -> None:
        """Answer a node that asks to be let in."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < len("1234567")):
            self._reply(411, _error("the length is missing"))
        elif int(length) > LONGEST_MESSAGE_BYTES:
            self._reply(413, _error("too long"))
        else:
            body = self.rfile.read(int(length))
            token = self.headers.get("Authorization", "").removeprefix(_BEARER)
            self._reply(*self.server.answer(self.path, token, body, self.client_address[0]))

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name
        """Log for whoever looks for a fault; what a stranger sends is no news."""
        _log.debug("%s: %s", self.client_address[0], format % arguments)


def _context(key: certificates.Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The library reads keys from files only; this one exists for a moment, in a folder of our own.
    with tempfile.TemporaryDirectory(prefix="rollcall-") as folder:
        path = Path(folder) / "key.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.key_pem + key.certificate_pem)
        context.load_cert_chain(path)
    return context


def _cut(connection: socket.socket) -> None:
    try:
        # Not the TLS object's own method: that one would let its thread go on in the clear.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("it was closed already: %s", error)


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode()
