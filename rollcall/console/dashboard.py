"""`rollcall dashboard`: let someone into the dashboard."""

import json
import sys
import time

import click

from rollcall.console.options import CommandError, Options, shared
from rollcall.dashboard.entry import LEAST_PASSWORD, LINK_LASTS_S, Entry
from rollcall.dashboard.listening import listening


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


def _ask() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
