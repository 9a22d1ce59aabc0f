"""Tests of rules, as TOML files that people keep in git beside their fleet document.

A test gives nodes some series and some changes of status, and says how alerts stand and which mails
leave, at which times. 0 s is Monday, 2026-01-05, 00:00 UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, ValidationError, field_validator

from rollcall.alerts.rehearsal import Rehearsal, RehearsedMail, Turn
from rollcall.alerts.series_notation import Nothing, Step, steps
from rollcall.alerts.state import AlertState, Key
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.broker.fleet.faults import faults_of, keys_of, told
from rollcall.broker.fleet.tables import Duration, NodeName, RuleName, Table
from rollcall.broker.messages import InstanceName, Line, MetricName, Number
from rollcall.broker.node_view import NodeState

BEGIN: Final = 1_767_571_200.0
_TAIL_S: Final = 60.0


class SeriesTable(Table):
    """What one series brings, a step an interval, from 0 s on."""

    node: NodeName | None = None
    metric: MetricName
    instance: InstanceName | None = None
    values: str

    @field_validator("values")
    @classmethod
    def _can_be_read(cls, written: str) -> str:
        steps(written)
        return written


class StatusTable(Table):
    """What a node is from a time on."""

    at_s: Duration = Field(alias="at")
    node: NodeName | None = None
    state: Literal["online", "offline", "stale"]
    reason: Literal["stopped", "shutdown", "reboot", "lost"] | None = None


class ExpectTable(Table):
    """How an alert stands at a time, after everything that happens then."""

    at_s: Duration = Field(alias="at")
    rule: RuleName
    node: NodeName | None = None
    instance: InstanceName | None = None
    state: Literal["inactive", "pending", "firing", "recovering"]
    value: Number | None = None


class MailTable(Table):
    """A mail that leaves at a time."""

    at_s: Duration = Field(alias="at")
    kind: Literal["fire", "partial", "end", "closed", "reminder", "flapping", "settled"]
    rules: list[RuleName] | None = None


class RuleTest(Table):
    """One test: what happens, and what is to come of it."""

    name: Line
    node: NodeName = "node-1"
    labels: dict[Line, Line] = Field({})
    interval_s: Annotated[Duration, Field(ge=1, le=21_600)] = Field(10.0, alias="interval")
    series: list[SeriesTable] = Field([])
    status: list[StatusTable] = Field([])
    expect: list[ExpectTable] = Field([])
    mails: list[MailTable] | None = None


class TestFile(Table):
    """A file of tests; without `fleet` they are about the built-in rules."""

    fleet: Annotated[str, Field(min_length=1)] | None = None
    test: Annotated[list[RuleTest], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test: what was otherwise than expected, and what happened."""

    name: str
    failures: list[str]
    turns: list[Turn]
    mails: list[RehearsedMail]


def read(document: Mapping[str, JsonValue]) -> TestFile:
    """Validate a file of tests. Raises FleetError with every mistake."""
    try:
        return TestFile.model_validate(document)
    except ValidationError as error:
        known = [key for model in _TABLES for key in keys_of(model)]
        raise FleetError([told(fault, known) for fault in faults_of(error)]) from error


_TABLES: Final = (TestFile, RuleTest, SeriesTable, StatusTable, ExpectTable, MailTable)


def run(test: RuleTest, fleet: Fleet) -> Outcome:
    """Play a test to the core, and compare."""
    rehearsal = Rehearsal(fleet, BEGIN)
    nodes = {test.node, *(each.node or test.node for each in test.series)}
    nodes |= {each.node or test.node for each in test.status}
    for node in sorted(nodes):
        rehearsal.node(node, test.labels, test.interval_s)
    failures = []
    for at_s in _moments(test):
        rehearsal.advance(BEGIN + at_s)
        for status in test.status:
            if status.at_s == at_s:
                reason = status.reason or ("lost" if status.state == "offline" else None)
                rehearsal.status(status.node or test.node, NodeState(status.state), reason)
        _bring_reports(test, rehearsal, at_s)
        rehearsal.settle()
        failures += [
            failure
            for each in test.expect
            if each.at_s == at_s and (failure := _compare(each, test, rehearsal))
        ]
    if test.mails is not None:
        failures += _compare_mails(test.mails, rehearsal.mails)
    return Outcome(test.name, failures, rehearsal.turns, rehearsal.mails)


