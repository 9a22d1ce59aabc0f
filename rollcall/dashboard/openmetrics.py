"""What the cluster says now as OpenMetrics text, for Prometheus and others that scrape.

`rollcall_<collector>_<field>{node,instance}`, counters with `_total`, after OpenMetrics 1.0. A
value that is not fresh is absent, and a node that is not online has only `rollcall_node_up` 0 and
when it was last seen; of one whose state is not known yet even that is absent. No timestamps: what
is here holds now. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from rollcall.broker.messages import FieldInfo, Number
from rollcall.broker.node_view import NodeState, NodeView, Now
from rollcall.recorder.units import derived

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_END: Final = "# EOF\n"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric is: in words (None: its collector is none of ours), its unit and its kind."""

    words: str | None
    unit: str | None
    kind: str


Meanings = Mapping[str, Meaning]


@dataclass(slots=True)
class _Family:
    meaning: Meaning
    lines: list[str] = field(default_factory=list)


def exposition(views: Iterable[NodeView], meanings: Meanings, now: Now) -> str:
    """Write all that is known of the nodes; `meanings` are those of metrics `collector.field`.

    Where two metrics would have one name the first of them stands, in the order of their names;
    how many values that costs, and those that no counter can have, is a metric itself.
    """
    nodes = list(views)
    found: dict[str, _Family] = {}
    left_out = sum(_take(view, meanings, found, now) for view in nodes if _is_up(view))
    own, taken = _own(nodes, now)
    written = []
    for metric in sorted(found):
        family = found[metric]
        name = f"rollcall_{metric.replace('.', '_', 1)}"
        if family.meaning.kind == "counter":
            name = name.removesuffix("_total")
        names = _names(name, family.meaning.kind)
        if names & taken:
            left_out += len(family.lines)
            continue
        taken |= names
        written.append(_text(name, family.meaning, family.lines))
    words = "values that have no place here: names that collide, counters below 0"
    lost = _text(_LEFT_OUT, Meaning(words, None, "gauge"), [f" {left_out}"])
    return "".join(chain(own, [lost], written, [_END]))


_UP: Final = "rollcall_node_up"
_SEEN: Final = "rollcall_node_last_seen_timestamp_seconds"
_LEFT_OUT: Final = "rollcall_metrics_left_out"


def _is_up(view: NodeView) -> bool:
    return view.state is NodeState.ONLINE


def _own(nodes: Iterable[NodeView], now: Now) -> tuple[list[str], set[str]]:
    """Give what is said of the nodes themselves, and the names that this takes."""
    up, seen = [], []
    for view in nodes:
        labels = f'{{node="{view.name}"}}'
        if not view.held_back and view.state is not NodeState.UNKNOWN:
            up.append(f"{labels} {int(_is_up(view))}")
        if view.age_s is not None:
            seen.append(f"{labels} {now.wall_s - view.age_s:.3f}")
    words = "1: online; 0: stale or offline"
    last = "when the node was last heard, in Unix seconds"
    own = [
        _text(_UP, Meaning(words, None, "gauge"), up),
        _text(_SEEN, Meaning(last, "seconds", "gauge"), seen),
    ]
    return own, {_UP, _SEEN, _LEFT_OUT}


def _take(view: NodeView, meanings: Meanings, found: dict[str, _Family], now: Now) -> int:
    """Take in what one node says now; give how many values had to be left out."""
    left_out = 0
    told = view.info.fields if view.info else {}
    for collector in view.reports:
        report = view.fresh_report(collector, now)
        if report is None:
            continue
        parts = [(f'{{node="{view.name}"}}', report.fields or {})]
        for instance, fields in (report.instances or {}).items():
            labels = f'{{node="{view.name}",instance="{escaped(instance)}"}}'
            parts.append((labels, fields))
        for labels, name, number in _numbers(parts):
            metric = f"{collector}.{name}"
            family = found.get(metric)
            if family is None:
                family = found[metric] = _Family(_meaning(metric, meanings, told.get(metric)))
            if family.meaning.kind == "counter" and number < 0:
                left_out += 1
            else:
                family.lines.append(f"{labels} {number!r}")
    return left_out


def _numbers(
    parts: Iterable[tuple[str, Mapping[str, Number | None]]],
) -> Iterator[tuple[str, str, Number]]:
    for labels, fields in parts:
        for name, number in fields.items():
            if number is not None:
                yield labels, name, number


def _meaning(metric: str, meanings: Meanings, told: FieldInfo | None) -> Meaning:
    """Give what a metric is: ours by our catalogue, others as their node says, or by their name."""
    known = meanings.get(metric)
    if known is not None:
        return known
    if told is not None:
        return Meaning(None, told.unit, told.kind)
    unit = derived(metric)
    return Meaning(None, unit.name, unit.kind)


def _names(name: str, kind: str) -> set[str]:
    """Give the names that a family takes for itself."""
    return {name, f"{name}_total", f"{name}_created"} if kind == "counter" else {name}


def _text(name: str, meaning: Meaning, lines: Iterable[str]) -> str:
    counts = meaning.kind == "counter"
    head = [f"# TYPE {name} {'counter' if counts else 'gauge'}\n"]
    if meaning.unit and name.endswith(f"_{meaning.unit}"):
        head.append(f"# UNIT {name} {meaning.unit}\n")
    if meaning.words:
        head.append(f"# HELP {name} {escaped(meaning.words)}\n")
    sample = f"{name}_total" if counts else name
    return "".join(chain(head, (f"{sample}{line}\n" for line in lines)))


def escaped(text: str) -> str:
    """Write text as the value of a label, or as help."""
    return text.translate(_ESCAPES)
