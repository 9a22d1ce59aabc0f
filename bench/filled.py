"""A database of many samples, made quickly by a seeded generator, below the recorder's own loop.

`nodes` nodes with 25 series each, a sample every ten seconds, up to now; closed hours are rolled up
by the recorder's own statements. Hours and days before the first sample are made up to 30 days
back, as they are when samples are kept for a shorter time; each node was lost and restarted on each
of these days.
"""

import random
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from rollcall.recorder import rollups
from rollcall.recorder.rollups import DAY_MS, HOUR_MS
from rollcall.recorder.slices import SLICE_MS
from rollcall.recorder.store import Store

STEP_MS: Final = 10_000
METRICS: Final = tuple(
    f"{collector}.{field}"
    for collector, fields in {
        "cpu": ("percent", "user_percent", "system_percent", "iowait_percent", "idle_percent"),
        "memory": ("used_bytes", "used_percent", "available_bytes", "cached_bytes", "swap_bytes"),
        "disk": ("used_percent", "free_bytes", "used_bytes", "read_bytes", "written_bytes"),
        "network": ("receive_bytes", "transmit_bytes", "errors", "drops", "packets"),
        "temperature": ("celsius", "fan_hertz", "volts", "watts", "throttled_percent"),
    }.items()
    for field in fields
)
_SEED: Final = 20_260_101
_HISTORY_DAYS: Final = 30
_ROLLUP: Final = (
    "INSERT INTO {table} (series_id, ts, n, vmin, vmax, vsum, vlast) "
    "VALUES (:series_id, :ts, :n, :low, :high, :total, :last) ON CONFLICT DO NOTHING"
)


def node_name(number: int) -> str:
    """Name a node."""
    return f"node-{number:04}"


