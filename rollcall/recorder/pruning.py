"""Forgetting what is older than its level is kept, in slices between which recording goes on.

First the horizons are written down: from then on late samples before them are merged into the
roll-ups instead of stored. Then the rows go, some tens of thousands in a transaction; who is
killed in between begins again and finds less. An hour that is due is never touched.
"""

import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder import retention
from rollcall.recorder.retention import LEVELS, Level, Projection
from rollcall.recorder.rollups import DAY_MS
from rollcall.recorder.samples import progress
from rollcall.service.settings import Keep

SLICE_ROWS: Final = 50_000
_SERIES_AT_ONCE: Final = 200

_NEWEST: Final = text("SELECT max(ts) FROM newest")
_OLDEST_DUE: Final = text("SELECT min(hour) FROM rollup_due")
_FORGET: Final = text("UPDATE progress SET upto = :upto WHERE what = :what AND upto < :upto")
_SERIES: Final = text(
    "SELECT series_id FROM series_key WHERE series_id > :after ORDER BY series_id LIMIT :most"
)
_CUT: Final = (
    "SELECT ts FROM {table} WHERE series_id = :series_id AND ts < :horizon "
    "ORDER BY ts LIMIT 1 OFFSET :most"
)
_DELETE: Final = "DELETE FROM {table} WHERE series_id = :series_id AND ts < :horizon"
# What a day holds is known from its roll-ups, without looking at a single sample.
_SERIES_DAYS: Final = text(
    "SELECT n, count(*) AS series FROM rollup_day WHERE ts >= :start AND ts < :stop GROUP BY n"
)
_PARTITIONS: Final = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'sample'::regclass AND c.relname < :first ORDER BY c.relname LIMIT 1"
)


def project(connection: Connection, keep: Keep, now_ms: int) -> list[Projection]:
    """Say what pruning would take now, level by level, without touching anything."""
    upto = progress(connection)
    projected = []
    for level in LEVELS:
        horizon = _horizons(connection, keep, now_ms)[level.name]
        span = {"start": upto[level.progress], "stop": horizon}
        found = {row.n: row.series for row in connection.execute(_SERIES_DAYS, span)}
        projected.append(retention.projection(level, horizon, found, connection.dialect.name))
    return projected


def _horizons(connection: Connection, keep: Keep, now_ms: int) -> dict[str, int]:
    newest: int | None = connection.execute(_NEWEST).scalar_one()
    due: int | None = connection.execute(_OLDEST_DUE).scalar_one()
    return retention.allowed(retention.horizons(keep, now_ms, newest), due)


class Pruning:
    """One round through all levels; call `begin` once, then `step` until it is done."""

    def __init__(self, keep: Keep, now_ms: int) -> None:
        self._keep = keep
        self._now_ms = now_ms
        self._horizons: Mapping[str, int] = {}
        self._left = list(LEVELS)
        self._after = 0
        self.rows = 0

    def begin(self, connection: Connection) -> None:
        """Write down the horizons, within a transaction of its own."""
        self._horizons = _horizons(connection, self._keep, self._now_ms)
        for level in LEVELS:
            values = {"what": level.progress, "upto": self._horizons[level.name]}
            connection.execute(_FORGET, values)

    def step(self, connection: Connection) -> bool:
        """Delete one slice; say whether more may follow."""
        if not self._left:
            return False
        level = self._left[0]
        horizon = self._horizons[level.name]
        if level.name == "raw" and connection.dialect.name == "postgresql":
            more = _drop_day(connection, horizon)
        else:
            more = horizon > 0 and self._delete(connection, level, horizon)
        if not more:
            self._left.pop(0)
            self._after = 0
        return bool(self._left)

    def _delete(self, connection: Connection, level: Level, horizon: int) -> bool:
        values = {"after": self._after, "most": _SERIES_AT_ONCE}
        found = list(connection.execute(_SERIES, values).scalars())
        room = SLICE_ROWS
        for series_id in found:
            row = {"series_id": series_id, "horizon": horizon}
            cut = text(_CUT.format(table=level.table))
            beyond = connection.execute(cut, {**row, "most": room}).scalar_one_or_none()
            if beyond is not None:
                row["horizon"] = beyond
            gone = connection.execute(text(_DELETE.format(table=level.table)), row).rowcount
            self.rows += gone
            room -= gone
            if beyond is not None or room <= 0:
                return True
            self._after = series_id
        return bool(found)


def _drop_day(connection: Connection, horizon: int) -> bool:
    """Drop the oldest day's partition that lies before the horizon, if there is one."""
    day = time.strftime("%Y%m%d", time.gmtime(horizon // 1000))
    found = connection.execute(_PARTITIONS, {"first": f"sample_{day}"}).scalar_one_or_none()
    if found is None or horizon < DAY_MS:
        return False
    # Readers are waited for, but not for long: who waits for this lock makes all others wait.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
    connection.exec_driver_sql(f"DROP TABLE {found}")
    return True
