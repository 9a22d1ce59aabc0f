"""How quickly questions are answered: `.venv/bin/python -m bench.query [--samples 1e8]`.

200 nodes with 25 series each, by a seeded generator, on SQLite and on a private PostgreSQL; each
question is asked many times with other nodes and metrics, through `rollcall.recorder.queries`, as
a dashboard does. With `--documented` the questions of docs/sql.md are asked instead. The files are
in the page cache where they fit into memory.
"""

import argparse
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from bench.filled import METRICS, fill, node_name
from rollcall.recorder import overviews, queries
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, closable_before
from tests.support.postgresql import PostgresqlUnderTest

_NODES: Final = text("SELECT node, state, reason, since, last_seen, silent_seconds FROM nodes")
_COLUMNS: Final = 300
_WINDOWS: Final = {
    "an hour": HOUR_MS,
    "a day": DAY_MS,
    "a week": 7 * DAY_MS,
    "30 days": 30 * DAY_MS,
}
_Question = Callable[[Connection], int]


def _questions(nodes: int, last: int) -> dict[str, _Question]:
    chance = random.Random(7)  # noqa: S311 - has to come out the same

    def node() -> str:
        return node_name(chance.randint(1, nodes))

    def compared(stop: int) -> _Question:
        return lambda connection: len(
            overviews.compared(connection, chance.choice(METRICS), stop - HOUR_MS, stop, _COLUMNS)[
                1
            ]
        )

    def series(window_ms: int) -> _Question:
        return lambda connection: len(
            queries.curve(
                connection, node(), chance.choice(METRICS), "", last - window_ms, last + 1
            ).points
        )

    return {
        "state of all nodes": lambda connection: len(connection.execute(_NODES).fetchall()),
        "newest values of one node": lambda connection: len(queries.latest(connection, node())),
        **{f"one series, {name}": series(width) for name, width in _WINDOWS.items()},
        "one metric of all nodes, the last hour": compared(last + 1),
        "one metric of all nodes, the hour before it": compared(closable_before(last)),
        "three metrics of all nodes at a moment": lambda connection: len(
            overviews.values_at(connection, METRICS[:3], last - chance.randrange(HOUR_MS))
        ),
        "top ten by daily maximum, a week": lambda connection: len(
            queries.top(connection, chance.choice(METRICS), last - 7 * DAY_MS, last + 1)
        ),
    }


def _documented(nodes: int, engine: str) -> dict[str, _Question]:
    """Give what docs/sql.md asks, about a node that is there."""
    document = Path(__file__).parents[1] / "docs/sql.md"
    written = re.findall(
        r"\n([^\n]+\?)\n```sql\n(.*?);\n```", document.read_text("utf-8"), re.DOTALL
    )

    def question(query: str) -> _Question:
        query = query.replace("'pi-3'", f"'{node_name(nodes // 2)}'")
        if engine != "sqlite":
            query = query.replace("unixepoch()", "CAST(extract(epoch FROM now()) AS bigint)")
        return lambda connection: len(connection.execute(text(query)).fetchall())

    return {name: question(query) for name, query in written}


def _asked(
    url: str, nodes: int, last: int, times: int, *, documented: bool
) -> dict[str, tuple[int, float, float]]:
    found = {}
    with reading(url) as engine, engine.connect() as connection:
        asked = _documented(nodes, engine.name) if documented else _questions(nodes, last)
        for name, question in asked.items():
            took_ms = []
            for _ in range(times):
                began_s = time.perf_counter()
                rows = question(connection)
                took_ms.append((time.perf_counter() - began_s) * 1000)
            p95 = statistics.quantiles(took_ms, n=20)[-1]
            found[name] = (rows, statistics.median(took_ms), p95)
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description="p50 and p95 of questions, per engine")
    parser.add_argument("--samples", type=float, default=1e7)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--documented", action="store_true", help="ask what docs/sql.md asks")
    parser.add_argument("--folder", type=Path, help="where SQLite's file goes; default: temporary")
    parser.add_argument(
        "--open-minutes",
        type=int,
        help="how much of an hour is not rolled up yet, at most 61; default: what it is now",
    )
    arguments = parser.parse_args()
    answers = {}
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as name,
        PostgresqlUnderTest() as server,
        server.databases() as make,
    ):
        for engine, url in (("SQLite", f"sqlite:///{name}/q.db"), ("PostgreSQL", make())):
            began_s = time.monotonic()
            first, last = fill(
                url,
                arguments.nodes,
                int(arguments.samples),
                open_minutes=arguments.open_minutes,
            )
            hours = (last - first) / HOUR_MS
            took_s = time.monotonic() - began_s
            print(f"{engine}: {hours:.1f} h of samples made in {took_s:.0f} s", flush=True)
            answers[engine] = _asked(
                url, arguments.nodes, last, arguments.times, documented=arguments.documented
            )
    print("\n| question | rows | SQLite p50 ms | p95 | PostgreSQL p50 ms | p95 |")
    print("|---|---|---|---|---|---|")
    for question, (rows, p50, p95) in answers["SQLite"].items():
        _, other50, other95 = answers["PostgreSQL"][question]
        print(f"| {question} | {rows} | {p50:.1f} | {p95:.1f} | {other50:.1f} | {other95:.1f} |")


if __name__ == "__main__":
    _main()
