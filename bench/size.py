"""What a sample takes on disk, and what a day writes: `.venv/bin/python -m bench.size`.

Both engines are filled by the seeded generator of `bench.filled`; the bytes are those of each
table with its indexes. What a day writes is measured on the recorder's own store: 500 series every
ten seconds, for some simulated hours with their closing, extrapolated to a day. On SQLite it is
what the process gives to the file system (log and file), on PostgreSQL what goes into its log.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from bench.filled import METRICS, STEP_MS, fill
from rollcall.broker.topics import Topics
from rollcall.recorder import intake, rollups
from rollcall.recorder.findings import Arrival, Freshness, Intake
from rollcall.recorder.store import Store
from tests.support.postgresql import PostgresqlUnderTest

_TABLES: Final = ("sealed", "rollup_minute", "rollup_hour", "rollup_day")
_GB: Final = 1e9
_DAY_S: Final = 86_400
_RELATION: Final = text(
    "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
    "WHERE c.relname LIKE :name AND c.relkind = 'r'"
)


def _lite(connection: Connection, table: str) -> tuple[int, int]:
    """Give rows and bytes of a table: what the file loses when it is emptied."""
    rows = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608 - ours
    size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    before = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - ours
    after = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return int(rows), int(size * (after - before))


def _postgresql(connection: Connection, table: str) -> tuple[int, int]:
    name, pattern = ("sample", "sample\\_%") if table == "sealed" else (table, table)
    rows = connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - ours
    return int(rows), int(connection.execute(_RELATION, {"name": pattern}).scalar_one() or 0)


def _sizes(url: str, nodes: int, samples: int) -> dict[str, float]:
    fill(url, nodes, samples)
    measure = _lite if url.startswith("sqlite") else _postgresql
    with Store(url) as store:
        found = {}
        for table in _TABLES:
            rows, size = store.apply(lambda c, table=table: measure(c, table))  # type: ignore[misc]
            found[table] = size / max(rows, 1)
    return found


def _batch(step: int, began_ms: int) -> list[Intake]:
    """Make the reports of twenty nodes at one tick: 25 samples each, in five reports."""
    topics, found = Topics(), []
    now_ms = began_ms + step * STEP_MS
    for node in range(20):
        for place, collector in enumerate(("cpu", "memory", "disk", "network", "temperature")):
            fields = [each.partition(".")[2] for each in METRICS if each.startswith(collector)]
            at_ms = now_ms - 5_000 + node * 199
            report = {
                "epoch": f"{node:016x}",
                "seq": step * 5 + place + 1,
                "time": at_ms / 1000,
                "interval": 10,
                "fields": dict.fromkeys(fields, (step * 7 + node) % 1000 / 10),
            }
            topic = f"{topics.root}/node/node-{node}/metrics/{collector}"
            payload = json.dumps(report).encode()
            arrival = Arrival(now_ms, Freshness.LIVE)
            readings = tuple(intake.read(topics, topic, payload, arrival))
            found.append(Intake(topic, payload, now_ms, readings))
    return found


def _written_a_day(url: str, hours: int, written: Callable[[Store], int]) -> float:
    began_ms = (time.time_ns() // 1_000_000) // rollups.HOUR_MS * rollups.HOUR_MS
    began_ms -= (hours + 1) * rollups.HOUR_MS
    steps = hours * rollups.HOUR_MS // STEP_MS
    with Store(url) as store:
        store.commit(_batch(0, began_ms))
        before = written(store)
        for step in range(1, steps + 1):
            store.commit(_batch(step, began_ms))
            now_ms = began_ms + step * STEP_MS
            while store.apply(lambda c, now=now_ms: rollups.close_oldest(c, now)):  # type: ignore[misc]
                pass
        return (written(store) - before) / (hours * 3600) * _DAY_S


def _process_wrote(_store: Store) -> int:
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _log_wrote(store: Store) -> int:
    where = text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
    return int(store.apply(lambda connection: connection.execute(where).scalar_one()))


def _main() -> None:
    parser = argparse.ArgumentParser(description="bytes a sample, bytes a day")
    parser.add_argument("--samples", type=float, default=3e6)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--hours", type=int, default=2, help="simulated hours of recording")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        PostgresqlUnderTest() as server,
        server.databases() as make,
    ):
        lite = f"sqlite:///{name}/{{}}.db"
        count = int(arguments.samples)
        sizes = [_sizes(url, arguments.nodes, count) for url in (lite.format("size"), make())]
        written = (
            _written_a_day(lite.format("day"), arguments.hours, _process_wrote),
            _written_a_day(make(), arguments.hours, _log_wrote),
        )
    print("| bytes a row | SQLite | PostgreSQL |\n|---|---|---|")
    for table in _TABLES:
        what = "sample" if table == "sealed" else f"{table.removeprefix('rollup_')} roll-up"
        print(f"| {what} | {sizes[0][table]:.1f} | {sizes[1][table]:.1f} |")
    figures = " | ".join(f"{each / _GB:.2f} GB" for each in written)
    print(f"| written a day at 50 samples/s | {figures} |")


if __name__ == "__main__":
    _main()
