"""The fleet document: which nodes are meant, and which rules hold on them.

One document, kept by people, says for groups of nodes what is collected and what is an alert. It is
read as a whole: one mistake refuses it, and all mistakes are told at once. Pure: values in, values
out.

A rule of the document is laid over the built-in rule of the same name, key by key, unless it is of
another kind. Rules hold on a node where a template of one of its groups, or the node's own table,
names them; without any document all built-in rules hold everywhere.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from rollcall.broker.messages import CollectorName, Line, MetricName, Number, Severity
from rollcall.broker.topics import is_node_name

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS_IN: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})
_LABEL: Final = "label:"
_LATER_KINDS: Final = ("absence", "forecast", "anomaly")
_LATER_RULES: Final = MappingProxyType({"disk_forecast": "forecast"})


class FleetError(ValueError):
    """A document that is refused; `problems` are all of its mistakes."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _seconds(written: object) -> object:
    found = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise ValueError('a duration is a number and a unit, such as "30s", "5m" or "1h"')
    return float(int(found[1]) * _SECONDS_IN[found[2]])


def _node_name(name: str) -> str:
    if not is_node_name(name):
        raise ValueError(f"{name[:80]!r} cannot be the name of a node")
    return name


def _member(pattern: str) -> str:
    if pattern.startswith(_LABEL) and not re.fullmatch(r"label:[^=]+=.*", pattern):
        raise ValueError('a label is written "label:role=web"')
    return pattern


Duration = Annotated[float, BeforeValidator(_seconds)]
RuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
NodeName = Annotated[str, AfterValidator(_node_name)]
Member = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_member)]
Glob = Annotated[str, Field(min_length=1, max_length=255)]
Op = Literal[">", ">=", "<", "<=", "==", "!="]


class _Table(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class RuleTable(_Table):
    """What rules of every kind have; durations in seconds."""

    kind: str
    enabled: bool = True
    severity: Severity = "warning"
    for_s: Duration = Field(0.0, alias="for")
    keep_firing_for_s: Duration = Field(0.0, alias="keep_firing_for")
    group_wait_s: Duration = Field(10.0, alias="group_wait")
    group_wait_max_s: Duration = Field(30.0, alias="group_wait_max")
    group_interval_s: Duration = Field(300.0, alias="group_interval")
    repeat_interval_s: Duration = Field(43_200.0, alias="repeat_interval")


class ThresholdRule(RuleTable):
    """A limit on one metric, judged for each instance; `clear` is the hysteresis."""

    kind: Literal["threshold"]
    metric: MetricName
    op: Op = ">"
    threshold: Number
    clear: Number | None = None
    instances: list[Glob] = ["*"]
    exclude: list[Glob] = []

    @model_validator(mode="after")
    def _clear_and_breach_exclude_each_other(self) -> Self:
        if self.clear is None:
            return self
        if self.op in {"==", "!="}:
            raise ValueError(f'clear has no meaning beside op "{self.op}"; leave it out')
        overlaps = {
            ">": self.clear > self.threshold,
            ">=": self.clear >= self.threshold,
            "<": self.clear < self.threshold,
            "<=": self.clear <= self.threshold,
        }
        if overlaps[self.op]:
            raise ValueError(
                f"clear {self.clear} would hold during a breach ({self.op} {self.threshold}); "
                f"put it {'below' if '>' in self.op else 'above'} the threshold"
            )
        return self


class PresenceRule(RuleTable):
    """Whether a node is there at all: lost or stale is a breach, a planned stop is not."""

    kind: Literal["presence"]
    for_s: Duration = Field(30.0, alias="for")
    keep_firing_for_s: Duration = Field(30.0, alias="keep_firing_for")


AnyRule = ThresholdRule | PresenceRule

_THRESHOLD: Final = {"kind": "threshold"}
BUILT_IN: Final[Mapping[str, Mapping[str, JsonValue]]] = MappingProxyType(
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
        | {"severity": "critical"},
        "too_hot": _THRESHOLD
        | {"metric": "temperature.celsius", "op": ">=", "threshold": 80, "clear": 75, "for": "30s"}
        | {"severity": "critical"},
    }
)


class Template(_Table):
    """Collectors and rules for groups of nodes; a collector's settings are its own affair."""

    groups: list[GroupName]
    rules: list[RuleName] = []
    collectors: dict[CollectorName, dict[str, JsonValue]] = {}


class NodeTable(_Table):
    """What one node has beside its templates."""

    description: Line | None = None
    rules: list[RuleName] = []
    collectors: dict[CollectorName, dict[str, JsonValue]] = {}


class Document(_Table):
    """The document as written, its rules still open tables."""

    groups: dict[GroupName, list[Member]] = {}
    templates: dict[GroupName, Template] = {}
    nodes: dict[NodeName, NodeTable] = {}
    rules: dict[RuleName, dict[str, JsonValue]] = {}


