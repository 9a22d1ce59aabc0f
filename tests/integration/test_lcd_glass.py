"""What people see on the glass of a running service: a death in time, the night, the last word."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollcall.broker.messages import Alert, encode
from rollcall.broker.topics import Kind, Topics
from tests.support.agents import NODE, starting
from tests.support.journalled_bus import JournalledBus
from tests.support.lcd_service import DisplayUnderTest
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()
LIMIT_S = 4.0


def test_a_killed_agent_is_lost_on_the_glass_within_four_seconds(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    with (
        DisplayUnderTest(tmp_path, broker.port, "--emulate") as display,
        starting(broker.port, tmp_path) as start,
    ):
        # Before that it could not know a death from the echo of its own connecting.
        display.wait_for("connected", 20)
        agent = start()
        display.wait_for(f"{NODE} ↑", 20)
        agent.send_signal(signal.SIGKILL)
        took_s = display.wait_for("OFFLINE", 10)
        assert display.rows()[1].strip() == NODE
        assert took_s <= LIMIT_S


def test_at_night_the_light_is_off_until_something_alerts(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    local = datetime.now(UTC).astimezone()
    begins, ends = local - timedelta(hours=2), local + timedelta(hours=2)
    night = f"{begins:%H:%M}-{ends:%H:%M}"
    with (
        DisplayUnderTest(tmp_path, broker.port, "--emulate", ROLLCALL_LCD__NIGHT=night) as display,
        starting(broker.port, tmp_path) as start,
    ):
        start()
        display.wait_for(f"{NODE} ↑", 20)
        wait_until(lambda: not display.glasses()[-1]["backlight"])
        now = time.time()
        alert = Alert(
            state="firing", severity="critical", since=now, evaluated=now, summary="disk / is full"
        )
        topic = TOPICS.topic(Kind.ALERT, NODE, "disk_full")
        broker.publish(topic, encode(alert), retain=True)
        wait_until(lambda: display.glasses()[-1]["backlight"])
        broker.publish(topic, b"", retain=True)
        wait_until(lambda: not display.glasses()[-1]["backlight"])


def test_a_goodbye_or_a_probe_without_i2c_says_what_to_do(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "ROLLCALL_LCD__BUS": "250"}
    for command in ("goodbye", "probe"):
        done = subprocess.run(
            [sys.executable, "-m", "rollcall.console", "lcd", command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "try: " in done.stderr
        assert "Traceback" not in done.stderr


def glass(journal: Path) -> str:
    bus = JournalledBus(journal)
    try:
        return "\n".join(bus.text())
    finally:
        bus.close()


def service(journal: Path, folder: Path, port: int) -> ProgramUnderTest:
    return ProgramUnderTest(
        "tests.support.journalled_bus",
        folder,
        arguments=[str(journal), "rollcall.lcd_display"],
        settings={"ROLLCALL_BROKER__PORT": port},
    )


def say_goodbye(journal: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = [str(journal), "rollcall.console", "lcd", "goodbye"]
    return subprocess.run(
        [sys.executable, "-m", "tests.support.journalled_bus", *arguments],
        env=os.environ | {"XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_service_leaves_its_picture_until_the_goodbye_and_comes_back(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with service(journal, tmp_path, broker.port) as running:
        wait_until(lambda: "connected" in glass(journal), 20)
        refused = say_goodbye(journal, tmp_path)
        assert refused.returncode == 1
        assert f"process {running.pid}" in refused.stderr
        running.kill()
        assert "connected" in glass(journal)
        done = say_goodbye(journal, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "DISPLAY STOPPED" in glass(journal)
        running.launch()
        wait_until(lambda: "connected" in glass(journal), 20)
        assert running.stop() == 0
        assert "DISPLAY STOPPED" in glass(journal)
        bus = JournalledBus(journal)
        bus.checkpoint()
        bus.close()
        assert bus.violations == []


def test_a_second_service_on_the_same_display_exits_and_names_the_first(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    (tmp_path / "second").mkdir()
    with (
        service(journal, tmp_path, broker.port) as first,
        service(journal, tmp_path / "second", broker.port) as second,
    ):
        wait_until(lambda: not (first.is_running() and second.is_running()), 20)
        stopped, running = (first, second) if second.is_running() else (second, first)
        assert stopped.ended() == 1
        assert f"is in use by process {running.pid}" in stopped.log.read_text("utf-8")
        assert running.stop() == 0


def test_a_bus_that_hangs_holds_up_neither_the_status_nor_the_stop(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    topic = TOPICS.topic(Kind.SERVICE_STATUS, "lcd")

    def health() -> dict[str, object]:
        return next(
            (
                json.loads(payload).get("health", {})
                for _, payload in broker.subscribe_for(topic)
                if payload
            ),
            {},
        )

    with service(journal, tmp_path, broker.port) as running:
        wait_until(lambda: "connected" in glass(journal), 20)
        journal.with_suffix(".hang").touch()
        wait_until(lambda: health().get("display") == "stuck", 20)
        assert "does not return" in str(health()["error"])
        began_s = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began_s < 5
