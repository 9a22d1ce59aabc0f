"""Numbers, ages and names in few characters."""

import pytest

from rollcall.lcd_display import layout


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (95, "95s"), (99.9, "99s"), (100, "1m"), (5999, "99m"), (6000, "1h")),
        *((172_799, "47h"), (172_800, "2d"), (99 * 86_400, "99d"), (100 * 86_400, "14w")),
        *((699 * 86_400, "99w"), (700 * 86_400, "1y"), (-3, "0s")),
    ],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert layout.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45s"), (372, "6m12"), (18_420, "5h07"), (274_000, "3d04")]
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert layout.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(59, "0m"), (15_121, "4h12m"), (273_601, "3d04h"), (123 * 86_400, "123d")]
)
def test_an_uptime_names_its_units(seconds: float, text: str) -> None:
    assert layout.uptime(seconds) == text


@pytest.mark.parametrize(
    ("used", "total", "width", "text"),
    [
        (0.8e9, 2e9, 10, "0.8/2.0GB"),
        (100.4e9, 128e9, 10, "100/128GB"),
        (1.01e12, 1.6e12, 12, "1.01/1.60TB"),
        (999e9, 1000e9, 12, "1.00/1.00TB"),
        (120.5e12, 256e12, 10, "120/256TB"),
        (1e18, 1e18, 12, ""),
    ],
)
def test_bytes_lose_decimals_before_they_lose_room(
    used: float, total: float, width: int, text: str
) -> None:
    assert layout.of_bytes(used, total, width) == text


@pytest.mark.parametrize(
    ("name", "width", "text"),
    [
        ("worker-17", 7, "work.17"),
        ("pi-1", 7, "pi-1"),
        ("worker-17", 5, "wo.17"),
        ("abc", 2, "a."),
        ("worker-0017", 7, "wo.0017"),
        ("worker-0017", 4, ".017"),
    ],
)
def test_a_name_is_cut_in_the_middle(name: str, width: int, text: str) -> None:
    assert layout.cut(name, width) == text


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(0, ""), (0.1, "▏"), (2, "▏"), (2.1, "▎"), (50, "█████"), (100, "█" * 10), (250, "█" * 10)],
)
def test_a_bar_shows_every_two_percent_and_anything_above_nothing(value: float, drawn: str) -> None:
    assert layout.bar(value, 10) == drawn


@pytest.mark.parametrize(("value", "cell"), [(0, "▁"), (14, "▁"), (15, "▂"), (99, "▇"), (100, "▇")])
def test_a_cell_has_seven_heights(value: float, cell: str) -> None:
    assert layout.level(value) == cell


def test_numbers_stand_for_nodes_only_where_all_are_called_alike() -> None:
    assert layout.short_names(["n017"], ["n001", "n017"], 7) == ["17"]
    assert layout.short_names(["web-1"], ["web-1", "db-1"], 7) == ["web-1"]


@pytest.mark.parametrize(
    ("bytes_per_second", "text"),
    [
        *((0, "0"), (99, "99"), (99.6, "0.1k"), (1e3, "1.0k"), (99.4e3, "99k"), (3e5, "0.3M")),
        *((1.2e6, "1.2M"), (45e6, "45M"), (1.25e8, "0.1G"), (9.94e12, "9.9T"), (1e15, "--")),
    ],
)
def test_a_rate_has_four_characters_at_most(bytes_per_second: float, text: str) -> None:
    assert layout.rate(bytes_per_second) == text


@pytest.mark.parametrize(
    ("text", "rows", "wrapped"),
    [
        ("disk / is 97 % full (limit 95 %)", 2, ["disk / is 97 % full", "(limit 95 %)"]),
        ("disk / is 97 % full (limit 95 %)", 1, ["disk / is 97 % ful.."]),
        ("x" * 50, 2, ["x" * 20, "x" * 18 + ".."]),
        ("", 2, ["", ""]),
    ],
)
def test_a_summary_wraps_at_words_and_says_when_it_is_cut(
    text: str, rows: int, wrapped: list[str]
) -> None:
    assert layout.wrapped(text, 20, rows) == wrapped


def test_counts_have_four_characters_at_most() -> None:
    assert [layout.count(number) for number in (0, 9_999, 10_000, 12_345)] == [
        *("0", "9999", "10k", "12k")
    ]
