"""Importing a library without a module that it needs for something else."""

import os
import subprocess
import sys
from pathlib import Path

_LIBRARY = """
import calendar, xml.dom
from calendar import isleap


def fail(kind):
    try:
        raise kind
    except calendar.IllegalMonthError:
        return "no month"
    except LookupError:
        return "passed on"
"""
_PROGRAM = """
import sys
from rollcall.node_agent.lean import without

with without("calendar", "xml.dom", "sys"):
    import library

assert library.isleap(2028) == {} == library.xml.dom.anything(7, of=9)
assert not hasattr(library.calendar, "__path__")
assert library.fail(KeyError) == "passed on"
assert "calendar" not in sys.modules and "xml.dom" not in sys.modules
import calendar, xml.dom
assert calendar.isleap(2028) is True and library.xml.dom.Node
"""


def test_what_is_left_out_finds_nothing_and_is_there_for_all_others_afterwards(
    tmp_path: Path,
) -> None:
    (tmp_path / "library.py").write_text(_LIBRARY)
    path = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_agent_that_was_imported_leanly_still_finds_what_distributions_offer(
    tmp_path: Path,
) -> None:
    told = tmp_path / "counting-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[rollcall.collectors]\ncounting = json:dumps\n")
    program = (
        "import rollcall.node_agent.__main__\n"
        "from rollcall.node_agent.plugins import entry_points\n"
        "print([(name, load().__name__) for name, load in entry_points()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[('counting', 'dumps')]"
