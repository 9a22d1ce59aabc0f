"""`rollcall doctor`: find what is wrong, and say what to try."""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from rollcall.console.consent import confirm_replacing
from rollcall.console.doctor import journey, report, telling
from rollcall.console.doctor.examination import Examined, examine, pasted
from rollcall.console.doctor.findings import document, exit_code
from rollcall.console.doctor.following import follow
from rollcall.console.hub import require_node_name
from rollcall.console.options import CommandError, Options, shared

_USAGE: Final = 2


@click.command()
@click.option("--node", metavar="NODE", help="Follow a reading of NODE on its way instead.")
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all of it into FILE for whoever is to help, without secrets.",
)
@click.option("--yes", is_flag=True, help="Replace FILE without asking.")
@shared
@click.pass_obj
def doctor(options: Options, *, node: str | None, file: Path | None, yes: bool) -> int:
    """Look at configuration, broker, services, database and every node, the worst first.

    Whatever is not well comes with one command to try. Exit code 0: all well; 3: something to see
    to; 4: something does not work; 5: broker or database out of reach; 78: wrong configuration.
    """
    if node is not None:
        if file is not None:
            raise CommandError("--node and --report do not go together", "one of them", _USAGE)
        return _follow(options, node)
    if file is not None and file.exists() and not yes:
        confirm_replacing(file)
    examined = examine(options, wait=_waiting)
    if file is not None:
        _write(file, options, examined)
    elif options.json:
        click.echo(json.dumps(document(examined.findings, time.time()), indent=2))
    else:
        telling.say(examined.findings)
    return exit_code(examined.findings)


def _follow(options: Options, node: str) -> int:
    require_node_name(node)
    seen = follow(options, node, wait=_waiting)
    (end,) = pasted([journey.conclusion(seen)], options)
    if options.json:
        click.echo(json.dumps(journey.document(seen, end), indent=2))
    else:
        telling.say_way(journey.steps(seen), end)
    return end.exit_code


def _write(file: Path, options: Options, examined: Examined) -> None:
    as_json = options.json or file.suffix == ".json"
    try:
        report.write(file, examined, time.time(), as_json=as_json)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}", "another FILE") from error
    found = len([one for one in examined.findings if one.verdict != "ok"])
    click.echo(f"Wrote {file}: {found} findings. Read it before you send it.", err=True)


def _waiting(text: str) -> contextlib.AbstractContextManager[object]:
    """Say on a terminal what is waited for."""
    if sys.stderr.isatty():
        return Console(stderr=True).status(text)
    return contextlib.nullcontext()
