"""Series that a batch is the first to name: made together, many with one statement.

A fleet that comes all at once brings a hundred thousand of them; made one by one they would take
much longer than their samples.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.recorder.catalogue import KnownSeries
from rollcall.recorder.units import Unit, derived

# Node, metric, instance.
SeriesKey = tuple[int, str, str]

_AT_ONCE: Final = 200
_COLUMNS: Final = 6
_PLACES: Final = {"sqlite": "?", "postgresql": "%s"}
_MAKE: Final = (
    "INSERT INTO series_key (node_id, metric, instance, unit, kind, first_ts) VALUES {} "
    # Another recorder may have made it, and only then there is a conflict.
    "ON CONFLICT (node_id, metric, instance) DO UPDATE SET metric = excluded.metric "
    "RETURNING node_id, metric, instance, series_id, first_ts"
)
_OLDEST: Final = text(
    "UPDATE series_key SET first_ts = :ts WHERE series_id = :series_id AND first_ts > :ts"
)


def make(
    connection: Connection,
    wanted: Mapping[SeriesKey, KnownSeries],
    units: Mapping[int, Mapping[str, Unit]],
) -> None:
    """Make the series, and write their keys and oldest times into `wanted`.

    `units` is what nodes have said of their metrics. Raises what the database raises.
    """
    waiting = iter(wanted.items())
    while some := list(islice(waiting, _AT_ONCE)):
        values: list[object] = []
        for key, series in some:
            node_id, metric, _ = key
            unit = units.get(node_id, {}).get(metric) or derived(metric)
            values += (*key, unit.name, unit.kind, series.first_ts)
        places = f"({', '.join([_PLACES[connection.dialect.name]] * _COLUMNS)})"
        statement = _MAKE.format(", ".join([places] * len(some)))
        for row in connection.exec_driver_sql(statement, tuple(values)).all():
            node_id, metric, instance, series_id, first_ts = row
            _settle(connection, wanted[node_id, metric, instance], series_id, first_ts)


def be_older(connection: Connection, series: KnownSeries, ts: int) -> None:
    """Note that a series has a sample of `ts`, which is older than all others."""
    series.first_ts = ts
    connection.execute(_OLDEST, {"series_id": series.series_id, "ts": ts})


def _settle(connection: Connection, series: KnownSeries, series_id: int, first_ts: int) -> None:
    ours = series.first_ts
    series.series_id, series.first_ts = series_id, first_ts
    if ours < first_ts:
        be_older(connection, series, ours)
