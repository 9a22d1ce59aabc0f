"""The read side of an export: everything that was recorded of some series, page by page.

However much it is, no more than a page is held, and all of it is one snapshot of the database.
Pages come series by series, each in order of time; what is not yet ordered by series (on SQLite
the samples of the hours that are still open, of roll-ups those hours) comes at the end. Times are
integer milliseconds since 1970, UTC.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from rollcall.recorder import queries
from rollcall.recorder.engines import database_of
from rollcall.recorder.overviews import HistoryAwayError
from rollcall.recorder.queries import RESOLUTIONS
from rollcall.recorder.slices import of_same_slice

PAGE_ROWS: Final = 20_000
_ABSENT: Final = frozenset({"offline", "stale"})
_TABLES: Final = {"minutely": "rollup_minute", "hourly": "rollup_hour", "daily": "rollup_day"}

_SERIES: Final = text(
    "SELECT s.series_id, n.name, s.metric, s.instance, s.unit, s.first_ts, w.ts AS last_ts "
    "FROM series_key s JOIN node n ON n.node_id = s.node_id "
    "JOIN newest w ON w.series_id = s.series_id ORDER BY n.name, s.metric, s.instance"
)
_SAMPLES: Final = "SELECT ts, value FROM {table}"
_ROLLED_UP: Final = "SELECT ts, vmin, vsum / n, vmax, vlast, n FROM {table}"
_PAGE: Final = " WHERE series_id = :series AND ts >= :start AND ts < :stop ORDER BY ts LIMIT :most"
_OPEN_SAMPLES: Final = text(
    "SELECT series_id, ts, value FROM sample WHERE ts >= :start AND ts < :stop "
    "ORDER BY ts, series_id"
)
_OPEN_ROLLED_UP: Final = """
SELECT o.series_id, o.ts, o.low, o.mean, o.high,
  (SELECT max(z.value) FROM sample z WHERE z.ts = o.at AND z.series_id = o.series_id{same_slice}),
  o.samples
