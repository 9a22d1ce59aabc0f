"""The second schema: roll-ups, sealed hours, and what else becomes of the past.

On SQLite `sample` holds the open hours, ordered by time, and `sealed` the closed ones, ordered by
series. `rollup_due` names the hours (their first millisecond) whose roll-ups are to be made or
made again. `progress` says up to which time something is done: `closed` (every hour before it has
been rolled up) and `pruned_raw`, `pruned_minutely`, `pruned_hourly`, `pruned_daily` (nothing
before it is kept). All hours that an older database holds become due.
"""

from collections.abc import Iterator
from typing import Final

from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None

_ROLLUPS: Final = ("rollup_minute", "rollup_hour", "rollup_day")
_PROGRESS: Final = ("closed", "pruned_raw", "pruned_minutely", "pruned_hourly", "pruned_daily")

_SEALED: Final = """CREATE TABLE sealed (series_id INT, ts INT, value REAL NOT NULL,
    PRIMARY KEY (series_id, ts)) STRICT, WITHOUT ROWID"""
_ROLLUP: Final = """CREATE TABLE {table} (series_id {int}, ts {bigint}, n {bigint} NOT NULL,
    vmin {real} NOT NULL, vmax {real} NOT NULL, vsum {real} NOT NULL, vlast {real} NOT NULL,
    PRIMARY KEY (series_id, ts)){keyed}"""
_OTHERS: Final = (
    "CREATE TABLE rollup_due (hour {bigint} PRIMARY KEY){keyed}",
    "CREATE TABLE progress (what TEXT PRIMARY KEY, upto {bigint} NOT NULL){keyed}",
    """CREATE TABLE collector_error (node_id {int}, collector TEXT, error TEXT NOT NULL,
       ts {bigint} NOT NULL, PRIMARY KEY (node_id, collector)){keyed}""",
    """CREATE TABLE fleet_revision (revision {bigint}, digest TEXT, ts {bigint} NOT NULL,
       document TEXT NOT NULL, PRIMARY KEY (revision, digest)){keyed}""",
    "ALTER TABLE node ADD COLUMN labels TEXT",
    "ALTER TABLE node ADD COLUMN groups TEXT",
    "CREATE INDEX event_by_kind ON event (kind, ts)",
    "CREATE INDEX alert_change_by_time ON alert_change (ts)",
    "CREATE INDEX rejection_by_time ON rejection (ts)",
    "CREATE INDEX series_by_metric ON series_key (metric, node_id)",
)
_WORDS: Final = {
    "sqlite": {"int": "INT", "bigint": "INT", "real": "REAL", "keyed": " STRICT, WITHOUT ROWID"},
    "postgresql": {"int": "int", "bigint": "bigint", "real": "float8", "keyed": ""},
}


def upgrade() -> None:
    """Make the tables, and mark what is there already as due."""
    engine = op.get_bind().dialect.name
    for statement in _statements(engine):
        op.execute(statement)


def _statements(engine: str) -> Iterator[str]:
    words = _WORDS[engine]
    if engine == "sqlite":
        yield _SEALED
    for table in _ROLLUPS:
        yield _ROLLUP.format(table=table, **words)
    for statement in _OTHERS:
        yield statement.format(**words)
    for what in _PROGRESS:
        yield f"INSERT INTO progress (what, upto) VALUES ('{what}', 0)"  # noqa: S608 - our own words
    yield (
        "INSERT INTO rollup_due (hour) SELECT DISTINCT ts - ts % 3600000 FROM sample "
        "WHERE true ON CONFLICT DO NOTHING"
    )
