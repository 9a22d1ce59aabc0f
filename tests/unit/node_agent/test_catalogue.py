"""The page of all metrics is what the collectors declare."""

from pathlib import Path

from rollcall.node_agent.catalogue import text
from rollcall.node_agent.collectors import DECLARATIONS

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
