"""`rollcall alerts try RULE`: play recorded data to a rule, and count the mails."""

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from rollcall.alerts.replay import Replay, Span, tried
from rollcall.alerts.rule_tests import mail_words
from rollcall.alerts.wording import duration, moment
from rollcall.broker import fleet
from rollcall.broker.fleet import Fleet, FleetError, MetricRule
from rollcall.broker.fleet.faults import nearest
from rollcall.console.in_force import InForce, in_force
from rollcall.console.options import CommandError, Options, shared
from rollcall.console.recorded import Recorded
from rollcall.console.toml_files import EXIT_BAD_FILE, read_toml

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAILS_SHOWN: Final = 20
_WRONG_USAGE: Final = 2


@dataclass(frozen=True)
class _Result:
    title: str
    trial: Replay
    nodes: int
    reaches: float | None


def _span(_context: click.Context, _parameter: click.Parameter, written: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", written)
    if found is None:
        raise click.BadParameter('write a number and a unit, such as "30d" or "12h"')
    return float(int(found[1]) * _UNITS[found[2]])


@click.command()
@click.argument("rule")
@click.option("--since", default="30d", callback=_span, help="How far to look back; default: 30d.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Only this node; repeatable.")
@click.option(
    "--fleet",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A fleet document that is not in force yet, beside today's.",
)
@shared
@click.pass_obj
def try_rule(
    options: Options, rule: str, since: float, nodes: tuple[str, ...], file: Path | None
) -> int:
    """Say how many mails RULE would have sent over recorded data, beside today's rule."""
    settings = options.settings()
    today = in_force(settings.broker)
    documents = [("today", today.fleet)]
    if file is not None:
        documents.append((file.name, _document(file)))
    if not any(rule in document.rules for _, document in documents):
        known = {name for _, document in documents for name in document.rules}
        raise CommandError(f"no rule {rule}{nearest(rule, known)}", "name it exactly", _WRONG_USAGE)
    now = time.time()
    span = Span(now - since, now)
    database = Recorded(settings.recorder.database)
    results = [
        _try(title, document.only(rule), database, nodes, today, span)
        for title, document in documents
        if rule in document.rules
    ]
    if options.json:
        click.echo(json.dumps(_as_json(rule, span, results, today), indent=2))
    else:
        _print(rule, span, results, today)
    return 0


def _document(file: Path) -> Fleet:
    try:
        return fleet.read(read_toml(file))
    except FleetError as error:
        problems = "\n  ".join(error.problems)
        raise CommandError(f"{file} is wrong:\n  {problems}", "mend it", EXIT_BAD_FILE) from error


def _try(
    title: str,
    document: Fleet,
    database: Recorded,
    nodes: tuple[str, ...],
    today: InForce,
    span: Span,
) -> _Result:
    total, count, reaches = Replay(), 0, None
    for node in nodes or database.nodes():
        labels = today.labels.get(node, {})
        rules = document.rules_for(node, labels)
        if not rules:
            continue
        (rule,) = rules.values()
        metrics: list[str] = []
        if isinstance(rule, MetricRule):
            also = getattr(rule, "also", None)
            metrics = list(dict.fromkeys([rule.metric, *([also.metric] if also else [])]))
        samples = database.samples(node, metrics, span)
        if samples:
            reaches = min(samples[0].at, reaches or samples[0].at)
        availability = database.availability(node, span)
        total += tried(document, node, labels, samples, availability, span)
        count += 1
    return _Result(title, total, count, reaches)


def _print(rule: str, span: Span, results: list[_Result], today: InForce) -> None:
    begin, end = _day(span.begin), _day(span.end)
    click.echo(f"{rule}, {begin} to {end} ({duration(span.end - span.begin)})")
    click.echo(f"{'':<24}{'mails':>7}{'fired':>7}{'firing for':>16}{'nodes':>7}{'samples':>10}")
    for result in results:
        trial = result.trial
        lasted = duration(trial.firing_s)
        click.echo(
            f"{result.title[:23]:<24}{len(trial.mails):>7}{trial.fired:>7}{lasted:>16}"
            f"{result.nodes:>7}{trial.samples:>10}"
        )
    for result in results:
        if result.trial.mails:
            click.echo(f"\nMails, {result.title}:")
        for mail in result.trial.mails[-_MAILS_SHOWN:]:
            click.echo(f"  {moment(mail.at)}  {mail_words(mail)}")
        if len(result.trial.mails) > _MAILS_SHOWN:
            click.echo(f"  (the newest {_MAILS_SHOWN} of {len(result.trial.mails)})")
    click.echo("")
    for remark in _remarks(span, results, today):
        click.echo(remark)


def _remarks(span: Span, results: list[_Result], today: InForce) -> list[str]:
    remarks = [today.remark] if today.remark else []
    if len(results) == 1 and results[0].nodes == 0:
        remarks.append("The rule holds on none of the recorded nodes: no template names it there.")
    reached = [result.reaches for result in results if result.reaches is not None]
    if any(result.trial.samples for result in results) and reached:
        reach = min(reached)
        if reach > span.begin + 3600:
            remarks.append(
                f"Raw data reaches back to {moment(reach)} only; before it nothing was judged."
            )
        else:
            remarks.append("Raw data reaches back over all of it.")
    elif not any(result.trial.samples for result in results):
        remarks.append("No samples of this rule's metric were recorded in this time.")
    remarks.append("Each node was tried alone: mails that others would have joined count apart.")
    return remarks


def _as_json(rule: str, span: Span, results: list[_Result], today: InForce) -> dict[str, Any]:
    return {
        "schema": 1,
        "rule": rule,
        "since": span.begin,
        "until": span.end,
        "rules_from": today.source,
        "remarks": _remarks(span, results, today),
        "tried": [
            {
                "title": result.title,
                "mails": len(result.trial.mails),
                "fired": result.trial.fired,
                "firing_s": round(result.trial.firing_s, 3),
                "nodes": result.nodes,
                "samples": result.trial.samples,
                "raw_data_since": result.reaches,
            }
            for result in results
        ],
    }


def _day(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d")
