"""What has to begin before the tests that need it: connections that Mosquitto closes after 90 s."""

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.mqtt import BrokerUnderTest
from tests.support.own_broker import OwnBroker


@dataclass(frozen=True)
class Unfinished:
    """Connections without a CONNECT, by what was said on them; `since_s` is monotonic."""

    sockets: dict[str, socket.socket]
    since_s: float


@pytest.fixture(scope="session", autouse=True)
def unfinished(request: pytest.FixtureRequest) -> Iterator[Unfinished | None]:
    """Open them with the first of these tests: the others run while their time passes."""
    if not any("unfinished" in item.nodeid for item in request.session.items):
        yield None
        return
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        plain = opened.enter_context(BrokerUnderTest(folder))
        tls = opened.enter_context(OwnBroker())
        said = {
            "nothing": (plain.port, b""),
            "half a CONNECT": (plain.port, b"\x10\xff"),
            "nothing, before TLS": (tls.port, b""),
        }
        sockets = {}
        for what, (port, begin) in said.items():
            sockets[what] = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            sockets[what].sendall(begin)
        yield Unfinished(sockets, time.monotonic())
