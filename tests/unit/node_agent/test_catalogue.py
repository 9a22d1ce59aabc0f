"""The page of all metrics is what the collectors declare."""

import textwrap
import tomllib
from pathlib import Path

from rollcall.node_agent.catalogue import text
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.options import read

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "metrics.md"


def test_the_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == text(), (
        "run: python -m rollcall.node_agent.catalogue > docs/metrics.md"
    )


def test_every_field_has_its_line() -> None:
    lines = text().splitlines()
    for declared in DECLARATIONS:
        assert f"## {declared.name}" in lines
        for field in (*declared.fields, *declared.instance_fields):
            assert any(line.startswith(f"| `{field.name}` |") for line in lines)


def test_every_option_has_its_line_with_its_default() -> None:
    page = text()
    for declared in DECLARATIONS:
        section = page.partition(f"\n## {declared.name}\n")[2].partition("\n## ")[0]
        for name in declared.options.model_fields.keys() - {"enabled", "interval"}:
            assert f"| `{name}` | " in section


def test_the_example_of_options_is_accepted() -> None:
    example = text().partition("    [agent.collectors.process]\n")[2].partition("\n\n")[0]
    written = tomllib.loads(textwrap.dedent(example))
    kinds = {declared.name: declared.options for declared in DECLARATIONS}
    options, problems = read(kinds, {"process": written}, intervals=dict.fromkeys(kinds, 10))
    assert problems == []
    assert options["process"].sample_s == 1.0
