"""What the recorder does beside recording: closes hours, forgets what is old; a step at a time.

Each step is one short transaction between two commits of samples. Seconds are monotonic.
"""

import logging
import time
from typing import Any, Final

from pydantic import JsonValue

from rollcall.recorder import pruning, rollups
from rollcall.recorder.errors import DatabaseUnavailableError
from rollcall.recorder.pruning import Pruning
from rollcall.recorder.retention import Projection
from rollcall.recorder.store import Store
from rollcall.service.settings import Keep

_LOOK_EVERY_S: Final = 20.0
_BETWEEN_SLICES_S: Final = 0.2
_PRUNE_EVERY_S: Final = 86_400.0
# Long enough to look at what a new configuration would take, and to take it back.
_FIRST_PRUNE_S: Final = 3_600.0

_log = logging.getLogger(__name__)


class Upkeep:
    """Closes the hours and prunes the levels of an open `store`."""

    def __init__(self, store: Store, keep: Keep) -> None:
        self._store = store
        self._keep = keep
        self._next_s = 0.0
        self._prune_at_s = time.monotonic() + _FIRST_PRUNE_S
        self._pruning: Pruning | None = None

    def step(self, now_s: float) -> None:
        """Do at most one step, if one is due. Raises DatabaseBrokenError."""
        if now_s < self._next_s:
            return
        try:
            self._next_s = now_s + self._done()
        except DatabaseUnavailableError as error:
            _log.info("upkeep waits: %s", error)
            self._next_s = now_s + _LOOK_EVERY_S

    def prune(self, *, dry_run: bool) -> dict[str, JsonValue]:
        """Say what pruning takes, and begin with it unless `dry_run`.

        Raises DatabaseUnavailableError, DatabaseBrokenError.
        """
        now_ms = _now_ms()
        found = self._store.apply(
            lambda connection: pruning.project(connection, self._keep, now_ms)
        )
        if not dry_run:
            self._prune_at_s = self._next_s = 0.0
        levels: list[JsonValue] = [_told(level) for level in found]
        size = self._store.size_bytes()
        return {"levels": levels, "database_bytes": size, "pruning": not dry_run}

    def _done(self) -> float:
        """Do one step; give how many seconds to leave until the next."""
        if self._store.apply(lambda connection: rollups.close_oldest(connection, _now_ms())):
            return _BETWEEN_SLICES_S
        if self._pruning is None and time.monotonic() >= self._prune_at_s:
            self._begin_pruning()
            return _BETWEEN_SLICES_S
        if self._pruning is not None:
            if self._store.apply(self._pruning.step):
                return _BETWEEN_SLICES_S
            _log.info("pruned: %d rows went", self._pruning.rows)
            self._pruning = None
        return _LOOK_EVERY_S

    def _begin_pruning(self) -> None:
        now_ms = _now_ms()
        for level in self._store.apply(lambda c: pruning.project(c, self._keep, now_ms)):
            if level.rows:
                _log.info("pruning %s: about %d rows go", level.level, level.rows)
        begun = Pruning(self._keep, now_ms)
        self._store.apply(begun.begin)
        self._pruning = begun
        self._prune_at_s = time.monotonic() + _PRUNE_EVERY_S


def _told(level: Projection) -> dict[str, Any]:
    return {
        "level": level.level,
        "before": level.horizon / 1000 if level.horizon else None,
        "rows": level.rows,
        "bytes": level.size_bytes,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
