"""Look at the database, where it is on this machine or can be asked over the network."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from rollcall.console.doctor.database_checks import DatabaseSeen
from rollcall.console.doctor.within import within
from rollcall.console.units import STATE
from rollcall.service.config import ConfigError
from rollcall.service.settings import Recorder

T = TypeVar("T")
_WITHIN_S: Final = 20.0
_DAY_MS: Final = 86_400_000
_SQLITE: Final = "sqlite:///"


def url_of(settings: Recorder, *, by_unit: bool) -> str:
    """Give the database that is meant; a recorder's unit keeps its own elsewhere by default."""
    if by_unit and "database" not in settings.model_fields_set:
        return f"{_SQLITE}{STATE / 'rollcall.db'}"
    return settings.database


def folder_of(settings: Recorder, *, by_unit: bool) -> Path | None:
    """Give the folder of the file of SQLite that is meant; None for another engine."""
    url = url_of(settings, by_unit=by_unit)
    return Path(where(url)).parent if url.startswith(_SQLITE) else None


def look(
    settings: Recorder,
    *,
    by_unit: bool,
    is_expected_here: bool,
    health: Mapping[str, Any] | None,
    root: str,
) -> DatabaseSeen:
    """Look at the database; what fails is part of what is given; see `DatabaseSeen`."""
    url = url_of(settings, by_unit=by_unit)
    wall_s = time.time()

    def checkup() -> Any:
        from rollcall.recorder.checkup import checkup  # noqa: PLC0415 - nodes have no SQLAlchemy

        return checkup(url, round(wall_s * 1000) - _DAY_MS)

    found = answer_or_failure(checkup)
    return DatabaseSeen(
        where=where(url),
        found=found,
        wall_s=wall_s,
        is_named="database" in settings.model_fields_set,
        health=health,
        root=root,
        is_missing_file=isinstance(found, Exception) and _is_missing(url),
        is_expected_here=by_unit or is_expected_here,
    )


def look_at_node(url: str, node_topics: str, node: str) -> Any:
    """Give what the database holds of a node (`NodeCheckup`), or what failed."""

    def checkup() -> Any:
        from rollcall.recorder.checkup import node_checkup  # noqa: PLC0415 - as above

        return node_checkup(url, node_topics, node, round(time.time() * 1000) - _DAY_MS)

    return answer_or_failure(checkup)


def answer_or_failure(ask: Callable[[], T]) -> T | Exception:
    """Ask within a limit; an error of the database or of its packages is an answer too."""
    try:
        from rollcall.recorder.errors import RecorderError  # noqa: PLC0415 - as above

        try:
            return within(_WITHIN_S, ask)
        except (RecorderError, ConfigError, OSError) as error:
            return error
    except ModuleNotFoundError as error:
        return error


def where(url: str) -> str:
    """Name a database without its secrets."""
    if url.startswith(_SQLITE):
        return str(Path(url.removeprefix(_SQLITE)).expanduser())
    return f"{url.partition('://')[0]}://{url.rpartition('@')[2].partition('?')[0]}"


def _is_missing(url: str) -> bool:
    return url.startswith(_SQLITE) and not Path(where(url)).exists()
