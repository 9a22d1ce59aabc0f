"""What the documents show is what the code reads and writes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.broker import messages

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    line
    for block in re.findall(r"```json\n(.*?)```", (ROOT / "docs/topics.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: line[:40])
def test_every_example_of_a_payload_is_valid(line: str) -> None:
    told = json.loads(line)
    if "command" in told:
        assert messages.COMMAND.decode(line.encode()).model_dump() == told
        return
    codec = messages.STATUS if "state" in told else messages.REPORT
    assert codec.decode(line.encode()).epoch == "9f3c21d07a5be4c8"


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) == 9


def test_nothing_that_is_generated_has_drifted() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("document", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []
