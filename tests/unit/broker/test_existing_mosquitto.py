"""What stands in somebody else's configuration before we add to it."""

from pathlib import Path

import pytest

from rollcall.broker.existing_mosquitto import examine

MAIN = Path("/etc/mosquitto/mosquitto.conf")
DEBIAN = """\
# Place your local configuration in /etc/mosquitto/conf.d/
pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location /var/lib/mosquitto/
include_dir /etc/mosquitto/conf.d
"""


def test_debians_own_configuration_is_no_obstacle() -> None:
    found = examine({MAIN: DEBIAN}, 8883)
    assert (found.conflicts, found.listeners) == ((), ())
    assert found.pid_file == Path("/run/mosquitto/mosquitto.pid")


@pytest.mark.parametrize(
    "line",
    [
        "acl_file /etc/mosquitto/acl",
        "password_file /etc/mosquitto/passwd",
        "per_listener_settings true",
        "plugin /usr/lib/x.so",
        "listener 8883",
        "listener 8883 192.168.1.2",
        "  acl_file /etc/mosquitto/acl",
    ],
)
def test_what_would_clash_is_named_with_its_line(line: str) -> None:
    found = examine({MAIN: f"{DEBIAN}{line}\n"}, 8883)
    assert found.conflicts == (f"{MAIN}, line 7: {line.strip()}",)


@pytest.mark.parametrize("line", ["listener 1883", "port 1883"])
def test_another_listener_will_ask_for_passwords_too_and_is_named(line: str) -> None:
    found = examine({MAIN: line}, 8883)
    assert found.conflicts == ()
    assert found.listeners == (f"{MAIN}, line 1: {line}",)


@pytest.mark.parametrize("line", ["#acl_file /x", "per_listener_settings false"])
def test_what_is_not_in_force_is_no_obstacle(line: str) -> None:
    assert examine({MAIN: line}, 8883).conflicts == ()
