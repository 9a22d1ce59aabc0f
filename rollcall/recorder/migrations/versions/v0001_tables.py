"""The first schema: everything the recorder stores.

Times (`*_ts`) are integer milliseconds since 1970, UTC. `sample` is ordered by time, so that a
commit of all series appends instead of touching a page for each. In `ledger` a `reason` says why
numbers will never come; without one they are held.
"""

import time
import uuid
from typing import Final

from alembic import op
from sqlalchemy import text

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = (
    """CREATE TABLE about (uuid TEXT PRIMARY KEY, made_ts INT NOT NULL) STRICT""",
    """CREATE TABLE node (node_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT,
       model TEXT, os TEXT, agent TEXT, description TEXT, units TEXT) STRICT""",
    """CREATE TABLE presence (node_id INTEGER PRIMARY KEY, state TEXT, reason TEXT, since_ts INT,
       last_seen_ts INT, epoch TEXT, session INT NOT NULL, interval_s REAL,
       newest_seq INT NOT NULL) STRICT""",
    """CREATE TABLE epoch (epoch_id INTEGER PRIMARY KEY, node_id INT NOT NULL,
       epoch TEXT NOT NULL, UNIQUE (node_id, epoch)) STRICT""",
    """CREATE TABLE ledger (epoch_id INT, first_seq INT, last_seq INT NOT NULL, reason TEXT,
       PRIMARY KEY (epoch_id, first_seq)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE series_key (series_id INTEGER PRIMARY KEY, node_id INT NOT NULL,
       metric TEXT NOT NULL, instance TEXT NOT NULL, unit TEXT, kind TEXT NOT NULL,
       first_ts INT NOT NULL, UNIQUE (node_id, metric, instance)) STRICT""",
    """CREATE TABLE sample (ts INT, series_id INT, value REAL NOT NULL,
       PRIMARY KEY (ts, series_id)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE newest (series_id INTEGER PRIMARY KEY, ts INT NOT NULL,
       value REAL NOT NULL) STRICT""",
    """CREATE TABLE availability_change (node_id INT, ts INT, state TEXT NOT NULL, reason TEXT,
       PRIMARY KEY (node_id, ts)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE event (event_id INTEGER PRIMARY KEY, node_id INT NOT NULL, ts INT NOT NULL,
       kind TEXT NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL) STRICT""",
    """CREATE INDEX event_by_time ON event (node_id, ts)""",
    """CREATE TABLE alert_change (change_id INTEGER PRIMARY KEY, node_id INT NOT NULL,
       rule TEXT NOT NULL, instance TEXT NOT NULL, ts INT NOT NULL, state TEXT NOT NULL,
       severity TEXT, value REAL, summary TEXT, incident TEXT) STRICT""",
    """CREATE INDEX alert_change_by_alert ON alert_change (node_id, rule, instance, change_id)""",
    """CREATE TABLE rejection (topic TEXT, reason TEXT, sha256 TEXT, ts INT NOT NULL,
       error TEXT NOT NULL, times INT NOT NULL, payload TEXT,
       PRIMARY KEY (topic, reason, sha256)) STRICT""",
)


def upgrade() -> None:
    """Make all tables, and give the database its identity."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute(
        text("INSERT INTO about (uuid, made_ts) VALUES (:uuid, :made_ts)").bindparams(
            uuid=str(uuid.uuid4()), made_ts=time.time_ns() // 1_000_000
        )
    )
