"""`rollcall dashboard`: let someone into the dashboard."""

import json
import sys
import time
from typing import Final

import click

from rollcall.console.options import CommandError, Options, shared
from rollcall.dashboard.entry import LEAST_PASSWORD, LINK_LASTS_S, Entry
from rollcall.dashboard.listening import listening
from rollcall.dashboard.tokens import Tokens

_USAGE: Final = 2


@click.group()
@shared
def dashboard() -> None:
    """Let someone into the dashboard."""


@dashboard.command()
@shared
@click.pass_obj
def link(options: Options) -> None:
    """Print a link that logs a browser in, once, within five minutes."""
    settings = options.settings().dashboard
    place = listening(settings)
    try:
        token = Entry(settings.state_dir).make_link(time.time())
    except OSError as error:
        raise CommandError(
            f"cannot write into {settings.state_dir}: {error.strerror}",
            "run this as the user whom the dashboard runs as",
        ) from error
    url = f"{place.url}/login/{token}"
    if options.json:
        click.echo(json.dumps({"schema": 1, "url": url, "valid_seconds": LINK_LASTS_S}))
        return
    click.echo(url)
    click.echo("It works once, for five minutes. Whoever opens it is in.", err=True)


@dashboard.command()
@click.option("--remove", is_flag=True, help="Take the password away; links work as before.")
@shared
@click.pass_obj
def password(options: Options, *, remove: bool) -> None:
    """Set a password for the dashboard; every open session ends.

    It is asked for twice, or read from standard input when that is no terminal.
    """
    entry = Entry(options.settings().dashboard.state_dir)
    try:
        entry.set_password(None if remove else _ask())
    except ValueError as error:
        raise CommandError(str(error), f"use {LEAST_PASSWORD} characters or more") from error
    except OSError as error:
        raise CommandError(
            f"cannot keep the password: {error}", "run this as the user whom the dashboard runs as"
        ) from error
    click.echo("The password was removed." if remove else "The password was set.")


@dashboard.command()
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Make the token NAME worthless.")
@shared
@click.pass_obj
def token(options: Options, name: str | None, *, remove: bool) -> None:
    """Make a token for a program that scrapes /metrics, such as Prometheus.

    It is shown this once. Without NAME: list the names of all tokens.
    """
    tokens = Tokens(options.settings().dashboard.state_dir)
    if name is None:
        if remove:
            raise CommandError("which token?", "rollcall dashboard token NAME --remove", _USAGE)
        _list(tokens.names(), options)
        return
    try:
        made = None if remove else tokens.make(name, time.time())
        there = not remove or tokens.remove(name)
    except ValueError as error:
        raise CommandError(str(error), "another name, or --remove first", _USAGE) from error
    except OSError as error:
        raise CommandError(
            f"cannot keep the token: {error}", "run this as the user whom the dashboard runs as"
        ) from error
    if not there:
        raise CommandError(f"there is no token {name}", "rollcall dashboard token")
    if options.json:
        click.echo(json.dumps({"schema": 1, "name": name, "token": made}))
    elif made is None:
        click.echo(f"The token {name} opens nothing any more.")
    else:
        click.echo(made)
        click.echo("It is not shown again. Whoever has it may read /metrics.", err=True)


def _list(names: list[str], options: Options) -> None:
    if options.json:
        click.echo(json.dumps({"schema": 1, "tokens": names}))
        return
    for name in names:
        click.echo(name)
    if not names:
        click.echo("no token: /metrics is off", err=True)


def _ask() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
