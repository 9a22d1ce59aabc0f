"""What docs/alerts.md says of the rules is what they are."""

from pathlib import Path

from rollcall.alerts import rule_words
from rollcall.alerts.engine import Engine
from rollcall.broker import fleet
from rollcall.broker.fleet import KINDS

TEXT = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text("utf-8")


def test_every_built_in_rule_is_described_as_it_is() -> None:
    for name, rule in Engine(fleet.built_in()).rules.items():
        assert f"| `{name}` | {rule.severity} | {rule_words.rule_in_words(rule)} |" in TEXT


def test_every_key_of_a_rule_is_described() -> None:
    for model in KINDS.values():
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in TEXT
