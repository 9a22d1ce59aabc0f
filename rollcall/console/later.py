"""Commands whose modules are imported only when they are used.

`rollcall status` on a node needs neither the memory nor the packages of the hub's commands.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from rollcall.console.options import CommandError, ReaderLeftError


class LaterGroup(click.Group):
    """A group that also has the commands of `later`: name to (module, extra of the package).

    The command is found in its module under its own name.
    """

    def __init__(self, *args: Any, later: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self._later = later

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises ReaderLeftError where click would exit with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any of them."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*map(CompletionItem, names), *options]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, those that are not imported yet too."""
        return sorted({*super().list_commands(ctx), *self._later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command; for one whose packages are missing, one that says so."""
        if cmd_name not in self._later:
            return super().get_command(ctx, cmd_name)
        module, extra = self._later[cmd_name]
        try:
            found: click.Command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as error:
            return _missing(cmd_name, str(error.name), extra)
        return found


def _missing(command: str, package: str, extra: str) -> click.Command:
    def explain(**_: object) -> None:
        raise CommandError(
            f"rollcall {command} needs the package {package}",
            f"pip install 'rollcall-mqtt[{extra}]'",
        )

    return click.Command(
        command,
        callback=explain,
        help=f"(needs the package {package})",
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
    )
