"""The third schema: on SQLite the open hours are ordered by slices of twenty seconds.

`slice` is `ts / 20000`. The statistics are no measurement: they tell the planner that a slice has
many rows and a series few of them, so that it leaps from slice to slice when it looks for a
series. PostgreSQL stays as it is.
"""

from typing import Final

from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels: Final = None
depends_on: Final = None

_STEPS: Final = (
    "ALTER TABLE sample RENAME TO sample_by_time",
    """CREATE TABLE sample (slice INT, series_id INT, ts INT, value REAL NOT NULL,
       PRIMARY KEY (slice, series_id, ts)) STRICT, WITHOUT ROWID""",
    """INSERT INTO sample (slice, series_id, ts, value)
       SELECT ts / 20000, series_id, ts, value FROM sample_by_time ORDER BY 1, 2, 3""",
    "DROP TABLE sample_by_time",
    # Makes the table of statistics where there is none.
    "ANALYZE sqlite_schema",
    "DELETE FROM sqlite_stat1 WHERE tbl = 'sample'",
    "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('sample', 'sample', '1000000 5000 3 1')",
    # Reads them.
    "ANALYZE sqlite_schema",
)


def upgrade() -> None:
    """Copy the open hours into their new order."""
    if op.get_bind().dialect.name == "sqlite":
        for step in _STEPS:
            op.execute(step)
