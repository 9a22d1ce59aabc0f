"""How the recorder fares, as its status topic tells it."""

from dataclasses import dataclass

from pydantic import JsonValue

from rollcall.recorder.transaction import Stored


@dataclass(slots=True)
class Health:
    """Counts since the start, and the present state; written by one thread, read by any."""

    reports: int = 0
    events: int = 0
    samples: int = 0
    duplicates: int = 0
    rejected: int = 0
    faults: int = 0
    dropped: int = 0
    last_commit: float | None = None
    lag_seconds: float = 0.0
    queue: int = 0
    database: str = "ok"
    database_bytes: int | None = None

    def stored(self, stored: Stored, *, at_s: float, size_bytes: int | None) -> None:
        """Count a batch that was committed at `at_s` (Unix seconds)."""
        self.reports += stored.reports
        self.events += stored.events
        self.samples += stored.samples
        self.duplicates += stored.duplicates
        self.rejected += stored.rejected
        self.last_commit = at_s
        self.database = "ok"
        self.database_bytes = size_bytes

    def snapshot(self) -> dict[str, JsonValue]:
        """Give all of it for the status topic; `faults` are messages that tripped us up."""
        return {
            "reports": self.reports,
            "events": self.events,
            "samples": self.samples,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "faults": self.faults,
            "dropped": self.dropped,
            "last_commit": self.last_commit and round(self.last_commit, 3),
            "lag_seconds": round(self.lag_seconds, 3),
            "queue": self.queue,
            "database": self.database,
            "database_bytes": self.database_bytes,
        }
