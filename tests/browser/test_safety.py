"""Who gets in, and what hostile words can do: nothing."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rollcall.broker.messages import Alert, Info, Instances, Online, Report, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.dashboard.entry import Entry
from rollcall.dashboard.gate import POLICY
from rollcall.recorder.store import Store
from tests.support.browser import DashboardUnderTest, Visitor, violations
from tests.support.mqtt import BrokerUnderTest

EPOCH = "9f3c21d07a5be4c8"
TOPICS = Topics()
# To look at after a run; not part of the repository.
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
VIEWS = (
    ("/", "tbody tr"),
    ("/node/pi-1", "article"),
    ("/compare", "h2"),
    ("/incidents", "h2"),
    ("/last-night", "h2"),
)
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'


def test_without_a_session_there_is_only_the_way_in(dashboard: DashboardUnderTest) -> None:
    status, headers, _ = dashboard.ask("GET", "/")
    assert (status, headers["location"]) == (303, "/login")
    for path in ("/api/cluster", "/api/stream", "/api/node/pi-3", "/api/session"):
        status, _, body = dashboard.ask("GET", path)
        assert status == 401
        assert "rollcall dashboard link" in json.loads(body)["error"]
    status, _, body = dashboard.ask("GET", "/login")
    assert status == 200
    assert b"rollcall dashboard link" in body
    assert b"password" not in body.lower()


@pytest.mark.parametrize("path", ["/login", "/api/cluster", "/static/main.js", "/nowhere", "/"])
def test_every_answer_carries_the_policy(dashboard: DashboardUnderTest, path: str) -> None:
    _, headers, _ = dashboard.ask("GET", path)
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:9", 200),
        ("[::1]:8080", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
    ],
)
def test_a_name_that_is_not_ours_is_refused(
    dashboard: DashboardUnderTest, host: str, status: int
) -> None:
    assert dashboard.ask("GET", "/login", Host=host)[0] == status


def test_a_used_link_opens_nothing(dashboard: DashboardUnderTest) -> None:
    token = Entry(dashboard.state_dir).make_link(time.time())
    status, headers, _ = dashboard.ask("GET", f"/login/{token}")
    assert status == 200
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert headers["cache-control"] == "no-store"
    status, headers, body = dashboard.ask("GET", f"/login/{token}")
    assert status == 403
    assert b"used already" in body
    assert "set-cookie" not in headers


def test_a_session_outlives_a_restart(dashboard: DashboardUnderTest) -> None:
    token = Entry(dashboard.state_dir).make_link(time.time())
    _, headers, _ = dashboard.ask("GET", f"/login/{token}")
    cookie = headers["set-cookie"].partition(";")[0]
    dashboard.stop()
    dashboard.launch()
    assert dashboard.ask("GET", "/api/cluster", Cookie=cookie)[0] == 200


def test_a_password_lets_in_and_a_wrong_one_or_a_foreign_page_does_not(
    dashboard: DashboardUnderTest, browser: Browser
) -> None:
    Entry(dashboard.state_dir).set_password("correct horse")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(dashboard.url)
        page.get_by_label("Password").fill("wrong horse")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("That is not the password.").wait_for()
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("header")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Password").wait_for()
    finally:
        context.close()
    status, headers, _ = dashboard.ask(
        "POST",
        "/login",
        "password=correct+horse",
        **{"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert status == 403
    assert "set-cookie" not in headers


def test_the_stream_ends_at_once_when_the_server_is_told_to_stop(
    visitor: Visitor, dashboard: DashboardUnderTest
) -> None:
    visitor.page.wait_for_selector("main")
    began_s = time.monotonic()
    assert dashboard.stop() == 0
    assert time.monotonic() - began_s < 3
    visitor.faults.clear()


def test_hostile_words_are_words(
    visitor: Visitor, dashboard: DashboardUnderTest, broker: BrokerUnderTest, now_s: float
) -> None:
    with Store(dashboard.database_url):
        pass  # a recorder was here
    birth = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    info = Info(hostname=HOSTILE, agent=HOSTILE, interval=10, description=HOSTILE)
    disk = Report(
        time=now_s, interval=10, epoch=EPOCH, seq=1, instances={HOSTILE: {"used_percent": 99}}
    )
    alert = Alert(
        state="firing", severity="critical", since=now_s, evaluated=now_s, summary=HOSTILE
    )
    for topic, message in (
        (TOPICS.topic(Kind.STATUS, "pi-3"), birth),
        (TOPICS.topic(Kind.INFO, "pi-3"), info),
        (TOPICS.topic(Kind.METRICS, "pi-3", "disk"), disk),
        (TOPICS.topic(Kind.ALERT, "pi-3", "disk_full"), alert),
    ):
        broker.publish(topic, encode(message), retain=True)
    assert visitor.wait_for_row("pi-3", "<img").count("<script>") == 3
    visitor.page.get_by_role("link", name="pi-3").click()
    visitor.page.wait_for_selector("article")
    assert HOSTILE in visitor.page.inner_text("main")
    assert visitor.page.locator("main img, main script").count() == 0
    assert visitor.page.title() == "pi-3 - Rollcall"


def test_without_scripts_there_is_a_table(
    visitor: Visitor,
    browser: Browser,
    dashboard: DashboardUnderTest,
    broker: BrokerUnderTest,
    now_s: float,
) -> None:
    birth = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(birth), retain=True)
    visitor.wait_for_row("pi-3", "ok")
    state = visitor.context.storage_state()
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    try:
        page = context.new_page()
        page.goto(dashboard.url)
        assert "pi-3 online" in " ".join(page.inner_text("noscript table").split())
    finally:
        context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 360)])
def test_nobody_is_left_out(
    browser: Browser,
    visitor: Visitor,
    dashboard: DashboardUnderTest,
    broker: BrokerUnderTest,
    now_s: float,
    scheme: str,
    width: int,
) -> None:
    birth = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    disks: Instances = {f"/srv/{number}": {"used_percent": 50 + number} for number in range(5)}
    disk = Report(time=now_s, interval=10, epoch=EPOCH, seq=1, instances=disks)
    alert = Alert(
        state="firing", severity="warning", since=now_s, evaluated=now_s, summary="too hot"
    )
    for node in ("pi-1", "pi-2"):
        broker.publish(TOPICS.topic(Kind.STATUS, node), encode(birth), retain=True)
    broker.publish(TOPICS.topic(Kind.METRICS, "pi-1", "disk"), encode(disk), retain=True)
    broker.publish(TOPICS.topic(Kind.ALERT, "pi-2", "too_hot"), encode(alert), retain=True)
    visitor.wait_for_row("pi-2", "warning")
    state = visitor.context.storage_state()
    context = browser.new_context(
        storage_state=state,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
    )
    try:
        page = context.new_page()
        for path, landmark in VIEWS:
            page.goto(f"{dashboard.url}{path}")
            page.wait_for_selector(landmark)
            assert violations(page) == []
            name = path.strip("/").replace("/", "-") or "cluster"
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= width
    finally:
        context.close()
