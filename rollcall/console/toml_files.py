"""Reading a TOML file that a person named on the command line."""

import tomllib
from pathlib import Path
from typing import Any, Final

from rollcall.console.options import CommandError

EXIT_BAD_FILE: Final = 78


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises CommandError with exit code 78, saying what and where."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}", f"ls -l {path}", EXIT_BAD_FILE
        ) from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path} is not UTF-8 text", "save it as UTF-8", EXIT_BAD_FILE
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"{path}: {error}", "mend that line", EXIT_BAD_FILE) from error
