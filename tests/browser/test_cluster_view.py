"""The cluster in a real browser: what a person sees, and how soon."""

import re
from pathlib import Path

from playwright.sync_api import expect

from rollcall.broker.messages import Alert, Info, Message, Online, Report, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.store import Store
from tests.support.browser import DashboardUnderTest, Visitor
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

EPOCH = "9f3c21d07a5be4c8"
TOPICS = Topics()


def say(broker: BrokerUnderTest, kind: Kind, *path: str, message: Message) -> None:
    broker.publish(TOPICS.topic(kind, *path), encode(message), retain=True)


def online(broker: BrokerUnderTest, node: str, now_s: float) -> None:
    birth = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    say(broker, Kind.STATUS, node, message=birth)


def cpu(percent: float, now_s: float, seq: int = 1) -> Report:
    return Report(time=now_s, interval=10, epoch=EPOCH, seq=seq, fields={"percent": percent})


def agent(folder: Path, broker: BrokerUnderTest, node: str) -> ProgramUnderTest:
    settings = {
        "ROLLCALL_BROKER__PORT": broker.port,
        "ROLLCALL_AGENT__NODE": node,
        "ROLLCALL_AGENT__INTERVAL": 1,
        "ROLLCALL_AGENT__STATE_DIR": folder / node,
    }
    (folder / node).mkdir()
    return ProgramUnderTest("rollcall.node_agent", folder / node, settings=settings)


def test_with_nobody_there_the_page_says_what_to_do_next(visitor: Visitor) -> None:
    visitor.page.wait_for_selector("text=Nobody there yet")
    assert "rollcall node add NAME" in visitor.page.inner_text("main")


def test_a_value_changes_while_one_looks(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    online(broker, "pi-3", now_s)
    say(broker, Kind.METRICS, "pi-3", "cpu", message=cpu(12, now_s))
    assert "✓ok" in visitor.wait_for_row("pi-3", "12 %")
    say(broker, Kind.METRICS, "pi-3", "cpu", message=cpu(97, now_s, seq=2))
    visitor.wait_for_row("pi-3", "97 %", 4)


def test_a_killed_agent_is_offline_within_the_time_of_the_contract(
    visitor: Visitor, broker: BrokerUnderTest, tmp_path: Path
) -> None:
    with agent(tmp_path, broker, "pi-3") as running:
        visitor.wait_for_row("pi-3", "ok", 20)
        running.kill()
        row = visitor.wait_for_row("pi-3", "offline", 4)
    assert "✗" in row
    assert "%" not in row  # no old number poses as the present


def test_what_hurts_most_stands_first(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    for node in ("a-1", "a-2", "a-3"):
        online(broker, node, now_s)
    alert = Alert(
        state="firing",
        severity="critical",
        since=now_s,
        evaluated=now_s,
        summary="disk / is 97 % full (limit 95 %)",
    )
    say(broker, Kind.ALERT, "a-2", "disk_full", message=alert)
    row = visitor.wait_for_row("a-2", "▲critical")
    assert "disk / is 97 % full" in row
    wait_until(
        lambda: visitor.page.locator("tbody tr th").first.inner_text().startswith("a-2"),
        8,
        what="a-2 in the first row",
    )


def test_the_filter_is_part_of_the_address(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    for node in ("pi-1", "nas-1"):
        online(broker, node, now_s)
        visitor.wait_for_row(node, "ok")
    visitor.page.get_by_placeholder("Filter").fill("nas")
    visitor.page.locator("tbody tr:visible").first.wait_for()
    assert visitor.page.locator("tbody tr:visible").count() == 1
    visitor.wait_for_address(lambda url: url.endswith("?q=nas"))
    visitor.page.reload()
    visitor.wait_for_row("nas-1", "ok")
    assert visitor.page.locator("tbody tr:visible").count() == 1


def test_one_node_shows_all_that_it_said_with_ages(
    visitor: Visitor, dashboard: DashboardUnderTest, broker: BrokerUnderTest, now_s: float
) -> None:
    with Store(dashboard.database_url):
        pass  # a recorder was here
    online(broker, "pi-3", now_s)
    info = Info(hostname="pi-3", agent="1.0.0", interval=10, description="rack 2, top")
    say(broker, Kind.INFO, "pi-3", message=info)
    disk = Report(
        time=now_s,
        interval=60,
        epoch=EPOCH,
        seq=1,
        instances={"/": {"used_percent": 61.2, "free_bytes": 11_400_000_000}},
    )
    say(broker, Kind.METRICS, "pi-3", "disk", message=disk)
    visitor.wait_for_row("pi-3", "61 %")
    visitor.page.get_by_role("link", name="pi-3").click()
    visitor.page.wait_for_selector("article")
    text = re.sub(r"\s+", " ", visitor.page.inner_text("main"))
    assert "rack 2, top" in text
    assert "10.6 GiB" in text
    assert re.search(r"disk \d+ s ago", text)
    visitor.wait_for_address(lambda url: url.endswith("/node/pi-3"))
    visitor.page.go_back()
    visitor.wait_for_row("pi-3", "61 %")


def test_a_lost_broker_is_said_and_its_return_too(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    online(broker, "pi-3", now_s)
    visitor.wait_for_row("pi-3", "ok")
    broker.kill()
    banner = visitor.page.locator("[role=alert]:visible")
    banner.wait_for()
    expect(banner).to_contain_text("broker is out of reach")
    broker.start()
    banner.wait_for(state="hidden", timeout=20_000)


def test_after_a_restart_of_the_server_the_page_is_live_again_by_itself(
    visitor: Visitor, dashboard: DashboardUnderTest, broker: BrokerUnderTest, now_s: float
) -> None:
    online(broker, "pi-3", now_s)
    visitor.wait_for_row("pi-3", "ok")
    assert dashboard.stop() == 0
    dashboard.launch()
    say(broker, Kind.METRICS, "pi-3", "cpu", message=cpu(42, now_s))
    visitor.wait_for_row("pi-3", "42 %", 15)
    # A stream that broke is an error in the browser's console, and the only one here.
    assert all("net::ERR_" in fault for fault in visitor.faults)
    visitor.faults.clear()


def test_it_can_be_used_with_the_keyboard_alone(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    online(broker, "pi-3", now_s)
    visitor.wait_for_row("pi-3", "ok")
    for _ in range(20):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("() => document.activeElement.textContent") == "pi-3":
            break
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/node/pi-3")


def test_two_pages_of_a_browser_share_one_stream(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    streams: list[str] = []
    visitor.context.on(
        "request", lambda request: streams.append(request.url) if "stream" in request.url else None
    )
    online(broker, "pi-3", now_s)
    visitor.wait_for_row("pi-3", "ok")
    second = Visitor(visitor.context, visitor.url)
    second.page.goto(visitor.url)
    second.wait_for_row("pi-3", "ok")
    say(broker, Kind.METRICS, "pi-3", "cpu", message=cpu(12, now_s))
    second.wait_for_row("pi-3", "12 %")
    visitor.wait_for_row("pi-3", "12 %")
    assert [url for url in streams if url.endswith("/api/stream")] == []
    visitor.page.close()
    say(broker, Kind.METRICS, "pi-3", "cpu", message=cpu(97, now_s, seq=2))
    second.wait_for_row("pi-3", "97 %")
    assert len([url for url in streams if url.endswith("/api/stream")]) == 1
    assert second.faults == []
