"""`rollcall man`: the manual page."""

import shutil
import subprocess
import sys

import click

from rollcall import __version__
from rollcall.console.manual import manual
from rollcall.console.options import shared


@click.command()
@shared
@click.pass_context
def man(context: click.Context) -> None:
    """Show the manual page; in a pipe or a file its source.

    To install it: rollcall man > /usr/local/share/man/man1/rollcall.1
    """
    root = context.find_root().command
    assert isinstance(root, click.Group)
    text = manual(root, __version__)
    reader = shutil.which("man")
    if sys.stdout.isatty() and reader is not None:
        subprocess.run([reader, "-l", "-"], input=text, text=True, check=False)  # noqa: S603 - the system's own
        return
    click.echo(text, nl=False)
