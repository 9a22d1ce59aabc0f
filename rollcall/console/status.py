"""`rollcall status`: the cluster at a glance, worst first."""

import json
from collections.abc import Sequence
from dataclasses import replace

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollcall.console import words
from rollcall.console.fallback import dated, from_database
from rollcall.console.gather import gather, now
from rollcall.console.known_rows import rows_of
from rollcall.console.marks import MARKS
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import (
    EXIT_CRITICAL,
    EXIT_OUT_OF_REACH,
    EXIT_WARNINGS,
    CommandError,
    Options,
    shared,
)
from rollcall.console.recording import clock
from rollcall.console.row_numbers import numbers
from rollcall.console.summary import Row, Summary, document, summarize
from rollcall.console.terminal import console, has_shapes
from rollcall.service.settings import Settings


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@shared
@click.pass_obj
def status(options: Options, nodes: tuple[str, ...]) -> int:
    """Show every node (or only NODE...), worst first, with the age of what is known.

    While the broker is out of reach it shows what is in the database, and says so.

    Exit code 0: all well; 3: warnings or stale nodes; 4: critical or offline nodes; 5: the broker
    is out of reach.
    """
    settings = options.settings()
    try:
        cluster, unreadable = gather(settings.broker)
    except CommandError as away:
        if away.code != EXIT_OUT_OF_REACH:
            raise
        _show_recorded(options, settings, nodes, away)
        raise
    moment = now()
    summary = summarize(cluster, moment, nodes)
    summary = replace(summary, recording=dated(summary.recording, settings))
    unknown = sorted(set(nodes) - {row.node for row in summary.rows})
    if unknown:
        raise CommandError(f"no such node: {', '.join(unknown)}", "rollcall status")
    if options.json:
        click.echo(json.dumps(document(summary, moment), indent=2))
    else:
        _print(summary, unreadable, moment.wall_s)
    return exit_code(summary)


def exit_code(summary: Summary) -> int:
    """Give 4 for critical or offline nodes, 3 for warnings and stale ones, else 0."""
    verdicts = {row.verdict for row in summary.rows}
    if verdicts & {"critical", "offline"}:
        return EXIT_CRITICAL
    return EXIT_WARNINGS if verdicts - {"ok"} else 0


def _show_recorded(
    options: Options, settings: Settings, nodes: Sequence[str], away: CommandError
) -> None:
    def known() -> list[Row]:
        from rollcall.console.from_database import known_last  # noqa: PLC0415 - as in `fallback`

        return rows_of(known_last(settings.recorder.database), now().wall_s, nodes)

    rows = from_database(away, known)
    unknown = sorted(set(nodes) - {row.node for row in rows})
    if unknown:
        what = f"{away}\n  and the database knows nothing of {', '.join(unknown)}"
        raise CommandError(what, away.remedy, away.code)
    moment = now()
    summary = Summary(rows, [])
    if options.json:
        told = document(summary, moment, "database")
        click.echo(json.dumps(told | {"broker": str(away)}, indent=2))
        return
    screen, unicode = console(), has_shapes()
    screen.print(Text(_said_from(rows, moment.wall_s), style="yellow"))
    _print_rows(screen, summary, unicode=unicode)


def _said_from(rows: Sequence[Row], now_s: float) -> str:
    """Say that this is not from the broker, and how old it is."""
    ages = [row.age_s for row in rows if row.age_s is not None]
    if not ages:
        return "The broker is out of reach. The database knows nothing newer."
    newest = f"{clock(now_s - min(ages), now_s)}, {words.age(min(ages))} ago"
    return (
        f"The broker is out of reach. Values come from the database, the newest of {newest}; "
        "those in (brackets) are no longer fresh."
    )


def _print(summary: Summary, unreadable: int, now_s: float) -> None:
    screen = console()
    _print_rows(screen, summary, unicode=has_shapes())
    for remark in filter(None, [summary.recording.remark(now_s), *summary.remarks]):
        screen.print(Text(remark, style="yellow"))
    if unreadable:
        screen.print(f"{unreadable} retained messages are unreadable; see the view rejected.")


def _print_rows(screen: Console, summary: Summary, *, unicode: bool) -> None:
    screen.print(Text(summary.headline))
    if summary.rows:
        screen.print(_table(summary.rows, unicode=unicode))
    else:
        screen.print("Start an agent: rollcall run agent, or rollcall up for all of it.")


def _table(rows: list[Row], *, unicode: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("NODE", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    for name in ("CPU", "MEM", "DISK", "TEMP", "UPTIME", "AGE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in rows:
        mark, word, style = MARKS[row.verdict]
        table.add_row(
            Text(mark if unicode else word, style=style),
            Text(row.node),
            Text(row.verdict, style=style),
            *numbers(row, unicode=unicode),
            words.age(row.age_s),
            Text(row.remark),
        )
    return table
