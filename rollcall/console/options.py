"""What every command takes, before and after its name: `--config`, `--json`, `-v`, `--color`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from rollcall.service import config
from rollcall.service.settings import Settings

EXIT_WARNINGS: Final = 3
EXIT_CRITICAL: Final = 4
EXIT_OUT_OF_REACH: Final = 5

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Color(StrEnum):
    """When output has colours: on a terminal that has not asked for none, always, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass
class Options:
    """The options in force; given twice, the later one wins."""

    config: Path | None = None
    json: bool = False
    verbose: int = 0
    color: Color = Color.AUTO

    def settings(self) -> Settings:
        """Read the configuration. Raises ConfigError."""
        return config.load(self.config, os.environ)


class CommandError(Exception):
    """What went wrong and why, one thing to try, and the exit code."""

    def __init__(self, what: str, remedy: str, code: int = 1) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.code = code


class ReaderLeftError(Exception):
    """Whoever read our output through a pipe has left."""


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    options = context.ensure_object(Options)
    given = context.get_parameter_source(str(parameter.name)) is not ParameterSource.DEFAULT
    if given:
        setattr(options, str(parameter.name), value)


def shared(command: _Command) -> _Command:
    """Add the shared options to a command or group."""
    for option in (
        click.option(
            "--config",
            # Whether it can be read is the reader's to say, with exit code 78.
            type=click.Path(dir_okay=False, readable=False, path_type=Path),
            metavar="FILE",
            help="The configuration file; default: the first one found.",
            expose_value=False,
            callback=_remember,
        ),
        click.option(
            "--json",
            is_flag=True,
            help="Print one JSON document.",
            expose_value=False,
            callback=_remember,
        ),
        click.option(
            "-v",
            "--verbose",
            count=True,
            help="Say more; -vv shows tracebacks.",
            expose_value=False,
            callback=_remember,
        ),
        click.option(
            "--color",
            type=click.Choice(Color, case_sensitive=False),
            default=Color.AUTO,
            help="When to colour; auto: on a terminal, unless NO_COLOR is set.",
            expose_value=False,
            callback=_remember,
        ),
    ):
        command = option(command)
    return command
