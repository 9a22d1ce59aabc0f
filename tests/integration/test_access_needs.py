"""No program asks the broker for more than the access list gives it: what they really ask for."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rollcall.broker.acl import access_list
from rollcall.broker.mosquitto import find_mosquitto, free_port
from rollcall.broker.topics import Topics
from tests.support.access import AccessList
from tests.support.waiting import wait_until

SERVICES = ("recorder", "alerts", "lcd", "dashboard", "homeassistant", "admin")
ACCESS = AccessList(access_list(Topics(), SERVICES))
PROGRAMS = {
    "pi-3": ["rollcall.node_agent", "--simulate", "3"],
    "recorder": ["rollcall.recorder"],
    "alerts": ["rollcall.alerts"],
    "lcd": ["rollcall.lcd_display", "--emulate"],
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a Mosquitto without restrictions writes down while every program runs."""
    folder = tmp_path_factory.mktemp("needs")
    port = free_port()
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type all\nuser root\n")
    path = folder / "log"
    with ExitStack() as running, path.open("wb") as file:
        running.enter_context(_run([str(find_mosquitto()), "-c", str(conf)], file.fileno(), {}))
        wait_until(lambda: b"running" in path.read_bytes())
        environment = {
            "XDG_CONFIG_HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "ROLLCALL_BROKER__PORT": str(port),
            "ROLLCALL_AGENT__NODE": "pi-3",
        }
        for program in PROGRAMS.values():
            command = [sys.executable, "-m", *program]
            running.enter_context(_run(command, subprocess.DEVNULL, environment))
        wait_until(lambda: all(_is_busy(path, name) for name in PROGRAMS), 30, what="all busy")
        wait_until(lambda: b"'rollcall/v1/receipt/pi-3'" in path.read_bytes(), 20, what="a receipt")
        status = [sys.executable, "-m", "rollcall.console", "status"]
        subprocess.run(status, env=os.environ | environment, check=False, capture_output=True)
        wait_until(lambda: "auto-" in path.read_text("utf-8"), what="the console")
        yield path.read_text("utf-8")


def _run(command: list[str], output: int, extra: dict[str, str]) -> subprocess.Popen[bytes]:
    class Running(subprocess.Popen[bytes]):
        def __exit__(self, *_: object) -> None:
            self.terminate()
            self.wait(10)

    return Running(command, stdout=output, stderr=output, env=os.environ | extra)


def _is_busy(path: Path, name: str) -> bool:
    text = path.read_text("utf-8")
    return f"Received PUBLISH from {name} " in text and f"Received SUBSCRIBE from {name}" in text


def _user(client: str) -> str:
    return "admin" if client.startswith("auto-") else client


def test_every_publish_is_allowed(log: str) -> None:
    published = set(re.findall(r"Received PUBLISH from (\S+) \(.*?, '([^']+)'", log))
    assert {client for client, _ in published} == set(PROGRAMS)
    assert [each for each in published if not ACCESS.may(_user(each[0]), "write", each[1])] == []


def test_every_subscription_is_allowed(log: str) -> None:
    subscribed = set(re.findall(r"^\d+: (\S+) \d (rollcall/\S+)$", log, re.MULTILINE))
    assert {_user(client) for client, _ in subscribed} == {*PROGRAMS, "admin"}
    assert [each for each in subscribed if not ACCESS.may(_user(each[0]), "read", each[1])] == []
