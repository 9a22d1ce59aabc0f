"""Which broker folder a command means."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rollcall.broker.broker_folder import SYSTEM_FOLDER
from rollcall.service.settings import data_folder

_Command = TypeVar("_Command", bound=Callable[..., Any])


def default_folder() -> Path:
    """Give root's folder of the system, or the user's own."""
    return SYSTEM_FOLDER if os.geteuid() == 0 else data_folder() / "broker"


def folder_option(command: _Command) -> _Command:
    """Add `--folder` to a command; it arrives as an absolute path named `folder`."""
    option = click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
        default=default_folder,
        metavar="DIR",
        help=f"The broker's folder; default: {SYSTEM_FOLDER} for root, else the user's own.",
    )
    return option(command)
