"""The past in a real browser: what was recorded, where nothing was, and the way back to now."""

import time
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from rollcall.broker.messages import Online, Report, ServiceOffline, encode
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.rollups import MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.browser import DashboardUnderTest, Visitor
from tests.support.database import EPOCH, birth, end, message
from tests.support.mqtt import BrokerUnderTest
from tests.support.recorded_story import cpu
from tests.support.waiting import wait_until

TOPICS = Topics()
GAP_MINUTES = range(25, 40)
# Where the line of a constant 50 % runs, and whether a column of pixels there has its colour.
LINE = """() => {
  const canvas = document.querySelector('.chart canvas');
  const colour = getComputedStyle(document.querySelector('.probe.series')).color.match(/\\d+/g);
  const {width, height} = canvas;
  const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const drawn = [];
  for (let x = 0; x < width; x += 1) {
    let found = false;
    for (let y = 0; y < height; y += 1) {
      const at = 4 * (y * width + x);
      const near = [0, 1, 2].every((part) => Math.abs(pixels[at + part] - colour[part]) < 12);
      if (near && pixels[at + 3] > 200) found = true;
    }
    drawn.push(found);
  }
  return drawn;
}"""


@pytest.fixture
def began_ms(dashboard: DashboardUnderTest) -> int:
    """An hour of one node, recorded until just now: 50 % each ten seconds, a gap, a farewell."""
    began = time.time_ns() // 1_000_000 - 60 * MINUTE_MS
    readings = [
        cpu(n + 1, began + n * 10_000, 50.0) for n in range(350) if n // 6 not in GAP_MINUTES
    ]
    alert_s = (began + 5 * MINUTE_MS) / 1000
    incident = {
        "state": "firing", "severity": "critical", "since": alert_s, "evaluated": alert_s,
        "summary": "disk / is full", "incident": "A7F3K2",
        "instances": {"/": {"state": "firing", "value": 97, "since": alert_s}},
    }  # fmt: skip
    with Store(dashboard.database_url) as store:
        store.commit(
            [
                message("node/pi-3/status", birth(began), began),
                *readings,
                message("alert/pi-3/disk_full", incident, began + 5 * MINUTE_MS),
                message("alert/pi-3/disk_full", b"", began + 9 * MINUTE_MS),
                message("node/pi-4/status", birth(began), began),
                cpu(1, began + 29 * MINUTE_MS, 20.0, "pi-4"),
                message("node/pi-4/status", end("lost"), began + 30 * MINUTE_MS),
            ]
        )
    return began


@pytest.fixture
def pi_3(broker: BrokerUnderTest, began_ms: int, now_s: float) -> float:
    """The node lives still: what the broker retains of it."""
    online = Online(since=began_ms / 1000, session=1, epoch=EPOCH, interval=10, seq=0)
    report = Report(time=now_s, interval=10, epoch=EPOCH, seq=900, fields={"percent": 97.0})
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(online), retain=True)
    broker.publish(TOPICS.topic(Kind.METRICS, "pi-3", "cpu"), encode(report), retain=True)
    return now_s


def test_a_gap_is_a_gap_in_pixels_and_in_words(visitor: Visitor, pi_3: float) -> None:
    visitor.page.goto(f"{visitor.url}/node/pi-3?window=1h")
    visitor.page.get_by_text("every sample; recorded 7").first.wait_for()
    drawn = wait_until(lambda: line if any(line := visitor.page.evaluate(LINE)) else None)
    first, last = drawn.index(True), len(drawn) - drawn[::-1].index(True)
    whole = last - first
    middle = drawn[first + round(whole * 27 / 59) : first + round(whole * 37 / 59)]
    assert middle
    assert not any(middle)
    assert sum(drawn[first : first + round(whole * 20 / 59)]) > 0.9 * round(whole * 20 / 59)


def test_a_chart_can_be_read_with_keys_and_as_a_table(visitor: Visitor, pi_3: float) -> None:
    visitor.page.goto(f"{visitor.url}/node/pi-3?window=1h")
    visitor.page.get_by_text("every sample; recorded").first.wait_for()
    chart = visitor.page.get_by_role("group", name="cpu.percent")
    chart.focus()
    visitor.page.keyboard.press("Home")
    readout = visitor.page.locator(".readout").first
    wait_until(lambda: "50 %" in readout.inner_text())
    visitor.page.keyboard.press("t")
    table = visitor.page.get_by_role("region", name="cpu.percent as a table")
    table.wait_for()
    # The hour began while the page was asked for: its first samples may be out of the window.
    rows = table.locator("tbody tr").count()
    assert 240 < rows <= 350 - 6 * len(GAP_MINUTES)


