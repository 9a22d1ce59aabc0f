"""A broker that moves: its name means another address from one moment to the next."""

import os
from pathlib import Path

import pytest

from rollcall.service.settings import Broker
from tests.support.agents import STATUS, listening, starting
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

NAME = "hub.example"
# What a resolver says changes with a file: for one name, in every Python that is started.
_RESOLVER = """
import pathlib, socket

asked = socket.getaddrinfo


def answered(host, *further, **named):
    if host == {name!r}:
        host = pathlib.Path({file!r}).read_text()
    return asked(host, *further, **named)


socket.getaddrinfo = answered
"""


class BrokerElsewhere(BrokerUnderTest):
    """A broker on another address of this host, and a port that is given."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.port = port

    def configure(self) -> None:
        super().configure()
        file = self._folder / "mosquitto.conf"
        file.write_text(file.read_text("utf-8").replace("127.0.0.1", "127.0.0.2"), "utf-8")

    @property
    def endpoint(self) -> Broker:
        return Broker(host="127.0.0.2", port=self.port)


def test_an_agent_finds_its_broker_at_another_address_and_brings_along_what_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = tmp_path / "address"
    address.write_text("127.0.0.1")
    resolver = _RESOLVER.format(name=NAME, file=str(address))
    (tmp_path / "sitecustomize.py").write_text(resolver)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    here = BrokerUnderTest(tmp_path / "here")
    elsewhere = BrokerElsewhere(tmp_path / "elsewhere", here.port)
    with starting(here.port, tmp_path) as start:
        with here, listening(here) as before:
            start("--simulate", "1", BROKER__HOST=NAME)
            epoch = wait_until(lambda: before.all(STATUS))[0]["epoch"]
            wait_until(lambda: len(before.live()) >= 7)
            seen = max(before.live())
        address.write_text("127.0.0.2")
        with elsewhere, listening(elsewhere) as after:
            assert wait_until(lambda: after.all(STATUS), 20)[0]["epoch"] == epoch
            waited = set(range(1, seen + 1))
            wait_until(lambda: waited <= {*after.resent(), *after.live()}, 20)
