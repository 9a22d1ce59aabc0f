"""`rollcall alerts check FILE...`: play rule tests, and say what came otherwise."""

import json
from pathlib import Path

import click

from rollcall.alerts import rule_tests
from rollcall.alerts.rule_tests import BEGIN, Outcome
from rollcall.broker import fleet
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.console.options import CommandError, Options, shared
from rollcall.console.toml_files import EXIT_BAD_FILE, read_toml


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@shared
@click.pass_obj
def check(options: Options, files: tuple[Path, ...]) -> int:
    """Play the rule tests in FILE... to the alert service's core.

    Exit code 0: all came as expected; 1: something did not (its time line is shown); 78: a file
    is wrong.
    """
    outcomes = [(path, outcome) for path in files for outcome in _outcomes(path)]
    failed = [outcome for _, outcome in outcomes if outcome.failures]
    if options.json:
        click.echo(json.dumps(_document(outcomes), indent=2))
    else:
        for path, outcome in outcomes:
            _print(path, outcome)
        click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} tests passed")
    return 1 if failed else 0


def _outcomes(path: Path) -> list[Outcome]:
    try:
        tests = rule_tests.read(read_toml(path))
    except FleetError as error:
        raise _refused(path, error) from error
    rules = _fleet(path.parent / tests.fleet) if tests.fleet else fleet.built_in()
    return [rule_tests.run(test, rules) for test in tests.test]


def _fleet(path: Path) -> Fleet:
    try:
        return fleet.read(read_toml(path))
    except FleetError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: FleetError) -> CommandError:
    problems = "\n  ".join(error.problems)
    return CommandError(f"{path} is wrong:\n  {problems}", "mend what is named", EXIT_BAD_FILE)


def _print(path: Path, outcome: Outcome) -> None:
    if not outcome.failures:
        click.echo(f"ok      {path.name}: {outcome.name}")
        return
    click.echo(f"FAILED  {path.name}: {outcome.name}")
    for failure in outcome.failures:
        click.echo(f"        {failure}")
    click.echo("        What happened:")
    for line in rule_tests.time_line(outcome):
        click.echo(f"        {line}")


def _document(outcomes: list[tuple[Path, Outcome]]) -> dict[str, object]:
    return {
        "schema": 1,
        "tests": [
            {
                "file": str(path),
                "name": outcome.name,
                "failures": outcome.failures,
                "mails": [
                    {"at_s": mail.at - BEGIN, "kind": mail.kind.value, "rules": list(mail.rules)}
                    for mail in outcome.mails
                ],
            }
            for path, outcome in outcomes
        ],
    }
