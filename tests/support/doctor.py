"""Patients for `rollcall doctor`: brokers, nodes and services with something wrong."""

import datetime as dt
import json
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import tomli_w

from rollcall.broker import certificates
from rollcall.broker.certificates import Credential, Purpose, Subject
from rollcall.broker.client.probe import Door, Probe
from rollcall.console.app import rollcall
from rollcall.console.doctor.examination import examine
from rollcall.console.doctor.findings import Finding
from rollcall.console.options import Options
from rollcall.recorder.store import Store
from tests.support.mqtt import BrokerUnderTest

EPOCH = "9f3c21d07a5be4c8"
# Programs of others that a remedy may call.
OTHERS = {
    "chmod",
    "findmnt",
    "journalctl",
    "ls",
    "mosquitto_pub",
    "ping",
    "pip",
    "ssh",
    "sudo",
    "tail",
}


class TlsBroker(BrokerUnderTest):
    """A Mosquitto on loopback whose certificate is `server`."""

    def __init__(self, folder: Path, authority: Credential, server: Credential) -> None:
        super().__init__(
            folder,
        )
        folder.mkdir(parents=True)
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_text(authority.certificate_pem)
        (folder / "server.crt").write_text(server.certificate_pem)
        (folder / "server.key").write_text(server.key_pem)

    def configure(self) -> None:
        super().configure()
        conf = self._folder / "mosquitto.conf"
        lines = conf.read_text().splitlines()
        files = {"cafile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}
        lines[1:1] = [f"{key} {self._folder / name}" for key, name in files.items()]
        conf.write_text("\n".join([*lines, ""]))


def authority() -> Credential:
    return certificates.new_authority("test", dt.datetime.now(dt.UTC) - dt.timedelta(days=1000))


def credential(
    made_by: Credential,
    name: str,
    purpose: Purpose,
    *,
    valid_for_days: int,
    hosts: Sequence[str] = (),
) -> Credential:
    """Make a certificate that is valid for so many days from now on; below 0: it has expired."""
    valid = dt.timedelta(days=397)
    made = dt.datetime.now(dt.UTC) - valid + dt.timedelta(days=valid_for_days, hours=1)
    addresses = ["127.0.0.1"] if "127.0.0.1" in hosts else []
    names = [host for host in hosts if host != "127.0.0.1"]
    subject = Subject(name, purpose, tuple(names), tuple(addresses))
    return certificates.new_credential(made_by, subject, made, valid)


class Stage:
    """Retains what nodes and services of a cluster say, on the broker at `port`; no programs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._messages: list[tuple[str, bytes]] = []
        self._now = time.time()

    def say(self, topic: str, said: Any) -> None:
        payload = said if isinstance(said, bytes) else json.dumps(said).encode()
        self._messages.append((f"rollcall/v1/{topic}", payload))

    def node(
        self, name: str, *, agent: str, ago_s: float = 1, interval: int = 10, **cpu: Any
    ) -> None:
        """A node that says that it lives, and whose newest report is `ago_s` old."""
        since = self._now - 3600
        online = {"state": "online", "since": since, "session": 1, "epoch": EPOCH, "seq": 9}
        self.say(f"node/{name}/status", online | {"interval": interval})
        info = {"hostname": name, "agent": agent, "interval": interval, "addresses": ["192.0.2.7"]}
        self.say(f"node/{name}/info", info)
        self.report(name, "cpu", 2, ago_s=ago_s, **({"fields": {"percent": 5.0}} | cpu))

    def report(self, name: str, collector: str, seq: int, *, ago_s: float = 1, **said: Any) -> None:
        report = {"epoch": EPOCH, "seq": seq, "time": self._now - ago_s, "interval": 10, **said}
        self.say(f"node/{name}/metrics/{collector}", report)

    def offline(self, name: str, reason: str) -> None:
        status = {"state": "offline", "reason": reason, "session": 1, "epoch": EPOCH}
        self.say(f"node/{name}/status", status)

    def service(self, name: str, *, version: str, **health: Any) -> None:
        status = {"state": "online", "since": self._now - 3600, "version": version}
        self.say(f"service/{name}/status", status | {"health": health})

    def lost(self, name: str) -> None:
        self.say(f"service/{name}/status", {"state": "offline", "reason": "lost"})

    def play(self) -> None:
        """Publish all of it, retained."""
        with Probe(Door(port=self._port)) as probe:
            probe.publish_all(self._messages, retain=True)


def found(findings: Sequence[Finding], subject: str, text: str) -> Finding:
    """Give the finding about `subject` that says `text`; fail the test when there is none."""
    for one in findings:
        if one.subject == subject and text in one.text:
            return one
    told = "\n".join(f"{one.subject}: {one.text}" for one in findings if one.verdict != "ok")
    raise AssertionError(f"nobody found {text!r} about {subject!r}; found was\n{told}")


def require_runnable(remedy: str) -> None:
    """Fail unless a remedy is a command line of ours that parses, or one of a known program."""
    program, *words = shlex.split(remedy)
    if program != "rollcall":
        assert program in OTHERS, remedy
        return
    command: click.Command = rollcall
    name = program
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        below = command.get_command(click.Context(command), name)
        assert below is not None, f"there is no command {name} in {remedy!r}"
        command = below
    try:
        command.make_context(name, words, obj=None)
    except click.exceptions.Exit:
        assert "--help" in remedy


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Give an environment in which nobody's own configuration is found."""
    places = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data")}
    return {**os.environ, **places, "PYTHONIOENCODING": "utf-8", "TERM": "dumb", **more}


def configured(folder: Path, **sections: dict[str, object]) -> Path:
    """Write a configuration with an empty database of this version, unless one is named."""
    file = folder / "rollcall.toml"
    if "recorder" not in sections:
        url = f"sqlite:///{folder / 'rollcall.db'}"
        with Store(url):
            pass
        sections["recorder"] = {"database": url}
    file.write_text(tomli_w.dumps(sections), "utf-8")
    file.chmod(0o600)
    return file


def findings(file: Path, root: Path | None = None) -> list[Finding]:
    return examine(Options(config=file), root=root or file.parent).findings
