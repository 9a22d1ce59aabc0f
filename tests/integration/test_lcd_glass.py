"""What people see on the glass of a running service: a death in time, the night, the last word."""

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
from tests.support.lcd_service import DisplayUnderTest
from tests.support.mqtt import BrokerUnderTest
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
        agent = start()
        display.wait_for(f"{NODE} ↑", 20)
        display.wait_for("CPU", 20)
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
