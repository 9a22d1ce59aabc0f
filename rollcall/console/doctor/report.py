"""The report for whoever is to help: what was found, what is configured, what services say.

Without secrets: see `redaction`. What it tells of the cluster are names of nodes and files, and
versions.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rollcall import __version__
from rollcall.broker.mosquitto import MosquittoError, find_mosquitto, require_supported
from rollcall.broker.private_files import write_private
from rollcall.console import config_words
from rollcall.console.doctor import telling
from rollcall.console.doctor.examination import Examined
from rollcall.console.doctor.findings import document
from rollcall.console.doctor.redaction import redacted
from rollcall.service.settings import Settings

_LONGEST_SECRET_BYTES: Final = 65_536
_LOG_LINES: Final = 60


def write(file: Path, examined: Examined, wall_s: float, *, as_json: bool) -> None:
    """Write the report to `file`, for its owner alone; what was there is replaced. Raises OSError.

    `wall_s` in Unix seconds.
    """
    settings = examined.place.settings if examined.place else Settings()
    contents = _contents(examined, wall_s)
    text = json.dumps(contents, indent=2) if as_json else "\n".join(_as_text(contents, examined))
    write_private(file, redacted(text, secrets_of(settings)) + "\n")


def secrets_of(settings: Settings) -> list[str]:
    """Give what is secret in the configuration and in the files it names, as far as readable."""
    found = []
    for path, value in config_words.values(settings).items():
        if value is None:
            continue
        if path[-1].endswith("_file"):
            found += _in_file(Path(value))
        elif config_words.shown(path, value) != value:
            found += _words(value)
    addressees = [*settings.mail.to, settings.mail.sender, settings.mail.username or ""]
    addressees += [one for each in settings.mail.receivers.values() for one in each.to]
    return [word for word in (*found, *addressees) if word]


def _words(value: Any) -> list[str]:
    """Give the parts of a value that hides something: all of a list, and of a URL its secret."""
    if isinstance(value, list):
        return [str(one) for one in value[1:]]
    return [str(value)]


def _in_file(path: Path) -> list[str]:
    try:
        text = path.read_bytes()[:_LONGEST_SECRET_BYTES].decode("utf-8", "replace")
    except OSError:
        # What we cannot read cannot have come into the report.
        return []
    return [text.strip(), *(line.strip() for line in text.splitlines())]


def _contents(examined: Examined, wall_s: float) -> dict[str, Any]:
    return {
        **document(examined.findings, wall_s),
        "versions": _versions(),
        "configuration": _configuration(examined),
        "services": {
            name: {"version": status.version, "health": status.health}
            for name, status in examined.services.items()
        },
        "nodes": _nodes(examined),
        "logs": dict(_logs(examined)),
    }


def _versions() -> dict[str, str]:
    try:
        mosquitto = require_supported(find_mosquitto())
    except MosquittoError as error:
        mosquitto = str(error)
    return {
        "rollcall": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "mosquitto": mosquitto,
        "account": "root" if os.geteuid() == 0 else "a user",
    }


def _configuration(examined: Examined) -> dict[str, Any]:
    if examined.place is None:
        return {}
    values = config_words.values(examined.place.settings)
    return {".".join(path): config_words.shown(path, value) for path, value in values.items()}


def _nodes(examined: Examined) -> Mapping[str, Any]:
    listened = examined.listened
    if listened is None:
        return {}
    return {
        view.name: {
            "state": str(view.state),
            "reason": view.reason,
            "age_seconds": None if view.age_s is None else round(view.age_s, 1),
            "agent": view.info.agent if view.info else None,
            "system": view.info.os if view.info else None,
            "fleet_revision": view.applied.revision if view.applied else None,
            "errors": {
                name: held.report.error
                for name, held in sorted(view.reports.items())
                if held.report.error
            },
        }
        for view in listened.cluster.nodes(listened.now)
    }


def _logs(examined: Examined) -> Iterator[tuple[str, list[str]]]:
    """Give the ends of the logs that `rollcall up` writes; the journal is for journalctl."""
    place = examined.place
    if place is None or not place.by_up or place.file is None:
        return
    for path in sorted((place.file.parent / "log").glob("*.log")):
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        yield path.name, lines[-_LOG_LINES:]


def _as_text(contents: Mapping[str, Any], examined: Examined) -> Iterator[str]:
    yield f"Rollcall doctor, {contents['time']}"
    yield ""
    yield from (line.plain for line in telling.lines(examined.findings, unicode=False))
    for title in ("versions", "configuration", "services", "nodes"):
        yield from ("", f"== {title}")
        for key, value in contents[title].items():
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for name, lines in contents["logs"].items():
        yield from ("", f"== {name}", *lines)
