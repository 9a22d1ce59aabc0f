"""From tables to rules: built-in ones, defaults, the document's own, and what nodes override.

Later wins, key by key: the defaults of the kind, `rule_defaults`, the built-in rule of the same
name, `rules.NAME`, and then `override.NAME` of the templates and of the node. A rule of another
kind than the built-in one of its name has nothing of it.
"""

import graphlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from rollcall.broker.fleet.faults import FleetError, faults_of, keys_of, nearest, told
from rollcall.broker.fleet.rules import KINDS, AnyRule, RuleTable

Keys = Mapping[str, JsonValue]

_THRESHOLD: Final = {"kind": "threshold"}
BUILT_IN: Final[Mapping[str, Keys]] = MappingProxyType(
    {
        "node_offline": {"kind": "presence", "for": "30s", "severity": "critical"},
        "cpu_high": _THRESHOLD
        | {"metric": "cpu.percent", "op": ">", "threshold": 90, "clear": 80, "for": "5m"},
        "memory_low": _THRESHOLD
        | {"metric": "memory.used_percent", "op": ">", "threshold": 92, "clear": 87, "for": "3m"},
        "disk_filling": _THRESHOLD
        | {"metric": "disk.used_percent", "op": ">=", "threshold": 85, "clear": 82, "for": "5m"},
        "disk_full": _THRESHOLD
        | {"metric": "disk.used_percent", "op": ">=", "threshold": 95, "clear": 92, "for": "1m"}
        | {"severity": "critical", "inhibits": ["disk_filling"]},
        "disk_forecast": {
            "kind": "forecast",
            "metric": "disk.free_bytes",
            "target": 0,
            "and": {"metric": "disk.used_percent", "op": ">", "threshold": 70},
        },
        "too_hot": _THRESHOLD
        | {"metric": "temperature.celsius", "op": ">=", "threshold": 80, "clear": 75, "for": "30s"}
        | {"severity": "critical"},
    }
)
ALL: Final = "*"


def read_rules(
    tables: Mapping[str, Keys], defaults: Keys
) -> tuple[dict[str, AnyRule], dict[str, Keys], list[str]]:
    """Give all rules by name, the keys they are made of, and what is wrong.

    The built-in rules are among them; `defaults` is the table `rule_defaults`.
    """
    problems = _faults_of_defaults(defaults)
    sound = {} if problems else defaults
    rules: dict[str, AnyRule] = {}
    merged: dict[str, Keys] = {}
    for name in sorted(BUILT_IN.keys() | tables.keys()):
        keys = _merged(name, tables.get(name, {}), sound)
        try:
            rules[name] = rule_of(keys, ("rules", name))
            merged[name] = keys
        except FleetError as error:
            problems += error.problems
    return rules, merged, problems


def rule_of(keys: Keys, place: tuple[str, ...]) -> AnyRule:
    """Validate one rule's keys; `place` is the path that its mistakes are told under.

    Raises FleetError.
    """
    kind = keys.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(f'"{name}"' for name in KINDS)
        raise FleetError([f"{'.'.join(place)}: kind must be one of {known}"])
    model = KINDS[kind]
    try:
        return model.model_validate(dict(keys))
    except ValidationError as error:
        keys_known = keys_of(model)
        faults = [_of_numbers(fault) for fault in faults_of(error)]
        raise FleetError(
            list(dict.fromkeys(told(each, keys_known, place) for each in faults))
        ) from error


def overridden(
    name: str, keys: Keys, layers: Iterable[tuple[str, Keys]]
) -> tuple[AnyRule, list[str]]:
    """Lay overrides over a rule, each (place, keys); one that does not fit is left out and told."""
    rule, problems = rule_of(keys, ("rules", name)), []
    for place, layer in layers:
        candidate = {**keys, **layer}
        try:
            rule = rule_of(candidate, (place, "override", name))
        except FleetError as error:
            problems += error.problems
        else:
            keys = candidate
    return rule, problems


def faults_of_override(
    place: str, overrides: Mapping[str, Keys], known: AbstractSet[str], merged: Mapping[str, Keys]
) -> list[str]:
    """Name the mistakes of one table's overrides, each laid over its rule alone.

    `known` are the names of all rules, `merged` the keys of those without a mistake.
    """
    problems = []
    for name, layer in overrides.items():
        if name not in known:
            problems.append(f'{place}.override: no rule "{name}"{nearest(name, known)}')
        elif "kind" in layer:
            problems.append(f"{place}.override.{name}.kind: a rule keeps its kind; leave it out")
        elif name in merged:
            problems += overridden(name, merged[name], [(place, layer)])[1]
    return problems


def inhibited_by(name: str, rules: Mapping[str, AnyRule]) -> set[str]:
    """Name the rules that are not told while `name` fires; `*` spares rules about presence."""
    named = set(rules[name].inhibits)
    if ALL in named:
        named |= {other for other, rule in rules.items() if rule.kind != "presence"}
    return named - {ALL, name}


def faults_of_inhibition(rules: Mapping[str, AnyRule]) -> list[str]:
    """Name what `inhibits` cannot mean: rules that do not exist, and circles."""
    problems = []
    for name, rule in rules.items():
        for other in rule.inhibits:
            if other == name:
                problems.append(f"rules.{name}.inhibits: a rule cannot inhibit itself")
            elif other != ALL and other not in rules:
                near = nearest(other, rules)
                problems.append(f'rules.{name}.inhibits: no rule "{other}"{near}')
    graph = {name: inhibited_by(name, rules) & rules.keys() for name in rules}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = " inhibits ".join(reversed(error.args[1]))
        problems.append(f"rules: {circle}: rules must not inhibit each other in a circle")
    return problems


def _of_numbers(fault: ErrorDetails) -> ErrorDetails:
    """Say once what is no number, and not once for whole numbers and once for others."""
    place = fault["loc"]
    if place[-1:] not in {("constrained-int",), ("int",), ("float",)} or not fault["type"].endswith(
        "_type"
    ):
        return fault
    return {**fault, "loc": place[:-1], "msg": "a number, without quotes"}


def _merged(name: str, table: Keys, defaults: Keys) -> Keys:
    under = BUILT_IN.get(name, {})
    kind = table.get("kind", under.get("kind"))
    built_in = under if kind == under.get("kind") else {}
    return {**defaults, **built_in, **table}


def _faults_of_defaults(defaults: Keys) -> list[str]:
    known = [key for key in keys_of(RuleTable) if key != "kind"]
    if "kind" in defaults:
        return [f"rule_defaults.kind: unknown key; known are {', '.join(sorted(known))}"]
    try:
        RuleTable.model_validate({"kind": "", **defaults})
    except ValidationError as error:
        return [told(fault, known, ("rule_defaults",)) for fault in faults_of(error)]
    return []