def _moments(test: RuleTest) -> list[float]:
    longest = max((len(steps(each.values)) for each in test.series), default=0)
    moments = {number * test.interval_s for number in range(longest)}
    moments |= {each.at_s for each in test.status} | {each.at_s for each in test.expect}
    moments |= {each.at_s for each in test.mails or []}
    last = max(moments, default=0.0)
    return sorted({*moments, last + _TAIL_S})


def _bring_reports(test: RuleTest, rehearsal: Rehearsal, at_s: float) -> None:
    number, off = divmod(at_s, test.interval_s)
    if off:
        return
    for (node, collector), found in _steps_at(test, int(number)).items():
        said = [step for _, _, step in found if step is not Nothing.NO_REPORT]
        if not said:
            continue
        fields: dict[str, Number | None] = {}
        instances: dict[str, dict[str, Number | None]] = {}
        for field, instance, step in found:
            if step is Nothing.NO_REPORT or step is Nothing.ERROR or step is Nothing.GONE:
                continue
            value = None if isinstance(step, Nothing) else step
            within = fields if instance is None else instances.setdefault(instance, {})
            within[field] = value
        error = "failed: the test says so" if Nothing.ERROR in said else None
        rehearsal.report(
            node, collector, test.interval_s, fields=fields, instances=instances, error=error
        )


def _steps_at(
    test: RuleTest, number: int
) -> dict[tuple[str, str], list[tuple[str, str | None, Step]]]:
    found: dict[tuple[str, str], list[tuple[str, str | None, Step]]] = {}
    for each in test.series:
        values = steps(each.values)
        step = values[number] if number < len(values) else Nothing.NO_REPORT
        collector, _, field = each.metric.partition(".")
        place = (each.node or test.node, collector)
        found.setdefault(place, []).append((field, each.instance, step))
    return found


def _compare(expected: ExpectTable, test: RuleTest, rehearsal: Rehearsal) -> str:
    key = Key(expected.rule, expected.node or test.node, expected.instance or "")
    alert = rehearsal.alert(key)
    state = alert.state if alert else AlertState.INACTIVE
    subject = f"at {expected.at_s:g}s: {' '.join(part for part in key if part)}"
    if state != expected.state:
        return f"{subject} is {state}, expected {expected.state}"
    value = alert.value if alert else None
    if expected.value is not None and value != expected.value:
        return f"{subject} has the value {value}, expected {expected.value}"
    return ""


def _compare_mails(expected: list[MailTable], found: list[RehearsedMail]) -> list[str]:
    left = list(found)
    failures = []
    for each in expected:
        match = next((mail for mail in left if _is_the_mail(mail, each)), None)
        if match is None:
            rules = f" of {', '.join(each.rules)}" if each.rules else ""
            failures.append(f"at {each.at_s:g}s: no mail {each.kind}{rules}")
        else:
            left.remove(match)
    failures += [
        f"at {mail.at - BEGIN:g}s: a mail {mail_words(mail)} was not expected" for mail in left
    ]
    return failures


def _is_the_mail(mail: RehearsedMail, expected: MailTable) -> bool:
    rules = tuple(sorted(expected.rules)) if expected.rules is not None else mail.rules
    at_s = mail.at - BEGIN
    return (at_s, mail.kind.value, mail.rules) == (expected.at_s, expected.kind, rules)


def mail_words(mail: RehearsedMail) -> str:
    """Say what a mail is about, in a few words."""
    places = dict.fromkeys(" ".join(part for part in key[1:] if part) for key in mail.members)
    return f"{mail.kind.value} ({', '.join(mail.rules)} on {', '.join(places)})"


def time_line(outcome: Outcome) -> Iterator[str]:
    """Say what happened in a test, in order."""
    lines = [
        (turn.at, f"{' '.join(part for part in turn.key if part)}: {turn.before} -> {turn.after}")
        for turn in outcome.turns
    ]
    lines += [(mail.at, f"mail {mail_words(mail)}") for mail in outcome.mails]
    for at, words in sorted(lines, key=lambda line: line[0]):
        yield f"{at - BEGIN:8g}s  {words}"
