"""The display service as its users run it: a real broker, a process, the emulated glass."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import JsonValue

from rollcall.broker.messages import Fleet, Offline, Report, encode
from rollcall.broker.topics import Kind, Topics
from tests.support.lcd_service import DisplayUnderTest
from tests.support.mqtt import BrokerUnderTest
from tests.support.nodes import EPOCH, announce
from tests.support.waiting import wait_until

TOPICS = Topics()


@pytest.fixture
def display(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[DisplayUnderTest]:
    with DisplayUnderTest(tmp_path, broker.port, "--emulate") as running:
        yield running


def node_with_a_will(broker: BrokerUnderTest, name: str) -> subprocess.Popen[bytes]:
    """A real client that dies without a goodbye when it is killed; it says its birth itself."""
    topic = TOPICS.topic(Kind.STATUS, name)
    will = encode(Offline(reason="lost", session=1, epoch=EPOCH))
    command = [
        "mosquitto_sub",
        "-p",
        str(broker.port),
        "-V",
        "5",
        "-i",
        name,
        "-t",
        topic,
        "-q",
        "1",
    ]
    command += ["--will-topic", topic, "--will-payload", will.decode(), "--will-retain"]
    command += ["--will-qos", "1", "-x", "10", "-D", "will", "will-delay-interval", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_a_node_that_is_killed_is_offline_on_the_glass_within_four_seconds(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    display.wait_for("connected")
    with node_with_a_will(broker, "pi-2") as doomed:
        announce(broker, "pi-1")
        announce(broker, "pi-2")
        display.wait_for("2/2 online")
        display.wait_for("CPU  40% ████")
        display.wait_for("RAM 2.0/8.0GB    25%")
        doomed.kill()
        assert display.wait_for("OFFLINE") < 4.5
        assert display.rows()[1].rstrip() == "pi-2"
    assert display.stop() == 0


def test_a_broker_that_is_killed_is_said_and_its_return_is_seen(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    announce(broker, "pi-1")
    announce(broker, "pi-2")
    display.wait_for("2/2 online")
    broker.kill()
    assert display.wait_for("BROKER LOST") < 3
    assert display.rows()[1].rstrip() == f"127.0.0.1:{broker.port}"
    assert "%" not in "".join(display.rows())
    display.wait_for("try ")
    broker.start()
    announce(broker, "pi-1")
    display.wait_for("/2 on", 40)


def test_sigterm_leaves_the_goodbye_as_the_last_thing_on_the_glass(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    announce(broker, "pi-1")
    display.wait_for("pi-1")
    began_s = time.monotonic()
    assert display.stop() == 0
    assert time.monotonic() - began_s < 3
    assert [row.rstrip() for row in display.rows()][::2] == ["DISPLAY STOPPED", "not live any more"]
    [(_, payload)] = broker.subscribe_for(TOPICS.topic(Kind.SERVICE_STATUS, "lcd"))
    assert json.loads(payload) == {"state": "offline", "reason": "stopped"}


def test_messages_that_are_none_are_passed_over_and_said_once_for_a_topic(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    display.wait_for("connected")
    for payload in (b"", b"{", b'{"state":"online"}', b"\xff\x00", b"[" * 5000, b'"NaN"'):
        for kind, names in ((Kind.STATUS, ("pi-9",)), (Kind.METRICS, ("pi-9", "cpu"))):
            broker.publish(TOPICS.topic(kind, *names), payload)
    announce(broker, "pi-1")
    display.wait_for("pi-1")
    assert display.log.read_text().count("passed over") == 2
    assert display.is_running()


def test_while_the_clock_of_this_host_is_not_synchronized_no_time_is_shown(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    announce(broker, "pi-1")
    announce(broker, "pi-2", clock="unsynchronized")
    display.wait_for("2/2 online")
    assert "--:--" not in display.rows()[0]
    announce(broker, "pi-1", first_seq=4, clock="unsynchronized")
    display.wait_for("--:--")


def test_without_a_bus_the_service_says_that_the_display_is_absent_and_goes_on(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    with DisplayUnderTest(tmp_path, broker.port) as running:
        topic = TOPICS.topic(Kind.SERVICE_STATUS, "lcd")
        wait_until(lambda: "/dev/i2c-1" in running.log.read_text())
        health = wait_until(
            lambda: next(
                (
                    found
                    for _, payload in broker.subscribe_for(topic)
                    if (found := json.loads(payload).get("health", {})).get("error")
                ),
                None,
            )
        )
        assert (health["output"], health["display"], health["bus"]) == ("i2c", "absent", 1)
        assert "raspi-config" in health["error"]
        assert running.log.read_text().count("raspi-config") == 1
        assert running.output.read_text() == ""
        assert running.stop() == 0


def test_of_a_single_node_the_glass_tells_more_than_of_many(
    broker: BrokerUnderTest, display: DisplayUnderTest
) -> None:
    announce(broker, "pi-1")
    uptime = Report.model_validate(
        {"epoch": EPOCH, "seq": 9, "time": time.time(), "interval": 10}
        | {"fields": {"uptime_seconds": 273_660.0}}
    )
    broker.publish(TOPICS.topic(Kind.METRICS, "pi-1", "system"), encode(uptime), retain=True)
    display.wait_for("up 3d04h")


def test_two_displays_run_at_once_each_with_its_name_its_groups_and_its_pages(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    groups: dict[str, JsonValue] = {"web": ["web-*"], "db": ["db-*"]}
    fleet = Fleet(revision=1, digest="sha256:0", document={"groups": groups})
    broker.publish(TOPICS.topic(Kind.FLEET), encode(fleet), retain=True)
    for name in ("web-1", "web-2", "db-1"):
        announce(broker, name)
    with ExitStack() as opened:
        shown = {}
        for suffix, size, pages in (("web", "20x4", "overview"), ("db", "16x2", "addresses")):
            folder = tmp_path / suffix
            folder.mkdir()
            settings = {
                "ROLLCALL_LCD__NAME": f"lcd-{suffix}",
                "ROLLCALL_LCD__GROUPS": f'["{suffix}"]',
                "ROLLCALL_LCD__PAGES": f'["{pages}"]',
                "ROLLCALL_LCD__SIZE": size,
                "XDG_DATA_HOME": str(tmp_path / "data"),
            }
            running = DisplayUnderTest(folder, broker.port, "--emulate", **settings)
            shown[suffix] = opened.enter_context(running)
        shown["web"].wait_for("2/2 on")
        shown["db"].wait_for("db-1           ^".replace("^", "↑"))
        assert [len(row) for row in shown["db"].rows()] == [16, 16]
        for suffix in shown:
            topic = TOPICS.topic(Kind.SERVICE_STATUS, f"lcd-{suffix}")
            *_, (_, payload) = broker.subscribe_for(topic)
            assert json.loads(payload)["state"] == "online"


def test_a_second_one_of_the_same_name_refuses_to_start_and_names_the_holder(
    broker: BrokerUnderTest, display: DisplayUnderTest, tmp_path: Path
) -> None:
    display.wait_for("connected")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "data").symlink_to(tmp_path / "data")
    with DisplayUnderTest(tmp_path / "second", broker.port, "--emulate") as second:
        assert second.ended() == 1
        assert f"process {display.pid}" in second.log.read_text()
