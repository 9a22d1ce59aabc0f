"""Filling and asking the recorder's database, as its programs and its readers do."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rollcall.broker.topics import Topics
from rollcall.recorder import intake
from rollcall.recorder.findings import Arrival, Freshness, Intake
from rollcall.recorder.store import Store

EPOCH = "9f3c21d07a5be4c8"
TOPICS = Topics()


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def ask(path: Path, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Ask as a person would: another connection, read-only."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def message(
    topic: str, payload: Any, received_ms: int, freshness: Freshness = Freshness.LIVE
) -> Intake:
    """A message below the root, as the recorder would take it in."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    name = f"{TOPICS.root}/{topic}"
    found = intake.read(TOPICS, name, raw, Arrival(received_ms, freshness))
    return Intake(name, raw, received_ms, tuple(found))


def report(seq: int, time_ms: int, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "epoch": EPOCH, "seq": seq, "time": time_ms / 1000, "interval": 10, "fields": fields, **more
    }  # fmt: skip


def birth(since_ms: int, *, session: int = 1, seq: int = 0, interval: int = 10) -> dict[str, Any]:
    return {
        "state": "online", "since": since_ms / 1000, "session": session, "epoch": EPOCH,
        "interval": interval, "seq": seq,
    }  # fmt: skip


def end(reason: str, *, session: int = 1, since_ms: int | None = None) -> dict[str, Any]:
    said = {"state": "offline", "reason": reason, "session": session, "epoch": EPOCH}
    return said if since_ms is None else {**said, "since": since_ms / 1000}


@contextmanager
def filled(path: Path, messages: Sequence[Intake]) -> Iterator[Store]:
    """A store that holds `messages`, still open."""
    with Store(url_of(path)) as store:
        store.commit(messages)
        yield store