def test_a_node_tells_what_happened_to_it(visitor: Visitor, pi_3: float) -> None:
    visitor.page.goto(f"{visitor.url}/node/pi-3?window=6h")
    visitor.page.locator(".story li time").first.wait_for()
    told = visitor.page.locator(".story").inner_text()
    assert "disk / is full" in told
    assert "pi-4" not in told


def open_chart(visitor: Visitor) -> tuple[float, float, float]:
    """Open the last hour of a node; give left, top and width of its chart, which moves no more."""
    visitor.page.goto(f"{visitor.url}/node/pi-3?window=1h")
    visitor.page.get_by_text("every sample; recorded").first.wait_for()
    visitor.page.locator(".story li").first.wait_for()
    plot = visitor.page.locator(".chart .u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"]


def test_dragging_asks_for_a_shorter_window_and_the_address_keeps_it(
    visitor: Visitor, pi_3: float
) -> None:
    left, top, _ = open_chart(visitor)
    mouse = visitor.page.mouse
    mouse.move(left + 50, top + 50)
    mouse.down()
    mouse.move(left + 150, top + 60, steps=5)
    mouse.up()
    visitor.wait_for_address(lambda url: "since=" in url)
    visitor.page.get_by_text("not live").wait_for()
    visitor.page.reload()
    visitor.page.get_by_text("not live").wait_for()
    visitor.page.get_by_role("button", name="1 hour").click()
    visitor.wait_for_address(lambda url: "window=1h" in url and "since" not in url)


@pytest.mark.parametrize("meanwhile", ["another answer", "no answer", "other colours", "a resize"])
def test_a_drag_goes_on_whatever_comes_meanwhile(
    visitor: Visitor, pi_3: float, meanwhile: str
) -> None:
    page = visitor.page
    page.clock.install()
    left, top, width = open_chart(visitor)
    page.mouse.move(left + 50, top + 50)
    page.mouse.down()
    page.mouse.move(left + 100, top + 60, steps=2)
    if meanwhile == "another answer":
        with page.expect_response("**/api/series*"):
            page.clock.run_for(11_000)
    elif meanwhile == "no answer":
        page.route("**/api/series*", lambda route: route.fulfill(status=503, json={"error": "x"}))
        with page.expect_response("**/api/series*"):
            page.clock.run_for(11_000)
        page.unroute("**/api/series*")
    elif meanwhile == "other colours":
        page.emulate_media(color_scheme="dark")
    else:
        page.set_viewport_size({"width": 1100, "height": 800})
    page.mouse.move(left + 150, top + 60, steps=2)
    page.mouse.up()
    visitor.wait_for_address(lambda url: "since=" in url)
    place = parse_qs(urlsplit(page.url).query)
    dragged_s = float(place["until"][0]) - float(place["since"][0])
    assert dragged_s >= 0.95 * 3600 * 100 / width
    visitor.faults.clear()  # the refused answer is told on the console


def test_after_a_restart_the_lines_of_the_last_hour_are_there(
    visitor: Visitor, dashboard: DashboardUnderTest, pi_3: float
) -> None:
    dashboard.stop()
    dashboard.launch()
    visitor.page.goto(visitor.url)
    visitor.page.get_by_role("img", name="last hour: mean 50 %, highest minute 50 %").wait_for()
    visitor.faults.clear()  # the stream broke off


def test_one_goes_back_to_a_minute_and_returns_with_a_key(
    visitor: Visitor, pi_3: float, began_ms: int
) -> None:
    visitor.page.goto(f"{visitor.url}/?at={began_ms // 1000 + 600}")
    visitor.page.get_by_text("Not live: the cluster as it was recorded").wait_for()
    assert "50 %" in visitor.wait_for_row("pi-3", "ok")
    assert "ok" in visitor.row("pi-4")
    visitor.page.keyboard.press("Escape")
    visitor.wait_for_row("pi-3", "97 %")
    assert visitor.row("pi-4") == ""  # the broker retains nothing of it


def test_nodes_are_compared_by_what_was_recorded(visitor: Visitor, pi_3: float) -> None:
    visitor.page.goto(f"{visitor.url}/compare?window=1h")
    row = visitor.page.locator("tbody tr").first
    expect(row).to_contain_text("pi-3")
    expect(row).to_contain_text("50 %")
    strip = visitor.page.locator("tbody canvas").first
    assert strip.get_attribute("aria-label") == "pi-3: mean 50 %, highest 50 %"


