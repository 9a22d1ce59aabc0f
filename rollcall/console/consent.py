"""Asking before something is replaced, removed or put into force."""

import sys
from pathlib import Path
from typing import Final

import click

from rollcall.console.options import CommandError

NOBODY: Final = "nobody is there to confirm"
_USAGE: Final = 2


def confirm(question: str, *, unasked: str, remedy: str) -> None:
    """Go on after a yes; after a no, end with exit code 1.

    Raises CommandError, with `unasked` and `remedy`, where nobody is there to ask.
    """
    if not sys.stdin.isatty():
        raise CommandError(unasked, remedy, _USAGE)
    if not click.confirm(question, err=True):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)


def confirm_replacing(file: Path) -> None:
    """Ask before a file that is there is written anew."""
    there = f"{file} is there already"
    confirm(f"{there}. Replace it?", unasked=there, remedy="--yes, or another FILE")
