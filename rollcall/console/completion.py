"""`rollcall completion SHELL`: what a shell has to know to complete commands, options and nodes."""

import sys
from typing import Final

import click
from click.shell_completion import get_completion_class

from rollcall.console.options import CommandError, shared

_SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_ROLLCALL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@shared
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and the names of nodes.

    For bash: eval "$(rollcall completion bash)", in ~/.bashrc; likewise for zsh in ~/.zshrc. For
    fish: rollcall completion fish > ~/.config/fish/completions/rollcall.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise CommandError(f"this version of click knows no {shell}", "another shell")
    click.echo(made(context.find_root().command, {}, "rollcall", _VARIABLE).source())
    if sys.stdout.isatty():
        click.echo(f'to use it: eval "$(rollcall completion {shell})"', err=True)