class Fleet:
    """A document in force, or, without one, the built-in rules everywhere.

    `rules` are all rules by name; `rules_for` says which of them hold on a node.
    """

    def __init__(self, document: Document | None, rules: Mapping[str, AnyRule]) -> None:
        self.rules = rules
        self._document = document

    def rules_for(self, node: str, labels: Mapping[str, str]) -> dict[str, AnyRule]:
        """Give the rules that hold on `node` with these labels, by name; disabled ones do not."""
        named = set(self.rules) if self._document is None else self._named(node, labels)
        return {name: self.rules[name] for name in sorted(named) if self.rules[name].enabled}

    def groups_of(self, node: str, labels: Mapping[str, str]) -> set[str]:
        """Name the groups that `node` with these labels belongs to."""
        groups = self._document.groups if self._document else {}
        return {
            group
            for group, members in groups.items()
            if any(_is_meant(member, node, labels) for member in members)
        }

    def unused_rules(self) -> list[str]:
        """Name the rules that the document defines and no template or node asks for."""
        document = self._document
        if document is None:
            return []
        tables: list[Template | NodeTable] = [
            *document.templates.values(),
            *document.nodes.values(),
        ]
        return sorted(set(document.rules) - {name for table in tables for name in table.rules})

    def _named(self, node: str, labels: Mapping[str, str]) -> set[str]:
        document = self._document
        assert document is not None
        groups = self.groups_of(node, labels)
        tables: list[Template | NodeTable] = [
            template for template in document.templates.values() if groups & set(template.groups)
        ]
        if node in document.nodes:
            tables.append(document.nodes[node])
        return {name for table in tables for name in table.rules}


def built_in() -> Fleet:
    """Give what holds without any document."""
    return read({}, everywhere=True)


def read(document: Mapping[str, JsonValue], *, everywhere: bool = False) -> Fleet:
    """Validate a document as a whole; with `everywhere`, all of its rules hold on every node.

    Raises FleetError with every mistake at once.
    """
    try:
        parsed = Document.model_validate(document)
    except ValidationError as error:
        raise FleetError([_told(fault, _known_at(fault)) for fault in _faults(error)]) from error
    problems: list[str] = []
    rules: dict[str, AnyRule] = {}
    for name in sorted(BUILT_IN.keys() | parsed.rules.keys()):
        try:
            rules[name] = _rule(name, parsed.rules.get(name, {}))
        except FleetError as error:
            problems += error.problems
    problems += _dangling(parsed)
    if problems:
        raise FleetError(problems)
    return Fleet(None if everywhere else parsed, rules)


def _rule(name: str, table: Mapping[str, JsonValue]) -> AnyRule:
    under = BUILT_IN.get(name, {})
    kind = table.get("kind", under.get("kind"))
    merged = dict(table) if kind != under.get("kind") else {**under, **table}
    if kind in _LATER_KINDS:
        raise FleetError([f'rules.{name}: kind "{kind}" is not supported by this version yet'])
    model: type[AnyRule]
    if kind == "threshold":
        model = ThresholdRule
    elif kind == "presence":
        model = PresenceRule
    else:
        raise FleetError([f'rules.{name}: kind must be "threshold" or "presence"'])
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        known = _keys_of(model)
        raise FleetError(
            [_told(fault, known, ("rules", name)) for fault in _faults(error)]
        ) from error


def _dangling(document: Document) -> list[str]:
    problems = []
    rules = BUILT_IN.keys() | document.rules.keys()
    for title, template in document.templates.items():
        problems += [
            f'templates.{title}.groups: no group "{group}"{_nearest(group, document.groups)}'
            for group in template.groups
            if group not in document.groups
        ]
    tables: list[tuple[str, Template | NodeTable]] = [
        *((f"templates.{title}", template) for title, template in document.templates.items()),
        *((f"nodes.{name}", node) for name, node in document.nodes.items()),
    ]
    for place, table in tables:
        for rule in table.rules:
            if rule in rules:
                continue
            if rule in _LATER_RULES:
                what = f"of kind {_LATER_RULES[rule]}, which this version does not support yet"
                problems.append(f'{place}.rules: "{rule}" is {what}')
            else:
                problems.append(f'{place}.rules: no rule "{rule}"{_nearest(rule, rules)}')
    return problems


def _is_meant(member: str, node: str, labels: Mapping[str, str]) -> bool:
    if member.startswith(_LABEL):
        key, _, value = member.removeprefix(_LABEL).partition("=")
        return labels.get(key) == value
    return fnmatchcase(node, member)


def _faults(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _told(fault: ErrorDetails, known: list[str], above: tuple[str, ...] = ()) -> str:
    path = ".".join(ascii(str(part))[1:-1][:80] for part in (*above, *fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key{_nearest(str(fault['loc'][-1]), known)}"
    text = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {text}"


def _known_at(fault: ErrorDetails) -> list[str]:
    within = {"templates": Template, "nodes": NodeTable}.get(str(fault["loc"][0]))
    model: Any = within if within is not None and len(fault["loc"]) > 1 else Document
    return _keys_of(model)


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known are {', '.join(sorted(known)) or 'none'}"
