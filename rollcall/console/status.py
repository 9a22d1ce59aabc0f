"""`rollcall status`: the cluster at a glance, worst first."""

import json
import sys
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollcall.console import words
from rollcall.console.gather import gather, now
from rollcall.console.marks import MARKS
from rollcall.console.options import (
    EXIT_CRITICAL,
    EXIT_WARNINGS,
    CommandError,
    Options,
    shared,
)
from rollcall.console.summary import Row, Summary, document, summarize

_PIPE_WIDTH: Final = 200


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@shared
@click.pass_obj
def status(options: Options, nodes: tuple[str, ...]) -> int:
    """Show every node (or only NODE...), worst first, with the age of what is known.

    Exit code 0: all well; 3: warnings or stale nodes; 4: critical or offline nodes.
    """
    cluster, unreadable = gather(options.settings().broker)
    moment = now()
    summary = summarize(cluster, moment, nodes)
    unknown = sorted(set(nodes) - {row.node for row in summary.rows})
    if unknown:
        raise CommandError(f"no such node: {', '.join(unknown)}", "rollcall status")
    if options.json:
        click.echo(json.dumps(document(summary, moment), indent=2))
    else:
        _print(summary, unreadable)
    return exit_code(summary)


def exit_code(summary: Summary) -> int:
    """Give 4 for critical or offline nodes, 3 for warnings and stale ones, else 0."""
    verdicts = {row.verdict for row in summary.rows}
    if verdicts & {"critical", "offline"}:
        return EXIT_CRITICAL
    return EXIT_WARNINGS if verdicts - {"ok"} else 0


def _print(summary: Summary, unreadable: int) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    unicode = (console.encoding or "").lower().startswith("utf")
    console.print(Text(summary.headline))
    if summary.rows:
        console.print(_table(summary.rows, unicode=unicode))
    else:
        console.print("Start an agent: rollcall run agent, or rollcall up for all of it.")
    for remark in summary.remarks:
        console.print(Text(remark, style="yellow"))
    if unreadable:
        console.print(f"{unreadable} retained messages are unreadable; see the view rejected.")


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
        degrees = words.degrees(row.celsius)
        table.add_row(
            Text(mark if unicode else word, style=style),
            Text(row.node),
            Text(row.verdict, style=style),
            words.percent(row.cpu_percent),
            words.percent(row.memory_percent),
            words.percent(row.disk_percent),
            degrees if unicode else degrees.replace("°", "C"),
            "-" if row.uptime_s is None else words.age(row.uptime_s),
            words.age(row.age_s),
            Text(row.remark),
        )
    return table