FROM (SELECT x.series_id, x.ts - x.ts % {width_ms} AS ts, min(x.value) AS low,
    avg(x.value) AS mean, max(x.value) AS high, max(x.ts) AS at, count(*) AS samples
  FROM sample x WHERE x.ts < :stop
    AND x.ts >= (SELECT CASE WHEN upto > :start THEN upto ELSE :start END FROM progress
      WHERE what = 'closed')
  GROUP BY x.series_id, x.ts - x.ts % {width_ms}) o ORDER BY o.series_id, o.ts"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """From `start` up to `stop`, of the nodes and metrics that fit one of these patterns.

    `resolution` is `raw` or a level of roll-ups; whole buckets of it, those that begin in between.
    """

    start: int
    stop: int
    nodes: Sequence[str] = ("*",)
    metrics: Sequence[str] = ("*",)
    resolution: str = "raw"


class Series(NamedTuple):
    """A series, and the times of its first and its last sample."""

    series_id: int
    node: str
    metric: str
    instance: str
    unit: str | None
    first_ts: int
    last_ts: int


class Page(NamedTuple):
    """Each a series with (ts, value), or with (ts, min, avg, max, last, samples) of a bucket.

    `done_ms` is how much of `Export.span_ms` is behind.
    """

    rows: list[tuple[Series, Any]]
    done_ms: int


class Hole(NamedTuple):
    """Why something is not there.

    A node that was `offline` or `stale` from `since` up to `until` (None: it still is), or reports
    that are `missing`, by their numbers: nobody knows of when they were.
    """

    node: str
    what: str
    since: int | None
    until: int | None
    first_seq: int | None
    last_seq: int | None
    why: str | None


class Export:
    """What is wanted of the database behind `connection`, as it was when this was opened."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        width = 1 if wanted.resolution == "raw" else RESOLUTIONS[wanted.resolution]
        self._connection = connection
        self._wanted = wanted
        self._start, self._stop = (
            -(-wanted.start // width) * width,
            -(-wanted.stop // width) * width,
        )
        self.series = [
            series
            for series in (Series(*row) for row in connection.execute(_SERIES))
            if _fits(series.node, wanted.nodes)
            and _fits(series.metric, wanted.metrics)
            and self._span_ms(series) > 0
        ]
        self.span_ms = sum(map(self._span_ms, self.series))

    @classmethod
    @contextmanager
    def opened(cls, url: str, wanted: Wanted) -> Iterator[Self]:
        """Open the database behind `url` to read; a context manager.

        Raises ConfigError, and HistoryAwayError also for what happens within.
        """
        database_of(url)
        try:
            with queries.reading(url) as engine, engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                else:
                    connection.execution_options(isolation_level="REPEATABLE READ")
                yield cls(connection, wanted)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise HistoryAwayError(f"the database cannot be asked: {cause}") from error

    def pages(self) -> Iterator[Page]:
        """Give everything, a page of at most `PAGE_ROWS` rows at a time."""
        done_ms = 0
        for series in self.series:
            begin_ms = max(series.first_ts, self._start)
            for found in self._of_series(series):
                within_ms = min(found[-1][0] - begin_ms, self._span_ms(series))
                yield Page([(series, row) for row in found], done_ms + max(within_ms, 0))
            done_ms += self._span_ms(series)
        by_id = {series.series_id: series for series in self.series}
        for rows in self._open():
            yield Page([(by_id[row[0]], row[1:]) for row in rows if row[0] in by_id], self.span_ms)

    def holes(self) -> Iterator[Hole]:
        """Say what is not there of the nodes that are: absences, and reports that are missing."""
        names = sorted({series.node for series in self.series})
        stop = min(self._wanted.stop, time.time_ns() // 1_000_000)
        for name in names:
            for state in queries.states(self._connection, self._wanted.start, stop, name):
                if state.state in _ABSENT:
                    span = (state.ts, state.until_ts)
                    yield Hole(name, state.state, *span, None, None, state.reason)
        for gap in queries.gaps(self._connection):
            if gap.node in names:
                yield Hole(gap.node, "missing", None, None, gap.first_seq, gap.last_seq, gap.state)

    def _span_ms(self, series: Series) -> int:
        width = 1 if self._wanted.resolution == "raw" else RESOLUTIONS[self._wanted.resolution]
        first = series.first_ts - series.first_ts % width
        return max(min(series.last_ts + 1, self._stop) - max(first, self._start), 0)

    def _of_series(self, series: Series) -> Iterator[Sequence[Any]]:
        query = text(self._ordered() + _PAGE)
        start = self._start
        while True:
            values = {"series": series.series_id, "start": start, "stop": self._stop}
            found = self._connection.execute(query, {**values, "most": PAGE_ROWS}).all()
            if found:
                yield found
            if len(found) < PAGE_ROWS:
                return
            start = found[-1][0] + 1

    def _ordered(self) -> str:
        """Give the query of what lies in the database ordered by series."""
        if self._wanted.resolution != "raw":
            return _ROLLED_UP.format(table=_TABLES[self._wanted.resolution])
        return _SAMPLES.format(table="sealed" if self._on_sqlite else "sample")

    @property
    def _on_sqlite(self) -> bool:
        return self._connection.dialect.name == "sqlite"

    def _open(self) -> Iterator[Sequence[Any]]:
        """Give the rest, series of all kinds together."""
        if self._wanted.resolution == "raw":
            query = _OPEN_SAMPLES if self._on_sqlite else None
        else:
            width_ms = RESOLUTIONS[self._wanted.resolution]
            same_slice = of_same_slice(self._connection.dialect.name, "z", "o.at")
            rolled_up = text(_OPEN_ROLLED_UP.format(width_ms=width_ms, same_slice=same_slice))
            query = None if self._wanted.resolution == "daily" else rolled_up
        if query is not None:
            values = {"start": self._start, "stop": self._stop}
            asked = self._connection.execute(
                query, values, execution_options={"stream_results": True, "yield_per": PAGE_ROWS}
            )
            yield from asked.partitions()


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
