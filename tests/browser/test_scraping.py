"""The address that scrapers ask: who gets an answer, and what is in it."""

import os
import subprocess
import sys
import time
from http import HTTPStatus

from rollcall.broker.messages import Online, Report, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.dashboard.entry import Entry
from tests.support.browser import DashboardUnderTest
from tests.support.database import EPOCH
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()


def token(dashboard: DashboardUnderTest, *words: str) -> str:
    """Run `rollcall dashboard token` as its user does; give what it prints."""
    command = [sys.executable, "-m", "rollcall.console", "dashboard", "token", *words]
    folder = str(dashboard.state_dir)
    environment = {**os.environ, "ROLLCALL_DASHBOARD__STATE_DIR": folder, "XDG_CONFIG_HOME": folder}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def metrics(dashboard: DashboardUnderTest, **headers: str) -> tuple[int, str, str]:
    status, said, body = dashboard.ask("GET", "/metrics", **headers)
    return status, said.get("content-type", ""), body.decode()


def test_a_token_opens_the_metrics_and_nothing_else(
    dashboard: DashboardUnderTest, broker: BrokerUnderTest, now_s: float
) -> None:
    online = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    report = Report(time=now_s, interval=10, epoch=EPOCH, seq=1, fields={"percent": 12.5})
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(online), retain=True)
    broker.publish(TOPICS.topic(Kind.METRICS, "pi-3", "cpu"), encode(report), retain=True)
    bearer = {"Authorization": f"Bearer {token(dashboard, 'prometheus')}"}

    def answer() -> str | None:
        status, kind, text = metrics(dashboard, **bearer)
        if status != HTTPStatus.OK or "rollcall_cpu_percent" not in text:
            return None
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return text

    text = wait_until(answer, what="the node among the metrics")
    assert 'rollcall_node_up{node="pi-3"} 1\n' in text
    assert 'rollcall_cpu_percent{node="pi-3"} 12.5\n' in text
    assert text.endswith("# EOF\n")
    assert dashboard.ask("GET", "/api/cluster", **bearer)[0] == HTTPStatus.UNAUTHORIZED
    assert metrics(dashboard, **bearer, Host="evil.example")[0] == HTTPStatus.BAD_REQUEST
    # The way to the broker breaks: what is not known is not told.
    broker.stop()
    wait_until(lambda: metrics(dashboard, **bearer)[0] == HTTPStatus.SERVICE_UNAVAILABLE)


def test_without_the_token_there_is_nothing(dashboard: DashboardUnderTest) -> None:
    _, headers, _ = dashboard.ask(
        "GET", f"/login/{Entry(dashboard.state_dir).make_link(time.time())}"
    )
    cookie = headers["set-cookie"].partition(";")[0]
    assert metrics(dashboard, Cookie=cookie)[0] == HTTPStatus.NOT_FOUND
    secret = token(dashboard, "prometheus")
    assert token(dashboard) == "prometheus"
    kept = (dashboard.state_dir / "tokens" / "prometheus.json").read_text("ascii")
    assert secret not in kept
    for headers_sent in (
        {},
        {"Cookie": cookie},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {secret}"},
    ):
        assert metrics(dashboard, **headers_sent)[0] == HTTPStatus.UNAUTHORIZED
    _, headers, _ = dashboard.ask("GET", "/metrics")
    assert headers["www-authenticate"] == "Bearer"
    assert headers["cache-control"] == "no-store"
    token(dashboard, "prometheus", "--remove")
    assert metrics(dashboard, Authorization=f"Bearer {secret}")[0] == HTTPStatus.NOT_FOUND
