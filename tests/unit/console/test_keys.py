"""What a terminal sends, as keys."""

import pytest

from rollcall.console.keys import split


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOA", ["up"]),
        ("\x1b", ["escape"]),
        ("\x1b/nas\r", ["escape", "/", "n", "a", "s", "enter"]),
        ("\x7f", ["backspace"]),
        ("\x01x", [None, "x"]),
        ("ü", ["ü"]),
    ],
)
def test_keys_are_taken_one_at_a_time(sent: str, keys: list[str | None]) -> None:
    found = []
    while sent:
        key, sent = split(sent)
        found.append(key)
    assert found == keys
