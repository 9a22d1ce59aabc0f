"""Read the configuration of a Mosquitto that somebody else set up, before adding to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Where one of these stands elsewhere, both would be wrong: Mosquitto takes the last, or refuses.
_OURS_ALONE: Final = ("acl_file", "password_file", "auth_plugin", "plugin")


@dataclass(frozen=True, slots=True)
class Existing:
    """What stands there. `conflicts` forbid a drop-in; `listeners` will ask for passwords too."""

    conflicts: tuple[str, ...]
    listeners: tuple[str, ...]
    pid_file: Path | None


def examine(files: Mapping[Path, str], port: int) -> Existing:
    """Read all the configuration files but our own, to add a listener on `port`."""
    conflicts: list[str] = []
    listeners: list[str] = []
    pid_file: Path | None = None
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            key, _, value = line.strip().partition(" ")
            value = value.strip()
            where = f"{path}, line {number}: {line.strip()}"
            if key in _OURS_ALONE or (key, value) == ("per_listener_settings", "true"):
                conflicts.append(where)
            elif key in {"listener", "port"}:
                taken = value.split(" ")[0] == str(port)
                (conflicts if taken else listeners).append(where)
            elif key == "pid_file":
                pid_file = Path(value)
    return Existing(tuple(conflicts), tuple(listeners), pid_file)
