"""Every command line that README and the documents show is one that the command line takes."""

from pathlib import Path

import pytest

from tests.support.command_lines import Shown, shown_everywhere, shown_in, wrong_with

SHOWN = shown_everywhere()


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_command_line_that_is_shown_exists(shown: Shown) -> None:
    assert wrong_with(shown) is None


def test_the_command_lines_were_found() -> None:
    lines = {" ".join(each.words) for each in SHOWN}
    assert len(lines) > 60
    assert {"up --demo 5", "command 'pi-*' ping".replace("'", ""), "db upgrade"} <= lines


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    document = tmp_path / "wrong.md"
    document.write_text(
        "Say `rollcall stauts` or `rollcall status --loud`.\n\n"
        "```\n$ rollcall status --loud\nhub$ ./run node add\n./run test\n```\n\n"
        "    rollcall run toaster\n\n"
        "```console\n$ sudo rollcall service install lcd   # fine\n"
        "$ rollcall export out.csv --every 1m && rollcall fleet apply\n```\n"
        "```python\nrollcall nonsense\n```\n",
        "utf-8",
    )
    found = {" ".join(each.words): wrong_with(each) for each in shown_in(document)}
    assert found.pop("service install lcd") is None
    assert found.pop("export out.csv --every 1m") is None
    assert "fleet apply" in found
    assert len(found) == 6 - 1
    assert all(found.values()), found
