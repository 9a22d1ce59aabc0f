"""One rule over what was recorded: how many mails it would have sent.

Samples and changes of availability of one node, in the order of their time, go through the core in
virtual time. Other rules are left out, so that nothing inhibits it: the figure is what it would
send at most.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from rollcall.alerts.rehearsal import Rehearsal, RehearsedMail, Turn
from rollcall.alerts.state import AlertState
from rollcall.broker.fleet import Fleet
from rollcall.broker.messages import Number
from rollcall.broker.node_view import NodeState

_TICK_S: Final = 10.0
_LEAST_INTERVAL_S: Final = 1.0


class RecordedSample(NamedTuple):
    """A number of one series of a node; `at` in Unix seconds."""

    at: float
    metric: str
    instance: str
    value: float


class RecordedStatus(NamedTuple):
    """What a node was from a time on."""

    at: float
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule would have done: mails, and how often and how long it fired."""

    mails: list[RehearsedMail] = field(default_factory=list)
    fired: int = 0
    firing_s: float = 0.0
    samples: int = 0

    def __add__(self, other: "Replay") -> "Replay":
        return Replay(
            mails=sorted([*self.mails, *other.mails], key=lambda mail: mail.at),
            fired=self.fired + other.fired,
            firing_s=self.firing_s + other.firing_s,
            samples=self.samples + other.samples,
        )


class Span(NamedTuple):
    """From when to when is looked at, in Unix seconds."""

    begin: float
    end: float


def tried(
    rule: Fleet,
    node: str,
    labels: Mapping[str, str],
    samples: Iterable[RecordedSample],
    availability: Iterable[RecordedStatus],
    span: Span,
) -> Replay:
    """Play what was recorded of a node, oldest first, to a document that holds one rule."""
    numbers = list(samples)
    interval_s = _interval_s(numbers)
    rehearsal = Rehearsal(rule, span.begin, tick_s=_TICK_S)
    rehearsal.node(node, labels, interval_s)
    for at, statuses, values in _moments(numbers, availability, span):
        rehearsal.advance(at)
        for status in statuses:
            rehearsal.status(node, NodeState(status.state), status.reason)
        for collector, found in _reports(values).items():
            rehearsal.report(
                node, collector, interval_s, fields=found.fields, instances=found.instances
            )
        rehearsal.settle()
    rehearsal.advance(span.end)
    rehearsal.settle()
    spells = list(_spells(rehearsal.turns, span.end))
    return Replay(rehearsal.mails, len(spells), sum(spells), len(numbers))


def _moments(
    samples: Iterable[RecordedSample], availability: Iterable[RecordedStatus], span: Span
) -> Iterator[tuple[float, list[RecordedStatus], list[RecordedSample]]]:
    begun = (status._replace(at=max(status.at, span.begin)) for status in availability)
    merged: Iterator[RecordedStatus | RecordedSample] = heapq.merge(begun, samples, key=_at)
    for at, found in groupby(merged, key=_at):
        together = list(found)
        yield (
            at,
            [each for each in together if isinstance(each, RecordedStatus)],
            [each for each in together if isinstance(each, RecordedSample)],
        )


def _at(each: RecordedStatus | RecordedSample) -> float:
    return each.at


@dataclass(frozen=True, slots=True)
class _Found:
    fields: dict[str, Number | None] = field(default_factory=dict)
    instances: dict[str, dict[str, Number | None]] = field(default_factory=dict)


def _reports(samples: list[RecordedSample]) -> dict[str, _Found]:
    """Put the samples of one moment together to the reports they came in."""
    reports: dict[str, _Found] = {}
    for sample in samples:
        collector, _, name = sample.metric.partition(".")
        report = reports.setdefault(collector, _Found())
        if sample.instance:
            report.instances.setdefault(sample.instance, {})[name] = sample.value
        else:
            report.fields[name] = sample.value
    return reports


def _interval_s(samples: list[RecordedSample]) -> float:
    """Give the usual distance of samples: the database does not keep intervals."""
    times = sorted({sample.at for sample in samples[:2000]})
    distances = sorted(after - before for before, after in pairwise(times))
    middle = distances[len(distances) // 2] if distances else _LEAST_INTERVAL_S
    return max(middle, _LEAST_INTERVAL_S)


def _spells(turns: list[Turn], end: float) -> Iterator[float]:
    """Give how long each firing lasted, in seconds."""
    began: dict[object, float] = {}
    for turn in sorted(turns, key=itemgetter(0)):
        fires = turn.after in {AlertState.FIRING, AlertState.RECOVERING}
        if fires:
            began.setdefault(turn.key, turn.at)
        elif turn.key in began:
            yield turn.at - began.pop(turn.key)
    yield from (end - at for at in began.values())
