"""Which rules hold on one node, sorted by what asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rollcall.alerts.rules import Absence, Presence, Rule, rule_from
from rollcall.broker.fleet import Fleet
from rollcall.broker.messages import Info

_GLOB: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class NodeRules:
    """The rules on one node: all by name; those of each collector; of presence; of silence.

    `info` is what they follow from; `conflicts` are overrides that do not fit together.
    """

    info: Info | None
    by_name: Mapping[str, Rule]
    by_collector: Mapping[str, list[Rule]]
    presence: list[Rule]
    silence: list[Rule]
    conflicts: list[str]


def rules_on(fleet: Fleet, node: str, info: Info | None) -> NodeRules:
    """Work out the rules on a node, whose labels are in `info`."""
    labels = info.labels if info else {}
    rules = [rule_from(name, table) for name, table in fleet.rules_for(node, labels).items()]
    by_collector: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.series is not None:
            by_collector.setdefault(rule.series.collector, []).append(rule)
    return NodeRules(
        info=info,
        by_name={rule.name: rule for rule in rules},
        by_collector=by_collector,
        presence=[rule for rule in rules if isinstance(rule.question, Presence)],
        silence=[rule for rule in rules if minds_silence(rule)],
        conflicts=fleet.conflicts_on(node, labels),
    )


def minds_silence(rule: Rule) -> bool:
    """Say whether silence of its series means something to a rule."""
    return rule.series is not None and (
        isinstance(rule.question, Absence) or rule.series.no_data != "hold"
    )


def named_instances(rule: Rule) -> list[str]:
    """Give the instances that a rule names in full, without a glob."""
    series = rule.series
    return [name for name in series.instances if not _GLOB & set(name)] if series else []
