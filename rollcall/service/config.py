"""One TOML file, the environment and secrets into frozen settings.

Default < the file < `ROLLCALL_SECTION__KEY`. All faults come in one error, each with its
origin and, for an unknown key, the nearest known one.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rollcall.service.settings import Settings, data_folder

_PREFIX: Final = "ROLLCALL_"
_CREDENTIALS: Final = "${CREDENTIALS_DIRECTORY}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake and where it stands: `line 12`, or the name of an environment variable."""

    origin: str
    text: str

    def __str__(self) -> str:
        return f"{self.origin}  {self.text}" if self.origin else self.text


class ConfigError(Exception):
    """The configuration is wrong; `faults` are all of its mistakes."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        count = "1 mistake" if len(faults) == 1 else f"{len(faults)} mistakes"
        super().__init__("\n".join((f"{count} in {source}", *(f"  {fault}" for fault in faults))))
        self.faults = faults


def runtime_file() -> Path:
    """Give the file that a running `rollcall up` leaves, so that other commands find it."""
    return data_folder() / "up" / "rollcall.toml"


def find_file(environ: Mapping[str, str]) -> Path | None:
    """Find the configuration file: the user's, the system's, or that of a running `up`."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    candidates = (home / "rollcall/rollcall.toml", Path("/etc/rollcall/rollcall.toml"))
    return next((path for path in (*candidates, runtime_file()) if path.is_file()), None)


def load(file: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `file` (default: `find_file`) and the environment.

    Raises ConfigError with every mistake at once.
    """
    path = file or find_file(environ)
    text, tree = _read(path) if path else ("", {})
    from_environment = _overrides(environ)
    for (section, key), (_, value) in from_environment.items():
        table = tree.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = value
    _expand_credentials(tree, environ.get("CREDENTIALS_DIRECTORY"))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        faults = [
            _fault(detail, text, from_environment)
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError(str(path or "the environment"), faults) from error


def origins(file: Path | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Say where each key that is set comes from: `FILE line 12`, or an environment variable.

    Keys are dotted, `section.key`; where a value is a table also `section.key.name`. What is not
    in it is a default. Raises ConfigError when the file cannot be read.
    """
    path = file or find_file(environ)
    text, tree = _read(path) if path else ("", {})
    found = {
        ".".join(keys): f"{path} {_line_of_path(keys, text)}".rstrip()
        for keys in _paths((), tree)
        if len(keys) > 1
    }
    for (section, key), (variable, value) in _overrides(environ).items():
        for keys in (*_paths((section, key), value), (section, key)):
            found[".".join(keys)] = variable
    return found


def read_secret(path: Path) -> str:
    """Read a secret from its file, without the line end. Raises ConfigError when that fails."""
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(str(path), [Fault("", f"the secret cannot be read: {why}")]) from error


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        if _is_planted(path):
            why = "lies in the current folder, and root, who runs this, does not own it"
            raise ConfigError(str(path), [Fault("", f"{why}; chown root {path}, if it is yours")])
        text = path.read_text("utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigError(str(path), [Fault("", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [Fault("", "is not UTF-8")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [Fault("", f"is not TOML: {error}")]) from error


def _is_planted(path: Path) -> bool:
    """Say whether root is led to a file that somebody else may have put where root stands."""
    foreign = os.geteuid() == 0 and path.stat().st_uid != 0
    return foreign and path.absolute().parent.resolve() == Path.cwd()


def _overrides(environ: Mapping[str, str]) -> dict[tuple[str, str], tuple[str, Any]]:
    """Collect `ROLLCALL_SECTION__KEY` as (section, key) to (variable, value)."""
    found = {}
    for name, raw in environ.items():
        section, separator, key = name.removeprefix(_PREFIX).partition("__")
        if name.startswith(_PREFIX) and separator:
            found[section.lower(), key.lower()] = (name, _value(raw))
    return found


def _value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _expand_credentials(table: dict[str, Any], folder: str | None) -> None:
    for key, value in table.items() if folder else ():
        if isinstance(value, dict):
            _expand_credentials(value, folder)
        elif key.endswith("_file") and isinstance(value, str):
            table[key] = value.replace(_CREDENTIALS, str(folder))


def _fault(
    detail: ErrorDetails, text: str, overrides: Mapping[tuple[str, str], tuple[str, Any]]
) -> Fault:
    path = [str(part) for part in detail["loc"]]
    section, key = path[0], path[1] if len(path) > 1 else ""
    label = f"[{section}] {key}".strip()
    if detail["type"] == "extra_forbidden":
        message = f"{label}: unknown key{_nearest(path)}"
    else:
        message = f"{label}: {detail['msg'].removeprefix('Value error, ')}"
    override = overrides.get((section, key))
    return Fault(override[0] if override else _line_of(section, key, text), message)


def _nearest(path: list[str]) -> str:
    model: Any = Settings
    for name in path[:-1]:
        field = model.model_fields.get(name)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    known = [field.alias or name for name, field in model.model_fields.items()]
    # Imported for those who make a mistake: an agent has to save memory.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    near = get_close_matches(path[-1], known, n=1, cutoff=0.5)
    return f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(sorted(known))}"


def _line_of(section: str, key: str, text: str) -> str:
    """Find the line of a key; tomllib gives positions for syntax errors only."""
    here = ""
    section_line = ""
    for number, line in enumerate(text.splitlines(), 1):
        table = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if table:
            here = table[1]
        if (table and here == section) or (not here and _assigns(section, line)):
            section_line = f"line {number}"
        elif here == section and _assigns(key, line):
            return f"line {number}"
    return section_line


def _paths(above: tuple[str, ...], value: Any) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [above]
    return [path for key, below in value.items() for path in _paths((*above, key), below)]


def _line_of_path(keys: tuple[str, ...], text: str) -> str:
    """Find the line of a key that may stand in a table of its own, or dotted in one above it."""
    ends = range(len(keys) - 1, 0, -1)
    lines = (_line_of(".".join(keys[:end]), ".".join(keys[end:]), text) for end in ends)
    return next((line for line in lines if line), "")


def _assigns(key: str, line: str) -> bool:
    return re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line) is not None
