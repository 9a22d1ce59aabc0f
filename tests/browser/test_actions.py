"""Acknowledging and silencing from the browser: where it is switched on, and from our pages."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from rollcall.broker.messages import Fleet, Online, Report, encode
from rollcall.broker.topics import Kind, Topics
from tests.support.browser import DashboardUnderTest, Visitor, visiting
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

EPOCH = "9f3c21d07a5be4c8"
TOPICS = Topics()
DOCUMENT: dict[str, Any] = {
    "groups": {"all": ["*"]},
    "templates": {"base": {"groups": ["all"], "rules": ["busy"]}},
    "rules": {
        "busy": {
            "kind": "threshold",
            "metric": "cpu.percent",
            "op": ">",
            "threshold": 90,
            "group_wait": "0s",
        }
    },
}


@pytest.fixture
def alert_service(tmp_path: Path, broker: BrokerUnderTest) -> Iterator[ProgramUnderTest]:
    fleet = Fleet(revision=1, digest="sha256:x", document=DOCUMENT)
    broker.publish(TOPICS.topic(Kind.FLEET), encode(fleet), retain=True)
    settings = {
        "ROLLCALL_BROKER__PORT": broker.port,
        "ROLLCALL_ALERTS__STATE_DIR": tmp_path / "alerts",
        "ROLLCALL_MAIL__FOLDER": tmp_path / "mail",
    }
    status = TOPICS.topic(Kind.SERVICE_STATUS, "alerts")
    with ProgramUnderTest("rollcall.alerts", tmp_path, settings=settings) as running:
        wait_until(lambda: broker.subscribe_for(status), 30, what="the alert service")
        yield running


@pytest.fixture
def acting(
    tmp_path: Path, broker: BrokerUnderTest, browser: Browser, alert_service: ProgramUnderTest
) -> Iterator[Visitor]:
    """A visitor of a dashboard that may act."""
    with (
        DashboardUnderTest(tmp_path, broker, ROLLCALL_DASHBOARD__ACTIONS="true") as dashboard,
        visiting(browser, dashboard) as visitor,
    ):
        yield visitor


def overload(broker: BrokerUnderTest, now_s: float) -> None:
    """Report a busy node, live, until the alert fires."""
    online = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(online), retain=True)
    numbers = count(1)

    def reported_and_firing() -> bool:
        report = Report(
            time=now_s, interval=10, epoch=EPOCH, seq=next(numbers), fields={"percent": 97.0}
        )
        broker.publish(TOPICS.topic(Kind.METRICS, "pi-3", "cpu"), encode(report), retain=True)
        told = broker.subscribe_for(TOPICS.topic(Kind.ALERT, "pi-3", "busy"))
        return any('"firing"' in payload for _, payload in told)

    wait_until(reported_and_firing, 30, what="the alert")


def flags(broker: BrokerUnderTest) -> list[str]:
    told = broker.subscribe_for(TOPICS.topic(Kind.ALERT, "pi-3", "busy"))
    return list(json.loads(told[0][1]).get("flags", [])) if told else []


def test_an_alert_is_acknowledged_and_silenced(
    acting: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    overload(broker, now_s)
    acting.page.goto(f"{acting.url}/node/pi-3")
    acting.page.get_by_role("button", name="Acknowledge").click()
    wait_until(lambda: "acknowledged" in flags(broker), 15, what="the flag on the alert's topic")
    acting.page.get_by_text("(acknowledged)").wait_for()
    acting.page.get_by_role("button", name="Silence for 1 h").click()
    wait_until(lambda: "silenced" in flags(broker), 15, what="the flag on the alert's topic")
    acting.page.get_by_text("acknowledged, silenced").wait_for()
    # Nothing is recorded here, so the charts have no answer.
    assert all("503" in fault for fault in acting.faults)
    acting.faults.clear()


@pytest.mark.parametrize(
    ("body", "site", "status"),
    [
        ({"action": "ack", "incident": "NOSUCH"}, "same-origin", 409),
        ({"action": "reboot"}, "same-origin", 400),
        ({"action": "silence", "node": "pi-3", "for": -5}, "same-origin", 400),
        ({"action": "silence", "node": "*", "for": 3600}, "cross-site", 403),
    ],
)
def test_what_is_wrong_or_foreign_is_refused(
    acting: Visitor, body: dict[str, object], site: str, status: int
) -> None:
    answer = acting.page.request.post(
        f"{acting.url}/api/actions", data=body, headers={"Sec-Fetch-Site": site}
    )
    assert answer.status == status
    assert answer.json()["error"]


def test_a_dashboard_that_only_looks_refuses(
    visitor: Visitor, broker: BrokerUnderTest, alert_service: ProgramUnderTest, now_s: float
) -> None:
    overload(broker, now_s)
    visitor.page.goto(f"{visitor.url}/node/pi-3")
    visitor.page.get_by_text("firing since").wait_for()
    assert visitor.page.get_by_role("button", name="Acknowledge").count() == 0
    answer = visitor.page.request.post(
        f"{visitor.url}/api/actions",
        data={"action": "ack", "incident": "A7F3K2"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status == 403
    visitor.faults.clear()
