"""What days without a key would gain on PostgreSQL: `.venv/bin/python -m bench.sealed_day`.

One day of samples as the recorder keeps it (a key of series and time), and the same day rewritten
in that order with nothing but a BRIN index: bytes a sample, and how long it takes to read one
series for an hour, and to find the newest sample of every series at a moment.
"""

import argparse
import statistics
import time
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from bench.filled import STEP_MS
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS
from rollcall.recorder.store import Store
from tests.support.postgresql import PostgresqlUnderTest

_KEYED: Final = (
    "CREATE TABLE keyed (LIKE sample, PRIMARY KEY (series_id, ts))",
    # As they come: all series of a tick, then the next tick.
    """INSERT INTO keyed (ts, value, series_id)
       SELECT ts, (ts / 1000 * series_id) % 1000 / 10.0, series_id
       FROM generate_series(0, {last}, {step}) AS ts, generate_series(1, {series}) AS series_id""",
    "CREATE INDEX ON keyed USING brin (ts) WITH (pages_per_range = 16)",
)
_SORTED: Final = (
    "CREATE TABLE sorted (LIKE sample)",
    "INSERT INTO sorted SELECT * FROM keyed ORDER BY series_id, ts",
    "CREATE INDEX ON sorted USING brin (series_id, ts) WITH (pages_per_range = 8)",
)
_HOUR: Final = (
    "SELECT count(*), sum(value) FROM {table} "
    "WHERE series_id = :series AND ts >= :start AND ts < :stop"
)
_NEWEST: Final = (
    "SELECT count(y.at) FROM generate_series(1, :series) AS s(id), LATERAL (SELECT max(ts) AS at "
    "FROM {table} x WHERE x.series_id = s.id AND x.ts <= :stop AND x.ts > :stop - :day) y"
)


def _make(connection: Connection, series: int) -> None:
    for statement in (*_KEYED, *_SORTED):
        connection.execute(text(statement.format(last=DAY_MS - 1, step=STEP_MS, series=series)))
    connection.execute(text("ANALYZE"))


def _took_ms(connection: Connection, query: str, values: dict[str, int]) -> float:
    took_ms = []
    for _ in range(11):
        began_s = time.perf_counter()
        connection.execute(text(query), values).fetchall()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(took_ms)


def _main() -> None:
    parser = argparse.ArgumentParser(description="a day with a key, and one with BRIN alone")
    parser.add_argument("--series", type=int, default=500)
    series = parser.parse_args().series
    print("| a day | bytes a sample | one series, an hour, ms | newest of all at a moment, ms |")
    print("|---|---|---|---|")
    with PostgresqlUnderTest() as server, server.databases() as make:
        url = make()
        with Store(url) as store:
            store.apply(lambda connection: _make(connection, series))
        rows = series * DAY_MS // STEP_MS
        at = {"series": series // 2, "start": 12 * HOUR_MS, "stop": 13 * HOUR_MS}
        with reading(url) as engine, engine.connect() as connection:
            for table in ("keyed", "sorted"):
                sized = text(f"SELECT pg_total_relation_size('{table}')")
                size = connection.execute(sized).scalar_one()
                hour_ms = _took_ms(connection, _HOUR.format(table=table), at)
                moment = {"series": series, "stop": 13 * HOUR_MS, "day": DAY_MS}
                newest_ms = _took_ms(connection, _NEWEST.format(table=table), moment)
                print(f"| {table} | {size / rows:.1f} | {hour_ms:.1f} | {newest_ms:.1f} |")


if __name__ == "__main__":
    _main()
