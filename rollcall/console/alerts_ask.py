"""`rollcall alerts list|ack|silence|test`: what the alert service is asked over the broker."""

import datetime as dt
import getpass
import json
import re
import time
from typing import Any, Final

import click
from pydantic import JsonValue

from rollcall.console import words
from rollcall.console.alerts_table import print_alerts, print_silences
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import CommandError, Options, shared
from rollcall.console.request import ask
from rollcall.service.settings import seconds_of

_SERVICE: Final = "alerts"
# Connecting, each command and the word after the mail may take their time.
_TEST_WITHIN_S: Final = 180.0


class _Span(click.ParamType[float]):
    """A span such as 30m, 1h or 2d, in seconds."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it; a mistake is wrong usage."""
        if not re.fullmatch(r"[0-9]{1,6}[smhd]", str(value)):
            self.fail(f"{value!r} is no span of time; write 30m, 1h or 2d", param, ctx)
        return seconds_of(str(value))


class _Moment(click.ParamType[float]):
    """A time such as 22:00 or 2026-01-05T22:00, of this host, as Unix seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it; a time of day is the next one."""
        now = dt.datetime.now().astimezone()
        text = str(value)
        try:
            if re.fullmatch(r"\d{2}:\d{2}", text):
                at = dt.datetime.combine(now.date(), dt.time.fromisoformat(text)).astimezone()
                return (at if at > now else at + dt.timedelta(days=1)).timestamp()
            return dt.datetime.fromisoformat(text).astimezone().timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time; write 22:00 or 2026-01-05T22:00", param, ctx)


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Pending ones too.")
@shared
@click.pass_obj
def list_alerts(options: Options, everything: bool) -> None:  # noqa: FBT001 - click's way
    """Show what fires: state, value, limit, incident, and who was told, or why nobody was."""
    result = _ask(options, "list", {"all": everything})
    _show(options, result, lambda: print_alerts(result, time.time()))


@click.command()
@click.argument("incident")
@click.option("-m", "--message", default="", help="What you do about it.")
@shared
@click.pass_obj
def ack(options: Options, incident: str, message: str) -> None:
    """Take INCIDENT on: no reminder, no update; its end is told, and so is anything new in it."""
    keys = {"incident": incident, "by": _user(), "message": message}
    result = _ask(options, "ack", keys)
    told = f"{result['incident']} is yours: {result['rule']} {result['scope']}".rstrip()
    _show(options, result, lambda: click.echo(told))


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@click.option("--rule", default="*", help="Only alerts of this rule (a glob).")
@click.option("--instance", default="*", help="Only this instance (a glob), such as /var.")
@click.option("--for", "for_s", type=_Span(), default="1h", help="How long; default: 1h.")
@click.option("--from", "starts", type=_Moment(), help="Begin later: a maintenance window.")
@click.option("-m", "--message", default="", help="Why.")
@click.option("--list", "listed", is_flag=True, help="Show the silences there are.")
@click.option("--end", "ended", metavar="ID", help="End a silence now.")
@shared
@click.pass_obj
def silence(options: Options, /, nodes: tuple[str, ...], **asked: Any) -> None:
    """Tell nobody of alerts on NODEs for a while.

    A NODE is a name, a glob ('web-*'), label:KEY=VALUE, or group:NAME of the fleet document. What
    still fires when the silence ends is told then.
    """
    if asked["listed"]:
        result = _ask(options, "silences", {})
        _show(options, result, lambda: print_silences(result["silences"], time.time()))
    elif asked["ended"] is not None:
        result = _ask(options, "end_silence", {"silence": asked["ended"]})
        _show(options, result, lambda: click.echo(f"{result['id']} is ended"))
    elif not nodes:
        raise click.UsageError("name a NODE, or use --list or --end ID")
    else:
        keys = {
            "nodes": list(nodes),
            "rule": asked["rule"],
            "instance": asked["instance"],
            "for": asked["for_s"],
            "starts": asked["starts"],
            "comment": asked["message"] or f"by {_user()}",
        }
        result = _ask(options, "silence", {k: v for k, v in keys.items() if v is not None})
        ends = words.iso(result["ends"])
        _show(options, result, lambda: click.echo(f"{result['id']} until {ends}"))


@click.command()
@click.option("--to", help="Somebody else than the readers of [mail] to.")
@shared
@click.pass_obj
def test(options: Options, to: str | None) -> int:
    """Send one real mail, and show the conversation with the mail server, without secrets.

    Exit code 0 only when the server has accepted it.
    """
    _ask(options, "silences", {})  # whether anybody is there, before the long wait
    result = _ask(options, "test", {"to": to} if to else {}, within_s=_TEST_WITHIN_S)

    def show() -> None:
        for line in result["dialogue"]:
            click.echo(line)
        verdict = "accepted" if result["accepted"] else f"NOT accepted: {result['why']}"
        click.echo(f"mail to {result['to']}: {verdict}")

    _show(options, result, show)
    return 0 if result["accepted"] else 1


def _ask(
    options: Options, command: str, keys: dict[str, Any], within_s: float = 10.0
) -> dict[str, Any]:
    result: JsonValue = ask(options.settings().broker, _SERVICE, command, keys, within_s=within_s)
    if not isinstance(result, dict):
        raise CommandError("the alert service gave an answer without content", "again with -vv")
    return result


def _show(options: Options, result: dict[str, Any], show: Any) -> None:
    if options.json:
        click.echo(json.dumps({"schema": 1, **result}, indent=2))
    else:
        show()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
