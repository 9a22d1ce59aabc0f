"""Whatever a cluster holds, its pages fill every glass, and nothing unknown looks like 0."""

import re
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.broker.messages import Info, encode
from rollcall.broker.topics import Address, Kind, is_node_name
from rollcall.lcd_display.carousel import Carousel
from rollcall.lcd_display.charset import bank_for, codes_of
from rollcall.lcd_display.hd44780 import SIZES, Geometry
from rollcall.lcd_display.page import Page
from rollcall.lcd_display.pages import PAGES, Presenter, alert_page, drawn
from rollcall.lcd_display.snapshot import Snapshot
from rollcall.service.settings import Lcd
from tests.support.scenes import CONNECTED, MOMENT, NOW, Scene, load

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True).filter(is_node_name)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.one_of(finite, st.floats(0, 100))
ages_s = st.sampled_from([0.0, 44.0, 95.0, 5_000.0, 1e6])


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    scene = Scene(
        alerts_online=draw(st.booleans()),
        connected_s=draw(st.sampled_from([-2e6, NOW.monotonic_s - 10])),
    )
    for name in draw(st.lists(names, min_size=1, max_size=24, unique=True)):
        reports = {
            "cpu": {"percent": draw(numbers)},
            "memory": {"used_bytes": draw(numbers), "total_bytes": draw(numbers)},
            "temperature": {"cpu_celsius": draw(numbers)},
            "system": {"uptime_seconds": draw(numbers)},
            "load": {"load1": draw(numbers), "load15": draw(numbers)},
            "disk:/": {
                "used_percent": draw(numbers),
                "used_bytes": 1,
                "total_bytes": draw(numbers),
            },
            "network:eth0": {"receive_bytes_per_second": draw(numbers)},
        }
        kept = draw(st.sets(st.sampled_from(sorted(reports))))
        scene.node(
            name,
            {title: reports[title] for title in kept},
            address=draw(st.sampled_from([None, "10.0.0.1", "fe80::1234:5678:9abc:def0"])),
            ago_s=draw(ages_s),
        )
        if draw(st.booleans()):
            scene.offline(name, draw(st.sampled_from(["lost", "stopped", "shutdown", "reboot"])))
        if draw(st.booleans()):
            scene.alert(
                name, "a" * draw(st.integers(1, 64)), summary=draw(texts), ago_s=draw(ages_s)
            )
    scene.fleet({"Some_group-with-a-name": ["a*", "b*"], "x": ["*1*"]})
    return scene


def every_page(glass: Geometry, snapshot: Snapshot) -> list[Page]:
    pages = [
        drawn(glass, snapshot, MOMENT, name, part)
        for name, kind in PAGES.items()
        for part in range(kind.parts(glass, snapshot))
    ]
    calls = range(len(snapshot.attention.calls))
    return pages + [alert_page(glass, snapshot, MOMENT, place) for place in calls]


def assert_fills(glass: Geometry, page: Page) -> None:
    assert [len(line) for line in page.lines] == [glass.columns] * glass.rows, page
    assert len(codes_of(page.lines, bank_for(page.lines, None))) == glass.columns * glass.rows


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scene=scenes(), size=st.sampled_from(sorted(SIZES)))
def test_every_page_fills_every_glass_whatever_the_cluster_holds(scene: Scene, size: str) -> None:
    glass, snapshot = SIZES[size], scene.snapshot()
    for page in every_page(glass, snapshot):
        assert_fills(glass, page)
    assert_fills(glass, Presenter(glass, "1.0.0", (), Carousel()).page(snapshot, CONNECTED, MOMENT))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "text",
    ["\u0301" * 30, "漢字" * 20, "😀" * 30, "\u202eabc", "%s {0}", "\\~"],
    ids=["accents alone", "wide", "emoji", "right to left", "placeholders", "not in the font"],
)
def test_hostile_texts_take_one_cell_a_character(size: str, text: str) -> None:
    scene = Scene()
    for name in ("pi-1", "pi-2"):
        scene.node(name, load(5))
        info = Info.model_construct(hostname=name, agent="1", interval=10, addresses=[text], cpus=4)
        scene.cluster.fold(Address(Kind.INFO, name), encode(info), replayed=False, now=NOW)
    scene.alert("pi-1", "disk_full", summary=text)
    for page in every_page(SIZES[size], scene.snapshot()):
        assert_fills(SIZES[size], page)
        assert all(line.isprintable() for line in page.lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 5, 15, 40], ids=lambda count: f"{count} nodes")
def test_what_is_not_known_is_never_shown_as_zero(size: str, count: int) -> None:
    scene = Scene()
    for number in range(1, count + 1):
        scene.node(f"pi-{'abcdefgh'[number % 8] * (number // 8 + 1)}")
    snapshot = scene.snapshot()
    for page in every_page(SIZES[size], snapshot):
        text = "".join(page.lines)
        assert page.name == "histogram" or not re.search(r"(?<![\d.])0+(\.0)?[%°GkM]", text), page
        assert not re.search(r"[▁▂▃▄▅▆▇]", text), page


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
def test_ten_thousand_nodes_fill_every_glass_and_a_cycle_is_a_minute(size: str) -> None:
    glass = SIZES[size]
    snapshot = ten_thousand().snapshot()
    carousel = Carousel()
    presenter = Presenter(glass, "1.0.0", (), carousel)
    for _ in range(3):
        assert_fills(glass, presenter.page(snapshot, CONNECTED, MOMENT))
    for name, kind in PAGES.items():
        parts = kind.parts(glass, snapshot)
        for part in {0, parts - 1} if parts else ():
            assert_fills(glass, drawn(glass, snapshot, MOMENT, name, part))


@cache
def ten_thousand() -> Scene:
    scene = Scene()
    for number in range(10_000):
        scene.node(f"n{number}")
        if number % 3 == 0:
            scene.offline(f"n{number}")
    return scene


def test_the_pages_that_may_be_set_are_the_pages_there_are() -> None:
    assert Lcd(pages=[*PAGES]).pages == [*PAGES]
    schema = Lcd.model_json_schema()["properties"]["pages"]["items"]["enum"]
    assert schema == [*PAGES]
