"""What docs/alerts.md says of the rules is what they are, and its example works as it is shown."""

import re
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from rollcall.broker.fleet import KINDS
from rollcall.broker.messages import Flag
from rollcall.console.alerts import alerts
from rollcall.console.app import rollcall

TEXT = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")
FLEET, TESTS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)[:2]
CHECKED = re.search(r"\$ rollcall alerts check busy.toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_and_every_key_is_described(kind: str) -> None:
    assert f"| `{kind}` |" in TEXT
    for name, field in KINDS[kind].model_fields.items():
        assert f"| `{field.alias or name}` |" in TEXT


@pytest.mark.parametrize("name", ["try", "check"])
def test_every_command_is_named(name: str) -> None:
    assert name in alerts.commands
    assert f"rollcall alerts {name}" in TEXT


def test_every_flag_is_explained() -> None:
    for flag in get_args(Flag):
        assert flag in TEXT


def test_the_example_is_played_as_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(FLEET, "utf-8")
    (tmp_path / "busy.toml").write_text(TESTS, "utf-8")
    told = CliRunner().invoke(
        rollcall, ["alerts", "check", str(tmp_path / "busy.toml")], standalone_mode=False
    )
    assert CHECKED is not None
    assert told.stdout == CHECKED[1]
    assert told.return_value == 0
