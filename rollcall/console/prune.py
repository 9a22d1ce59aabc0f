"""`rollcall prune`: forget now what is older than it is kept; the recorder does the work."""

import json
import time
from typing import Final

import click
from pydantic import BaseModel, ValidationError
from rich.table import Table

from rollcall.console.options import CommandError, Options, shared
from rollcall.console.request import ask
from rollcall.console.terminal import console

_MIB: Final = 1024 * 1024


class _Level(BaseModel):
    level: str
    before: float | None
    rows: int
    bytes: int


class _Plan(BaseModel):
    levels: list[_Level]
    database_bytes: int
    pruning: bool


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@shared
@click.pass_obj
def prune(options: Options, *, dry_run: bool) -> None:
    """Forget now what is older than [recorder] keep says, instead of once a day.

    It says first how much that is. The recorder goes on recording meanwhile.
    """
    settings = options.settings()
    answer = ask(settings.broker, settings.recorder.name, "prune", {"dry_run": dry_run})
    try:
        plan = _Plan.model_validate(answer)
    except ValidationError as error:
        raise CommandError("the recorder's answer is none we know", "the same version") from error
    if options.json:
        click.echo(json.dumps({"schema": 1, **plan.model_dump()}))
        return
    _show(plan)


def _show(plan: _Plan) -> None:
    table = Table("level", "kept from", "at most", "about", box=None)
    for level in plan.levels:
        since = "the beginning"
        if level.before:
            since = time.strftime("%Y-%m-%d", time.gmtime(level.before))
        size = f"{level.bytes / _MIB:,.1f} MiB"
        table.add_row(level.level, since, f"{level.rows:,} rows go", size)
    console().print(table)
    gone = sum(level.bytes for level in plan.levels)
    now, then = plan.database_bytes / _MIB, max(plan.database_bytes - gone, 0) / _MIB
    click.echo(f"of {now:,.1f} MiB about {then:,.1f} remain in use; the file keeps its size")
    done = "the recorder has begun; it goes on recording" if plan.pruning else "nothing was done"
    click.echo(done, err=True)
