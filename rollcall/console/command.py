"""`rollcall command`: ask nodes to do something now, and show their replies as they come."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from pydantic import JsonValue, TypeAdapter, ValidationError

from rollcall.broker.fleet.tables import Duration
from rollcall.console import words
from rollcall.console.command_round import Answered, CommandRound, Round
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import (
    EXIT_OUT_OF_REACH,
    EXIT_WARNINGS,
    Options,
    shared,
)

_FAILED: Final = 1
_SECONDS: Final = TypeAdapter[float](Duration)
_BOOST_WORDS: Final = 3
_USAGE: Final = {
    "ping": "ping",
    "report": "report",
    "boost": "boost COLLECTOR INTERVAL FOR, such as boost cpu 1s 5m",
    "processes": "processes [cpu|memory] [NUMBER], such as processes memory 10",
}


@click.command()
@click.argument("told", nargs=-1, metavar="NODE... COMMAND", shell_complete=complete_nodes)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for replies.",
)
@shared
@click.pass_obj
def command(options: Options, told: tuple[str, ...], timeout_s: float) -> int:
    """Ask nodes to do something now. A NODE may be a pattern, such as 'pi-*'.

    \b
    ping                        say that it hears
    report                      read and report everything now
    boost COLLECTOR 1s 5m       report one collector faster for a while, at most 1h
    processes [cpu|memory] [N]  name the N largest processes, at most 20

    Exit code 0: all answered; 1: one refused; 3: one gave no answer; 5: nobody did.
    """  # noqa: D301 - \b is click's
    nodes, name, keys = parse(told)
    heard = (lambda _: None) if options.json else _print
    done = CommandRound(options.settings().broker, heard).run(nodes, name, keys, timeout_s)
    if options.json:
        click.echo(json.dumps(document(name, done), indent=2))
    else:
        for node in done.offline:
            click.echo(f"{node}: offline, not asked")
        for node in done.silent:
            click.echo(f"{node}: no reply within {timeout_s:g} s")
    return exit_code(done)


def parse(told: Sequence[str]) -> tuple[list[str], str, dict[str, JsonValue]]:
    """Take the words apart: nodes, the command, its keys. Raises click.UsageError.

    The command is the first word after the first node that is one: so a node may be named `ping`.
    """
    at = next((at for at, word in enumerate(told) if at > 0 and word in _USAGE), None)
    if at is None:
        known = "; ".join(_USAGE.values())
        raise click.UsageError(f"name one or more nodes, and what they are to do: {known}")
    name = told[at]
    try:
        keys = _keys(name, told[at + 1 :])
    except (ValueError, ValidationError) as error:
        raise click.UsageError(f"it is: rollcall command NODE... {_USAGE[name]}") from error
    return list(told[:at]), name, keys


def document(name: str, done: Round) -> dict[str, JsonValue]:
    """Give the round as one document."""
    return {
        "schema": 1,
        "command": name,
        "replies": [_reply(each) for each in done.answered],
        "silent": [*done.silent],
        "offline": [*done.offline],
    }


def exit_code(done: Round) -> int:
    """Give 5 when nobody answered, 1 when one refused, 3 when one did not answer, else 0."""
    if not done.answered:
        return EXIT_OUT_OF_REACH
    if not all(each.reply.ok for each in done.answered):
        return _FAILED
    return EXIT_WARNINGS if done.silent or done.offline else 0


def lines(answered: Answered) -> list[str]:
    """Say a reply in lines; what a node says is shown without control characters."""
    reply, node = answered.reply, answered.node
    if not reply.ok:
        return [f"{node}: refused: {_shown(reply.error or 'without a reason')}"]
    result = reply.result if isinstance(reply.result, dict) else {}
    if "processes" in result:
        return [f"{node}:", *_processes(result["processes"])]
    if "reports" in result:
        return [f"{node}: {_reports(result)}"]
    if "collector" in result:
        name, interval, for_s, then = (
            _shown(result.get(key)) for key in ("collector", "interval", "for", "then")
        )
        return [f"{node}: {name} every {interval} s for {for_s} s, then every {then} s again"]
    return [f"{node}: here, agent {_shown(result.get('agent'))}, {answered.took_s * 1000:.0f} ms"]


def _keys(name: str, rest: Sequence[str]) -> dict[str, JsonValue]:
    if name == "boost":
        if len(rest) != _BOOST_WORDS:
            raise ValueError(name)
        interval_s, for_s = (round(_SECONDS.validate_python(each)) for each in rest[1:])
        return {"collector": rest[0], "interval": interval_s, "for": for_s}
    if name == "processes":
        left = list(rest)
        by = left.pop(0) if left and left[0] in {"cpu", "memory"} else "cpu"
        top = int(left.pop(0)) if left else 5
        if left:
            raise ValueError(name)
        return {"by": by, "top": top}
    if rest:
        raise ValueError(name)
    return {}


def _reply(answered: Answered) -> dict[str, JsonValue]:
    told = answered.reply.model_dump(mode="json", exclude={"id"}, exclude_none=True)
    return {"node": answered.node, "seconds": round(answered.took_s, 3), **told}


def _print(answered: Answered) -> None:
    for line in lines(answered):
        click.echo(line)


def _reports(result: Mapping[str, Any]) -> str:
    reports = result["reports"] if isinstance(result["reports"], dict) else {}
    told = f"{len(reports)} reports: {', '.join(_shown(each) for each in reports)}"
    missing = result.get("missing")
    if isinstance(missing, list) and missing:
        told += f"; not in time: {', '.join(_shown(each) for each in missing)}"
    return told


def _processes(found: JsonValue) -> list[str]:
    rows = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    table = [f"  {'PID':>8} {'USER':<12} {'CPU':>5} {'MEM':>5} {'RSS':>9}  NAME"]
    for each in rows:
        user, resident = each.get("user"), _number(each.get("resident_bytes"))
        size = "-" if resident is None else f"{resident / 1024**2:.1f} MiB"
        table.append(
            f"  {_shown(each.get('pid')):>8} {_shown(user if user is not None else '-'):<12} "
            f"{words.percent(_number(each.get('cpu_percent'))):>5} "
            f"{words.percent(_number(each.get('memory_percent'))):>5} {size:>9}  "
            f"{_shown(each.get('name'))}"
        )
    return table


def _number(value: JsonValue) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(value))[:200]
