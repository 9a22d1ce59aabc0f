"""Filling and asking the recorder's database, as its programs and its readers do."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from rollcall.broker.topics import Topics
from rollcall.recorder import intake
from rollcall.recorder.findings import Arrival, Freshness, Intake
from rollcall.recorder.store import Store

EPOCH = "9f3c21d07a5be4c8"
NOW_MS = 1_767_225_600_000
TOPICS = Topics()
# What is asked of a database that is not made yet.
NOT_YET = (sqlite3.OperationalError, psycopg.errors.UndefinedTable)


def url_of(database: Path | str) -> str:
    return database if isinstance(database, str) else f"sqlite:///{database}"


def ask(database: Path | str, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Ask as a person would: another connection, read-only. Times come as ISO 8601 text in UTC.

    `database` is a path or a URL; places of `values` are `?`.
    """
    url = url_of(database)
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    with psycopg.connect(url) as asking:
        asking.read_only = True
        answer = asking.execute(query.replace("?", "%s").encode(), values or None)
        return [tuple(_as_text(value) for value in row) for row in answer.fetchall()]


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    return value


def message(
    topic: str,
    payload: Any,
    received_ms: int,
    freshness: Freshness = Freshness.LIVE,
    listening_since_ms: int | None = None,
) -> Intake:
    """A message below the root, as the recorder would take it in."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    name = f"{TOPICS.root}/{topic}"
    found = intake.read(TOPICS, name, raw, Arrival(received_ms, freshness, listening_since_ms))
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
def filled(database: Path | str, messages: Sequence[Intake]) -> Iterator[Store]:
    """A store that holds `messages`, still open."""
    with Store(url_of(database)) as store:
        store.commit(messages)
        yield store


def reading(seq: int, value: float = 1.0) -> Intake:
    at_ms = NOW_MS - 100_000 + 1000 * seq
    return message("node/pi-3/metrics/cpu", report(seq, at_ms, {"percent": value}), at_ms)


def receipt(store: Store) -> tuple[int, list[tuple[int, int]]]:
    said = store.receipt("pi-3")
    assert said is not None
    assert (said.database, said.epoch) == (store.uuid, EPOCH)
    return said.through, said.missing
