"""The scripts keep their promises: no markup from text, nothing from elsewhere."""

import re
from pathlib import Path

import pytest

from rollcall.dashboard.app import STATIC

FORBIDDEN = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
SCRIPTS = sorted(STATIC.glob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_makes_elements_out_of_text(script: Path) -> None:
    text = script.read_text("utf-8")
    assert [word for word in (*FORBIDDEN, "new Function") if word in text] == []


@pytest.mark.parametrize(
    "file", [*SCRIPTS, *STATIC.glob("*.css"), *STATIC.glob("*.svg")], ids=lambda file: file.name
)
def test_no_file_names_another_origin(file: Path) -> None:
    text = file.read_text("utf-8")
    found = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+", text))
    assert found <= {"http://www.w3.org"}  # the name of the SVG language, never fetched
