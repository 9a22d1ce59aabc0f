"""Which page is due, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.broker.node_view import Now
from rollcall.lcd_display import overview as overview_page
from rollcall.lcd_display.charset import LOST
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.page import Link, LinkState, Moment
from rollcall.lcd_display.state_pages import boot, broker_lost
from tests.support.scenes import LOCAL, MOMENT, NOW, WALL_S, Scene, five_nodes, load
from tests.support.screens import GOLDEN, SCREENS, geometry_of_screen, golden_texts, present

GLASS = SIZES["20x4"]


def overview(scene: Scene, moment: Moment = MOMENT) -> tuple[str, ...]:
    return overview_page.overview(GLASS, scene.snapshot(moment), moment)


def later(seconds: float) -> Moment:
    return replace(MOMENT, now=Now(NOW.wall_s + seconds, NOW.monotonic_s + seconds))


@pytest.mark.parametrize("file", golden_texts(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_screens_look_like_their_golden_files(file: Path) -> None:
    assert golden_texts()[file] == file.read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert set(GOLDEN.rglob("*.txt")) == set(golden_texts())


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_fills_its_glass_exactly(name: str) -> None:
    glass = geometry_of_screen(name)
    assert [len(line) for line in SCREENS[name]()] == [glass.columns] * glass.rows


@pytest.mark.parametrize("count", range(31))
def test_every_size_of_cluster_fills_the_glass_exactly(count: int) -> None:
    scene = Scene()
    for number in range(count):
        scene.node(f"a-rather-long-worker-name-{number}", load(100, 900, 1000, 101))
        if number % 3 == 1:
            scene.offline(f"a-rather-long-worker-name-{number}")
    assert [len(line) for line in overview(scene)] == [20] * 4


numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 100))


@settings(max_examples=100, deadline=None)
@given(
    count=st.sampled_from([1, 2, 12, 23]),
    cpu=numbers,
    used=numbers,
    total=numbers,
    celsius=numbers,
    uptime=numbers,
)
def test_whatever_a_node_sends_the_glass_is_filled_exactly(
    count: int, cpu: float, used: float, total: float, celsius: float, uptime: float
) -> None:
    scene = Scene()
    for number in range(count):
        scene.node(
            f"pi-{number}",
            {
                "cpu": {"percent": cpu},
                "memory": {"used_bytes": used, "total_bytes": total},
                "temperature": {"cpu_celsius": celsius},
                "system": {"uptime_seconds": uptime},
            },
        )
    assert [len(line) for line in overview(scene)] == [20] * 4


def test_a_number_that_cannot_be_true_is_not_shown_and_spoils_no_total() -> None:
    scene = Scene()
    scene.node("pi-1", load(40, 1, 4))
    scene.node("pi-2", load(1e300, 9, 4, -1e300))
    assert overview(scene)[1:3] == ("CPU  40% ████       ", "RAM 1.0/4.0GB    25%")


def test_values_turn_into_dashes_at_their_age_limit_with_no_message_arriving() -> None:
    scene = Scene()
    scene.node("pi-desk", load(12, 0.8, 2, 52) | {"system": {"uptime_seconds": 60}})
    scene.cluster.connected(Now(WALL_S, 0))
    assert overview(scene, later(45))[1] == "CPU  12% █▏         "
    assert present(GLASS, scene.snapshot(later(46))).name == "nothing_fresh"


def test_while_nodes_may_still_come_back_silence_is_no_screen_of_its_own() -> None:
    scene = Scene(connected_s=NOW.monotonic_s - 10)
    for name in ("pi-1", "pi-2", "pi-3"):
        scene.node(name, load(10), ago_s=90)
    page = present(GLASS, scene.snapshot())
    assert (page.name, page.lines[0]) == ("overview", "0/3 on ?3    ♥ 12:04")


def test_one_series_that_is_old_shows_dashes_while_the_node_is_online() -> None:
    scene = Scene()
    scene.node("pi-desk", load(12, 0.8, 2, 52), ago_s=50)
    scene.node("pi-desk", {"system": {"uptime_seconds": 60}})
    assert overview(scene) == (
        "pi-desk ↑      up 1m",
        "CPU  --%            ",
        "RAM  --%            ",
        "--/--GB    --° 12:04",
    )


def test_totals_are_busy_of_all_cores_and_used_of_all_bytes() -> None:
    scene = Scene()
    scene.node("big", load(50, 30, 60), cpus=12)
    scene.node("small", load(10, 1, 4), cpus=4)
    assert overview(scene)[1:3] == ("CPU  40% ████       ", "RAM 31.0/64.0GB  48%")


def test_totals_are_unknown_when_fewer_than_half_of_the_nodes_are_fresh() -> None:
    scene = Scene()
    scene.node("pi-1", load(10))
    scene.node("pi-2", load(10))
    for name in ("pi-3", "pi-4"):
        scene.node(name)
        scene.offline(name, "stopped")
    assert overview(scene)[1].startswith("CPU  10%")
    scene.node("pi-5")
    scene.offline("pi-5", "stopped")
    assert overview(scene)[1].startswith("CPU  --%")


def test_a_node_that_was_stopped_is_neither_lost_nor_called_for() -> None:
    scene = five_nodes()
    scene.offline("pi-5", "stopped")
    assert overview(scene)[0] == "3/5 online !1♥ 12:04"


def test_an_alert_that_is_acknowledged_no_longer_calls() -> None:
    scene = five_nodes()
    scene.alert("pi-1", "cpu_high")
    assert overview(scene)[0][11:13] == "!2"
    scene.alert("pi-1", "cpu_high", "acknowledged")
    assert overview(scene)[0][11:13] == "!1"


def test_a_lost_node_with_an_alert_of_its_own_calls_once() -> None:
    scene = five_nodes()
    scene.alert("pi-3", "node_offline", metric=None)
    assert overview(scene)[0][11:13] == "!1"


@pytest.mark.parametrize("known", [True, False], ids=["alert service died", "never there"])
def test_without_the_alert_service_nobody_can_tell_what_calls(*, known: bool) -> None:
    scene = Scene(alerts_online=False)
    scene.node("pi-1", load(10))
    scene.node("pi-2", load(10))
    if known:
        scene.service("alerts", online=False)
    assert overview(scene)[0] == "2/2 online !?♥ 12:04"


def test_when_all_is_well_nothing_calls() -> None:
    scene = Scene()
    scene.node("pi-1", load(10))
    scene.node("pi-2", load(10))
    assert overview(scene)[0] == "2/2 online   ♥ 12:04"


def test_a_clock_that_is_not_synchronized_is_not_shown() -> None:
    moment = replace(MOMENT, clock_trusted=False, beat=False)
    assert overview(five_nodes(), moment)[0] == "4/5 online !1  --:--"


def test_without_temperatures_the_busiest_node_is_named() -> None:
    scene = Scene()
    scene.node("web-1", load(10))
    scene.node("worker-17", load(63))
    assert overview(scene)[3] == "top worker-17 cpu63%"


def test_cells_tell_lost_stopped_and_unknown_apart() -> None:
    scene = Scene()
    for number in range(1, 12):
        scene.node(f"pi-{number}", load(5))
    scene.offline("pi-2", "lost")
    scene.offline("pi-3", "stopped")
    scene.node("pi-12", load(5), ago_s=100)
    assert overview(scene)[3] == f"▁{LOST}-▁▁▁▁▁▁▁▁?        "


def test_nodes_stand_in_natural_order() -> None:
    scene = Scene()
    for number in range(1, 13):
        scene.node(f"pi-{number}", load(95 if number == 2 else 5))
    assert overview(scene)[3].startswith("▁▇▁")


def test_more_lost_nodes_than_fit_are_counted() -> None:
    scene = Scene()
    for number in range(1, 60):
        scene.node(f"n{number:03}", load(5))
        if number > 30:
            scene.offline(f"n{number:03}")
    assert overview(scene)[3] == "lost 31 32 33 34 +25"


def test_names_that_are_no_numbers_are_cut_in_the_middle() -> None:
    scene = Scene()
    for number in range(1, 24):
        scene.node(f"pi-{number}", load(5))
    scene.node("worker-17")
    scene.offline("worker-17")
    assert overview(scene)[3] == "lost work.17        "


def test_many_nodes_of_which_none_is_lost_name_the_busiest() -> None:
    scene = Scene()
    for number in range(1, 25):
        scene.node(f"n{number:03}", load(90 if number == 5 else 5))
    assert overview(scene)[3] == "top n005      cpu90%"


def test_a_lost_broker_shows_no_values_even_of_fresh_nodes() -> None:
    link = Link(LinkState.LOST, "broker.local", 1883, WALL_S - 3, 3)
    page = present(GLASS, five_nodes().snapshot(), link)
    assert page.name == "broker_lost"
    assert page.lines == (
        "BROKER LOST       3s",
        "broker.local:1883   ",
        "since 12:04:12      ",
        "                    ",
    )


def test_a_long_broker_address_keeps_its_end() -> None:
    link = Link(LinkState.LOST, "2001:db8:0:0:0:0:0:1234", 1883, WALL_S, 0, 1)
    assert broker_lost(GLASS, link, MOMENT)[1] == ":0:0:0:0:0:1234:1883"


def test_a_broker_that_was_never_reached_shows_the_tries() -> None:
    link = Link(LinkState.CONNECTING, "192.168.1.2", 1883, WALL_S, 9, 3, 1)
    assert boot(GLASS, link, Scene().snapshot(), version="1.0.0")[2] == "connecting...  try 3"


def test_connected_without_any_node_says_so() -> None:
    page = present(GLASS, Scene().snapshot())
    assert (page.name, page.lines[2:]) == (
        "boot",
        ("connected           ", "0 nodes seen        "),
    )


def test_the_local_time_of_the_loss_is_shown_not_utc() -> None:
    link = Link(LinkState.LOST, "h", 1, WALL_S, 0)
    assert broker_lost(GLASS, link, MOMENT)[2] == f"since {LOCAL:%H:%M:%S}      "


@pytest.mark.parametrize(
    ("reason", "ago_s", "shown"),
    [
        ("lost", 720, "pi-desk ↓   lost 12m"),
        ("stopped", 5, "pi-desk ↓ stopped 5s"),
        ("reboot", 90_000, "pi-desk ↓ reboot 25h"),
    ],
)
def test_one_node_that_is_down_says_why_and_since_when(
    reason: str, ago_s: float, shown: str
) -> None:
    scene = Scene(connected_s=-200_000)
    scene.node("pi-desk", ago_s=ago_s + 1)
    scene.offline("pi-desk", reason, ago_s=ago_s)
    assert overview(scene)[0] == shown
