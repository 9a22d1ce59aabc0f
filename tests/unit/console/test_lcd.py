"""`rollcall lcd probe`: what is found, and what to try when nothing is."""

import pytest

from rollcall.console.lcd import described, document, judge
from rollcall.console.options import CommandError
from rollcall.lcd_display.survey import BusFound, Device
from rollcall.service.settings import Lcd

DISPLAY = Device(0x27, None)
IN_USE = Device(0x3F, 4711)


@pytest.mark.parametrize(
    ("address", "buses"),
    [
        ("auto", (BusFound(1, (DISPLAY,)),)),
        ("0x3f", (BusFound(0), BusFound(1, (DISPLAY, IN_USE)))),
    ],
    ids=["the only one", "the one that is named"],
)
def test_a_display_that_answers_is_all_there_is_to_ask_for(
    address: str, buses: tuple[BusFound, ...]
) -> None:
    judge(Lcd.model_validate({"address": address}), buses)


@pytest.mark.parametrize(
    ("address", "buses", "what", "remedy"),
    [
        ("auto", (), "no I2C bus", "raspi-config"),
        ("auto", (BusFound(20),), "bus is 1, and this machine has 20", "set bus = 20"),
        ("auto", (BusFound(1),), "nothing answers", "VCC has 5 V"),
        ("auto", (BusFound(1, error="join the group i2c"),), "cannot be asked", "group i2c"),
        ("auto", (BusFound(1, (DISPLAY, IN_USE)),), "several devices", 'address = "0x27"'),
        ("0x20", (BusFound(1, (IN_USE,)),), "is 0x20, and 0x3f answers", 'address = "0x3f"'),
    ],
    ids=["no I2C", "another bus", "nobody", "forbidden", "two", "another address"],
)
def test_what_is_wrong_is_said_with_what_to_try(
    address: str, buses: tuple[BusFound, ...], what: str, remedy: str
) -> None:
    with pytest.raises(CommandError, match=what) as caught:
        judge(Lcd.model_validate({"address": address}), buses)
    assert remedy in caught.value.remedy


def test_every_bus_is_told_of() -> None:
    assert described(BusFound(1, (DISPLAY, IN_USE))) == [
        "/dev/i2c-1",
        "  0x27 answers",
        "  0x3f answers; process 4711 uses it",
    ]
    assert described(BusFound(0)) == ["/dev/i2c-0", "  nothing answers at 0x20-0x27 and 0x38-0x3f"]
    assert described(BusFound(2, error="stuck")) == ["/dev/i2c-2", "  stuck"]


def test_the_document_has_the_same() -> None:
    assert document((BusFound(1, (IN_USE,)), BusFound(2, error="stuck"))) == {
        "schema": 1,
        "buses": [
            {"bus": 1, "error": None, "devices": [{"address": "0x3f", "process": 4711}]},
            {"bus": 2, "error": "stuck", "devices": []},
        ],
    }