def fill(
    url: str, nodes: int, samples: int, *, history: bool = True, open_minutes: int | None = None
) -> tuple[int, int]:
    """Fill an empty database; give the times of the first and the last sample, in ms.

    With `open_minutes` they end so long after the beginning of this hour instead of now.
    """
    count = nodes * len(METRICS)
    each = max(samples // count, 1)
    now_ms = time.time_ns() // 1_000_000
    if open_minutes is not None:
        now_ms += open_minutes * rollups.MINUTE_MS - now_ms % HOUR_MS
    last = now_ms // STEP_MS * STEP_MS - 1
    first = last + 1 - each * STEP_MS
    with Store(url) as store:
        engine = store.open()
        store.apply(lambda connection: _names(connection, nodes, first, last))
        _samples(engine, store, count, first, last)
        closed = rollups.closable_before(last)
        for hour in range(first - first % HOUR_MS, closed, HOUR_MS):
            store.apply(lambda connection, hour=hour: _due(connection, hour))  # type: ignore[misc]
        while store.apply(lambda connection: rollups.close_oldest(connection, last)):
            pass
        if history:
            for series_id in range(1, count + 1, 50):
                some = range(series_id, min(series_id + 50, count + 1))
                store.apply(lambda connection, some=some: _past(connection, some, first))  # type: ignore[misc]
            store.apply(lambda connection: _restarts(connection, nodes, first))
        if engine.dialect.name == "postgresql":
            store.apply(_analyse)
    return first, last


def _names(connection: Connection, nodes: int, first: int, last: int) -> None:
    for number in range(1, nodes + 1):
        name = node_name(number)
        made = text("INSERT INTO node (name) VALUES (:name) RETURNING node_id")
        node_id = connection.execute(made, {"name": name}).scalar_one()
        rows = [{"node_id": node_id, "metric": metric, "ts": first} for metric in METRICS]
        connection.execute(
            text(
                "INSERT INTO series_key (node_id, metric, instance, unit, kind, first_ts) "
                "VALUES (:node_id, :metric, '', NULL, 'gauge', :ts)"
            ),
            rows,
        )
        presence = {"node_id": node_id, "first": first, "last": last}
        connection.execute(
            text(
                "INSERT INTO presence (node_id, state, since_ts, last_seen_ts, epoch, session, "
                "interval_s, newest_seq) VALUES (:node_id, 'online', :first, :last, 'e', 1, 10, 0)"
            ),
            presence,
        )
        change = "INSERT INTO availability_change VALUES (:node_id, :first, 'online', NULL)"
        connection.execute(text(change), presence)


def _samples(engine: Engine, store: Store, count: int, first: int, last: int) -> None:
    if engine.dialect.name == "sqlite":
        hour = rollups.closable_before(last)
        for begin in range(1, count + 1, 20):
            some = range(begin, min(begin + 20, count + 1))
            store.apply(lambda connection, some=some: _lite(connection, some, first, last, hour))  # type: ignore[misc]
        return
    for day in range(first - first % DAY_MS, last + 1, DAY_MS):
        span = (max(first, day), min(last, day + DAY_MS - STEP_MS))
        store.apply(lambda connection, day=day, span=span: _copy(connection, count, day, *span))  # type: ignore[misc]
    store.apply(lambda connection: _newest(connection, count, last))


def _values(series_id: int, first: int, last: int) -> Iterator[tuple[int, int, float]]:
    chance = random.Random(_SEED * series_id + first)  # noqa: S311 - has to come out the same
    value = chance.uniform(20, 80)
    # As agents do: all series of a node at one time, every node at its own.
    offset = (series_id - 1) // len(METRICS) * 7_919 % STEP_MS
    for ts in range(first + offset, last + 1, STEP_MS):
        value = min(max(value + chance.uniform(-1, 1), 0), 100)
        yield series_id, ts, round(value, 1)


def _lite(connection: Connection, some: range, first: int, last: int, closed: int) -> None:
    sealed = "INSERT INTO sealed (series_id, ts, value) VALUES (?, ?, ?)"
    opened = (
        "INSERT INTO sample (slice, series_id, ts, value) "  # noqa: S608 - our own number
        f"VALUES (?2 / {SLICE_MS}, ?1, ?2, ?3)"
    )
    for series_id in some:
        rows = list(_values(series_id, first, last))
        before = [row for row in rows if row[1] < closed]
        for statement, chosen in ((sealed, before), (opened, rows[len(before) :])):
            if chosen:
                connection.exec_driver_sql(statement, chosen)
        newest = "INSERT INTO newest (series_id, ts, value) VALUES (?, ?, ?)"
        connection.exec_driver_sql(newest, rows[-1])


def _copy(connection: Connection, count: int, day: int, first: int, last: int) -> None:
    raw: Any = connection.connection.driver_connection
    table = f"sample_{time.strftime('%Y%m%d', time.gmtime(day // 1000))}"
    with raw.cursor() as cursor:
        cursor.execute(f"SELECT to_regclass('{table}')")
        if cursor.fetchone()[0] is None:
            cursor.execute(
                f"CREATE TABLE {table} (LIKE sample, PRIMARY KEY (series_id, ts), "
                f"CHECK (ts >= {day} AND ts < {day + DAY_MS}))"
            )
            brin = f"CREATE INDEX ON {table} USING brin (ts) WITH (pages_per_range = 16)"
            cursor.execute(brin)
            bounds = f"FROM ({day}) TO ({day + DAY_MS})"
            cursor.execute(f"ALTER TABLE sample ATTACH PARTITION {table} FOR VALUES {bounds}")
        copying = f"COPY {table} (series_id, ts, value) FROM STDIN (FORMAT BINARY)"
        with cursor.copy(copying) as copy:
            copy.set_types(("int4", "int8", "float8"))
            for series_id in range(1, count + 1):
                for row in _values(series_id, first, last):
                    copy.write_row(row)


def _newest(connection: Connection, count: int, last: int) -> None:
    insert = text("INSERT INTO newest (series_id, ts, value) VALUES (:series_id, :ts, 50)")
    connection.execute(insert, [{"series_id": n, "ts": last} for n in range(1, count + 1)])


def _due(connection: Connection, hour: int) -> None:
    insert = text("INSERT INTO rollup_due (hour) VALUES (:hour) ON CONFLICT DO NOTHING")
    connection.execute(insert, {"hour": hour})


def _past(connection: Connection, some: range, first: int) -> None:
    for table, width, n in (("rollup_hour", HOUR_MS, 360), ("rollup_day", DAY_MS, 8640)):
        ends = first - first % width
        rows = [
            {"series_id": series_id, "ts": ts, "n": n, "low": 1, "high": (series_id + ts) % 97,
             "total": 50.0 * n, "last": 50}
            for series_id in some
            for ts in range(ends - ends % width - _HISTORY_DAYS * DAY_MS, ends, width)
        ]  # fmt: skip
        connection.execute(text(_ROLLUP.format(table=table)), rows)


def _restarts(connection: Connection, nodes: int, first: int) -> None:
    days = range(first - _HISTORY_DAYS * DAY_MS, first, DAY_MS)
    rows = [{"node_id": node_id, "ts": ts} for node_id in range(1, nodes + 1) for ts in days]
    change = "INSERT INTO availability_change VALUES (:node_id, :ts + {}, '{}', {})"
    connection.execute(text(change.format(0, "offline", "'lost'")), rows)
    connection.execute(text(change.format(60_000, "online", "NULL")), rows)
    event = (
        "INSERT INTO event (node_id, ts, kind, source, detail) "
        "VALUES (:node_id, :ts + 60000, 'reboot', 'agent', '{}')"
    )
    connection.execute(text(event), rows)


def _analyse(connection: Connection) -> None:
    """Do what PostgreSQL does by itself after a while; SQLite's file has no statistics."""
    connection.exec_driver_sql("ANALYZE")
