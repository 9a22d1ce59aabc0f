"""When the backlight is off."""

from datetime import UTC, datetime

import pytest

from rollcall.lcd_display.night import Night


@pytest.mark.parametrize(
    ("span", "at", "covered"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "03:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("13:00-14:30", "13:00", True),
        ("13:00-14:30", "14:30", False),
        ("13:00-14:30", "03:00", False),
        ("00:00-00:00", "00:00", False),
    ],
)
def test_a_night_begins_and_ends_to_the_minute(span: str, at: str, *, covered: bool) -> None:
    night = Night.parse(span)
    assert night is not None
    local = datetime.fromisoformat(f"2026-08-03T{at}").replace(tzinfo=UTC)
    assert night.covers(local) is covered


def test_without_a_span_there_is_no_night() -> None:
    assert Night.parse("") is None
