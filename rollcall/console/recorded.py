"""Reading what the recorder has stored, through the public views: the console's one way in.

SQLite so far: the file is opened read-only, beside the recorder that writes it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rollcall.alerts.replay import RecordedSample, RecordedStatus, Span
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError

_SQLITE: Final = "sqlite:///"
_SAMPLES: Final = """
SELECT ts / 1000.0, metric, instance, value FROM samples
WHERE node = ? AND metric = ? AND ts >= ? AND ts < ? ORDER BY ts"""
_AVAILABILITY: Final = """
SELECT ts / 1000.0, state, reason FROM availability
WHERE node = ? AND ts < ? AND (until_ts IS NULL OR until_ts > ?) ORDER BY ts"""


class Recorded:
    """The recorder's database, as its readers see it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def nodes(self) -> list[str]:
        """Name every node that was ever recorded."""
        rows = self._connection.execute("SELECT node FROM nodes ORDER BY node")
        return [name for (name,) in rows]

    def samples(self, node: str, metrics: Sequence[str], span: Span) -> list[RecordedSample]:
        """Give the raw samples of a node's metrics, oldest first."""
        found = [
            RecordedSample(at, metric, instance or "", value)
            for name in metrics
            for at, metric, instance, value in self._connection.execute(
                _SAMPLES, (node, name, span.begin * 1000, span.end * 1000)
            )
        ]
        return sorted(found, key=lambda sample: sample.at)

    def availability(self, node: str, span: Span) -> list[RecordedStatus]:
        """Give what a node was within a span, oldest first; the first may have begun before."""
        rows = self._connection.execute(_AVAILABILITY, (node, span.end * 1000, span.begin * 1000))
        return [RecordedStatus(*row) for row in rows]


@contextmanager
def recorded(url: str) -> Iterator[Recorded]:
    """Open the database for reading. Raises CommandError with exit code 5."""
    if not url.startswith(_SQLITE):
        raise CommandError(
            f"this version reads SQLite only, and the database is {url.partition(':')[0]}",
            "rollcall alerts check, with rule tests instead of recorded data",
            EXIT_OUT_OF_REACH,
        )
    path = Path(url.removeprefix(_SQLITE)).expanduser()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            yield Recorded(opened)
    except sqlite3.Error as error:
        raise CommandError(
            f"the recorder's database {path} cannot be read: {error}",
            "rollcall run recorder, or set [recorder] database in rollcall.toml",
            EXIT_OUT_OF_REACH,
        ) from error