def test_many_nodes_are_summed_up_by_shares_and_never_by_a_mean(
    visitor: Visitor, dashboard: DashboardUnderTest, began_ms: int
) -> None:
    with Store(dashboard.database_url) as store:
        readings = [cpu(1, began_ms, 10.0 * n, f"nas-{n}") for n in range(1, 7)]
        store.commit(readings)
    visitor.page.goto(f"{visitor.url}/compare?window=1d")
    visitor.page.locator("tbody tr").nth(9).wait_for()
    rows = visitor.page.locator("tbody tr").all_inner_texts()
    median, high = (" ".join(row.split()) for row in rows[:2])
    assert median.startswith("median of 8 ")
    assert high.startswith("95th percentile of 8 60 %")


@pytest.mark.parametrize("path", ["/compare", "/node/pi-3"])
def test_any_window_can_be_typed_in(
    visitor: Visitor, pi_3: float, began_ms: int, path: str
) -> None:
    visitor.page.goto(f"{visitor.url}{path}")
    visitor.page.get_by_role("button", name="6 hours", pressed=True).wait_for()
    began = datetime.fromtimestamp(began_ms / 1000).astimezone()  # the browser's zone is ours
    typed = began + timedelta(minutes=10)
    visitor.page.get_by_label("From", exact=True).fill(f"{typed:%Y-%m-%dT%H:%M}")
    visitor.wait_for_address(lambda url: "since=" in url and "until=" in url)
    since = int(parse_qs(urlsplit(visitor.page.url).query)["since"][0])
    assert since == (began_ms + 10 * MINUTE_MS) // MINUTE_MS * 60
    assert visitor.page.get_by_role("button", pressed=True).count() == 0


def test_what_went_wrong_is_told_in_order(visitor: Visitor, pi_3: float) -> None:
    visitor.page.goto(f"{visitor.url}/incidents")
    visitor.page.locator(".story li").nth(1).wait_for()
    lines = visitor.page.locator(".story li").all_inner_texts()
    told = [" ".join(line.split()) for line in lines]
    wanted = (
        "pi-3 critical: disk_full: disk / is full (4 m)",
        "all nodes: nothing was recorded of any node (",
        "pi-4 offline: lost (goes on",
    )
    places = [[line.find(words) >= 0 for line in told].index(True) for words in wanted]
    assert places == sorted(places)


def test_with_the_recorder_stopped_the_page_says_so_and_the_past_is_there(
    visitor: Visitor, broker: BrokerUnderTest, pi_3: float
) -> None:
    goodbye = ServiceOffline(reason="stopped", since=pi_3 - 600)
    broker.publish(TOPICS.topic(Kind.SERVICE_STATUS, "recorder"), encode(goodbye), retain=True)
    visitor.page.goto(f"{visitor.url}/node/pi-3?window=1h")
    visitor.page.get_by_text("not recorded since").wait_for()
    visitor.page.get_by_text("every sample; recorded").first.wait_for()


def test_without_a_database_the_live_values_stay_and_the_charts_say_why(
    visitor: Visitor, broker: BrokerUnderTest, now_s: float
) -> None:
    online = Online(since=now_s, session=1, epoch=EPOCH, interval=10, seq=0)
    report = Report(time=now_s, interval=10, epoch=EPOCH, seq=1, fields={"percent": 12.0})
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-3"), encode(online), retain=True)
    broker.publish(TOPICS.topic(Kind.METRICS, "pi-3", "cpu"), encode(report), retain=True)
    visitor.page.goto(f"{visitor.url}/node/pi-3")
    visitor.page.get_by_text("the database cannot be asked").first.wait_for()
    expect(visitor.page.locator("main")).to_contain_text("12 %")
    assert all("503" in fault for fault in visitor.faults)
    visitor.faults.clear()


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("series?node=pi-3&metric=cpu.percent&since=5&until=1", 400),
        ("series?node=pi-3&metric=cpu.percent&since=nan&until=1", 400),
        ("series?metric=cpu.percent&since=1&until=5", 400),
        ("compare?metric=%27%3B+DROP+TABLE+node&since=1&until=5", 200),
        ("compare?metric=cpu.percent&since=1&until=5&points=0", 400),
        ("cluster?at=soon", 400),
    ],
)
def test_a_bad_question_is_answered_with_what_is_wrong(
    visitor: Visitor, began_ms: int, question: str, status: int
) -> None:
    answer = visitor.page.request.get(f"{visitor.url}/api/{question}")
    assert answer.status == status
    assert ("error" in answer.json()) == (status != 200)
