"""Which files a service is given as credentials, and which folders it writes: from its settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcall.service.settings import Section, Settings

_STORE: Final = Path("/etc/credstore")
_PLACEHOLDER: Final = "${CREDENTIALS_DIRECTORY}/"
_SECTIONS: Final = {
    "agent": ("broker",),
    "broker": (),
    "recorder": ("broker",),
    "alerts": ("broker", "mail"),
    "dashboard": ("broker", "dashboard"),
    "lcd": ("broker",),
}
_SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Credential:
    """A file that systemd hands to a service: `variable` overrides the path in its settings."""

    name: str
    source: Path
    variable: str | None = None


def credentials(role: str, settings: Settings) -> list[Credential]:
    """Give the credentials of a role.

    A path in the configuration becomes a credential. One that says `${CREDENTIALS_DIRECTORY}/NAME`
    already comes from /etc/credstore/NAME.
    """
    found = []
    for section in _SECTIONS[role]:
        for key, path in _files(getattr(settings, section)):
            variable = f"ROLLCALL_{section.upper()}__{key.upper()}"
            stored = _stored(path)
            found.append(stored or Credential(f"{section}.{key}", path.absolute(), variable))
    if role == "alerts":
        nested = (file for _, _, file in _of_receivers(settings))
        found += [stored for path in nested if (stored := _stored(path))]
    return found


def unreachable(role: str, settings: Settings) -> list[tuple[str, Path]]:
    """Give the files, with their keys, that stay where they are for want of a variable."""
    if role != "alerts":
        return []
    return [
        (f"[mail.receivers.{name}] {key}", path)
        for name, key, path in _of_receivers(settings)
        if _stored(path) is None
    ]


def written(role: str, settings: Settings) -> list[tuple[str, Path]]:
    """Give the folders, with their keys, that were chosen for what a role writes."""
    found: list[tuple[str, Path]] = []
    if role == "recorder" and "database" in settings.recorder.model_fields_set:
        url = settings.recorder.database
        if url.startswith(_SQLITE):
            file = Path(url.removeprefix(_SQLITE)).expanduser()
            found.append(("[recorder] database", file.parent))
    elif role == "alerts":
        if "state_dir" in settings.alerts.model_fields_set:
            found.append(("[alerts] state_dir", settings.alerts.state_dir))
        if "folder" in settings.mail.model_fields_set:
            found.append(("[mail] folder", settings.mail.folder))
    elif role == "dashboard" and "state_dir" in settings.dashboard.model_fields_set:
        found.append(("[dashboard] state_dir", settings.dashboard.state_dir))
    return found


def _files(section: Section) -> Iterator[tuple[str, Path]]:
    for key in type(section).model_fields:
        path = getattr(section, key)
        if key.endswith("_file") and path is not None:
            yield key, path


def _of_receivers(settings: Settings) -> Iterator[tuple[str, str, Path]]:
    for name, receiver in settings.mail.receivers.items():
        for key, path in _files(receiver):
            yield name, key, path


def _stored(path: Path) -> Credential | None:
    text = str(path)
    if not text.startswith(_PLACEHOLDER):
        return None
    name = text.removeprefix(_PLACEHOLDER)
    return Credential(name, _STORE / name)
