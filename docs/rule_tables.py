"""The tables of docs/alerts.md that are computed: the built-in rules, and every key of a rule."""

import json
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rollcall.alerts import rule_words
from rollcall.alerts.rules import rule_from
from rollcall.broker import fleet
from rollcall.broker.fleet import KINDS, JudgedRule, MetricRule, RuleTable

_SECONDS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def built_in_rules() -> str:
    """Write the built-in rules as a table in Markdown."""
    rows = []
    for name, table in fleet.built_in().rules.items():
        words = rule_words.rule_in_words(rule_from(name, table))
        rows.append(f"| `{name}` | {table.severity} | {words} |")
    return "\n".join(("| rule | severity | fires when |", "|---|---|---|", *rows, ""))


def rule_keys() -> str:
    """Write every key of every kind, with its default and what it means, in Markdown.

    A key that several kinds share is told once; one whose default differs is told again.
    """
    blocks = [
        _block("Every rule", RuleTable, None),
        _block("Every rule about a metric (all kinds but `presence`)", MetricRule, RuleTable),
        _block("Every rule that judges samples (not `absence`)", JudgedRule, MetricRule),
    ]
    for kind, model in KINDS.items():
        text = (model.__doc__ or "").strip()
        above = next(each for each in model.__mro__[1:] if issubclass(each, RuleTable))
        blocks.append(_block(f"`{kind}`: {text[0].lower()}{text[1:]}", model, above))
    return "\n".join(blocks)


def _block(title: str, model: type[RuleTable], above: type[RuleTable] | None) -> str:
    known = above.model_fields if above else {}
    rows = [
        _row(field, name)
        for name, field in model.model_fields.items()
        if name not in known or (name != "kind" and field.default != known[name].default)
    ]
    return "\n".join(
        (f"**{title}**", "", "| key | default | meaning |", "|---|---|---|", *rows, "")
    )


def _row(field: FieldInfo, name: str) -> str:
    # A default of the kind's own keeps the description of the key.
    description = field.description or RuleTable.model_fields[name].description
    return f"| `{field.alias or name}` | {_default(field, name)} | {description} |"


def _default(field: FieldInfo, name: str) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if name.endswith("_s"):
        return f"`{_duration(value)}`"
    if isinstance(value, fleet.rules.Flap):
        table = f'{{ window = "{_duration(value.window_s)}", start = {value.start}, '
        return f"`{table}stop = {value.stop} }}`"
    return f"`{json.dumps(value)}`"


def _duration(seconds: float) -> str:
    unit, size = next((unit, size) for unit, size in _SECONDS if seconds % size == 0)
    return f"{seconds / size:g}{unit}" if seconds else "0s"
