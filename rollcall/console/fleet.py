"""`rollcall fleet`: one document for all nodes, checked, compared, put into force, taken back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import tomli_w
from pydantic import JsonValue

from rollcall.broker.fleet.differences import differences
from rollcall.broker.fleet.inspection import Known
from rollcall.broker.fleet.source import Source
from rollcall.broker.messages import Fleet
from rollcall.console import fleet_words as says
from rollcall.console import words
from rollcall.console.consent import NOBODY, confirm
from rollcall.console.fleet_apply import already_in_force, put_into_force
from rollcall.console.fleet_catalogue import collectors, defaults
from rollcall.console.fleet_effective import Row, rows
from rollcall.console.fleet_file import Inspected, inspected, read_file
from rollcall.console.fleet_situation import Situation, is_valid, situation
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import (
    EXIT_OUT_OF_REACH,
    EXIT_WARNINGS,
    CommandError,
    Options,
    shared,
)

if TYPE_CHECKING:
    from rollcall.recorder.fleet_revisions import Revision

_USAGE: Final = 2
_AGAIN: Final = "again with --yes"

_file = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
_timeout = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for the nodes' answers.",
)


@click.group()
@shared
def fleet() -> None:
    """Steer all nodes with one document, while they run."""


@fleet.command()
@_file
@shared
@click.pass_obj
def check(options: Options, file: Path) -> int:
    """Say everything that is wrong with FILE; no broker is needed.

    Exit code 0: in order; 3: warnings; 78: refused.
    """
    found = read_file(file, Known(collectors()))
    if options.json:
        _print_json({"valid": found.fleet is not None, **_findings(found)})
        return found.code
    for line in says.finding_lines(found.name, found.findings):
        _say(line)
    verdict = "in order" if found.fleet else "refused"
    counted = says.counted(found.findings)
    _say(f"{found.name}: {verdict}{f': {counted}' if counted else ''}")
    return found.code


@fleet.command()
@_file
@shared
@click.pass_obj
def diff(options: Options, file: Path) -> int:
    """Say in words what FILE would change, and for which nodes.

    Exit code 0: in order; 3: warnings; 78: refused.
    """
    seen = situation(options.settings().broker)
    found = read_file(file, seen.known)
    changes = _changes(options, seen, found)
    if options.json:
        _print_json(changes)
    return found.code


@fleet.command()
@_file
@_yes
@_timeout
@shared
@click.pass_obj
def apply(options: Options, file: Path, timeout_s: float, *, yes: bool) -> int:
    """Put FILE into force: check it, show what changes, ask, publish, and wait for the nodes.

    Exit code 0: every node applied it; 3: some did not, or not all of it; 78: refused.
    """
    seen = situation(options.settings().broker)
    found = read_file(file, seen.known)
    return _replace(options, seen, found, yes=yes, timeout_s=timeout_s)


@fleet.command()
@_yes
@_timeout
@shared
@click.pass_obj
def rollback(options: Options, timeout_s: float, *, yes: bool) -> int:
    """Put the document back into force that was there before, from the database.

    It gets a new, higher revision. Exit codes are those of apply.
    """
    settings = options.settings()
    seen = situation(settings.broker)
    before = _previous(settings.recorder.database, seen.in_force)
    name = f"revision {before.revision} of {words.iso(before.time_s)}"
    if not options.json:
        _say(f"Back to {name}.", err=True)
    found = inspected(name, Source(before.document, {}), seen.known)
    return _replace(options, seen, found, yes=yes, timeout_s=timeout_s)


@fleet.command()
@click.option(
    "--effective",
    "node",
    metavar="NODE",
    help="What holds on NODE, and why.",
    shell_complete=complete_nodes,
)
@shared
@click.pass_obj
def show(options: Options, node: str | None) -> int:
    """Show the document in force as TOML, or what it makes of one node."""
    seen = situation(options.settings().broker)
    if node is not None:
        return _show_node(options, seen, node)
    if seen.in_force is None:
        beside = f"; unreadable retained messages: {seen.unreadable}" if seen.unreadable else ""
        what = f"no fleet document is in force{beside}"
        raise CommandError(what, "rollcall fleet apply FILE")
    if options.json:
        _print_json(
            {
                "revision": seen.in_force.revision,
                "digest": seen.in_force.digest,
                "document": seen.in_force.document,
                "drift": seen.drifts,
            }
        )
        return 0
    nodes = says.plural(len(seen.views), "node")
    follow = len(seen.views) - len(seen.drifts)
    _say(f"# Revision {seen.in_force.revision}, followed by {follow} of {nodes}.")
    _say(tomli_w.dumps(says.document_toml(seen.in_force.document)).rstrip())
    for name, drift in seen.drifts.items():
        _say(f"{name}: {drift}", err=True)
    return 0


def _replace(
    options: Options, seen: Situation, found: Inspected, *, yes: bool, timeout_s: float
) -> int:
    """Put a judged document into force, if it has no fault and whoever asks agrees."""
    changes = _changes(options, seen, found)
    if found.fleet is None:
        if options.json:
            _print_json(changes)
        return found.code
    if (answers := already_in_force(seen, found.source.table)) is None:
        if not yes:
            _ask(options, seen)
        answers = put_into_force(
            options.settings().broker,
            seen,
            found.source.table,
            file=Path(found.name).name if found.source.lines else None,
            lines=found.rule_lines,
            timeout_s=timeout_s,
        )
    revision = answers.fleet.revision
    published = seen.in_force is None or revision != seen.in_force.revision
    if options.json:
        told = {"revision": revision, "digest": answers.fleet.digest, "published": published}
        _print_json({**changes, **told, "nodes": answers.as_json()})
    else:
        _say(f"Revision {revision} is in force{'' if published else ' already'}.")
        for line in answers.lines():
            _say(f"  {line}")
    return 0 if answers.all_applied else EXIT_WARNINGS


def _ask(options: Options, seen: Situation) -> None:
    """Ask whoever is there; in a script nobody is. Raises CommandError."""
    if options.json:
        raise CommandError(NOBODY, _AGAIN, _USAGE)
    question = f"Put it into force as revision {seen.next_revision}?"
    confirm(question, unasked=NOBODY, remedy=_AGAIN)


def _changes(options: Options, seen: Situation, found: Inspected) -> dict[str, Any]:
    """Say what is found and what changes; give both for `--json`."""
    if not options.json:
        for line in says.finding_lines(found.name, found.findings):
            _say(line, err=True)
    told = _findings(found)
    if found.fleet is None:
        if not options.json:
            _say(f"{found.name}: refused; nothing was changed", err=True)
        return {**told, "valid": False}
    if seen.fault and not options.json:
        _say(f"{seen.fault}; compared with no document at all", err=True)
    before = seen.fleet()
    nodes = {
        **{name: {} for name in sorted(before.named_nodes | found.fleet.named_nodes)},
        **seen.labels,
    }
    changes = differences(before, found.fleet, nodes)
    if not options.json:
        for line in says.difference_lines(changes, len(nodes)):
            _say(line)
    return {**told, "valid": True, "fault": seen.fault, "changes": says.difference_json(changes)}


def _previous(database: str, in_force: Fleet | None) -> "Revision":
    """Give the newest valid document that is not the one in force. Raises CommandError."""
    # Imported here: only this asks a database, and its driver takes long to load.
    from rollcall.recorder.errors import RecorderError  # noqa: PLC0415 - see above
    from rollcall.recorder.fleet_revisions import fleet_revisions  # noqa: PLC0415 - see above

    try:
        known = fleet_revisions(database)
    except RecorderError as error:
        remedy = "run it where the recorder runs, with its configuration"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    for each in known:
        is_other = in_force is None or each.digest != in_force.digest
        if is_other and is_valid(each.document):
            return each
    raise CommandError(
        "the database knows no other fleet document", "rollcall fleet apply FILE, from git"
    )


def _show_node(options: Options, seen: Situation, node: str) -> int:
    view = seen.views.get(node)
    labels = seen.labels.get(node, {})
    in_force = seen.fleet()
    found = rows(in_force, node, labels, defaults(), view.applied if view else None)
    effective = in_force.effective(node, labels)
    about: Mapping[str, JsonValue] = {
        "node": node,
        "groups": list(effective.groups),
        "templates": list(effective.templates),
        "revision": seen.in_force.revision if seen.in_force else None,
        "drift": seen.drifts.get(node) if view else "the broker knows no such node",
    }
    if options.json:
        values = [
            {"key": row.key, "value": row.value, "origin": row.origin, "remark": row.remark}
            for row in found
        ]
        _print_json({**about, "values": values})
        return 0
    _say(f"{node}: groups {', '.join(effective.groups) or 'none'}")
    if about["drift"]:
        _say(f"{node}: {about['drift']}", err=True)
    widths = [max(len(cell) for cell in column) for column in zip(*_cells(found), strict=True)]
    for key, value, origin in _cells(found):
        _say(f"{key:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {origin}".rstrip())
    return 0


def _cells(found: list[Row]) -> list[tuple[str, str, str]]:
    return [
        (row.key, row.shown, f"{row.origin}; {row.remark}" if row.remark else row.origin)
        for row in found
    ]


def _findings(found: Inspected) -> dict[str, Any]:
    return {"file": found.name, "findings": says.findings_json(found.findings)}


def _print_json(answer: Mapping[str, Any]) -> None:
    click.echo(json.dumps({"schema": 1, **answer}, indent=2))


def _say(text: str, *, err: bool = False) -> None:
    click.echo(words.printable(text), err=err)
