"""What the recorder is measured against: each receives the same reports, in a process of its own.

`ceiling` receives and decodes with the recorder's own client and code, and stores nothing.
`script` is the obvious one: paho-mqtt, SQLite, one commit for each message. `orm` is the same
with SQLAlchemy's ORM and a commit each second. Each prints how many reports it had taken at what
monotonic time, and ends after `--count` of them or after `--seconds`.
"""

import argparse
import gc
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from rollcall.broker import session
from rollcall.broker.client import BrokerClient
from rollcall.broker.topics import Topics
from rollcall.recorder import intake
from rollcall.recorder.__main__ import COLLECT_AFTER
from rollcall.recorder.findings import Arrival, Freshness
from rollcall.recorder.recorder import RECEIVE_MAXIMUM
from rollcall.service.settings import Broker

_FILTER: Final = "rollcall/v1/node/+/metrics/+"
_CREATE: Final = """CREATE TABLE sample (node TEXT, metric TEXT, ts REAL, value REAL);
CREATE INDEX by_series ON sample (node, metric, ts);"""


class _Table(DeclarativeBase):
    """The base of the one table."""


class _Sample(_Table):
    """A sample, as one would first write it down."""

    __tablename__ = "sample"
    sample_id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[str]
    metric: Mapped[str]
    ts: Mapped[float]
    value: Mapped[float]


def _ceiling(arguments: argparse.Namespace) -> int:
    gc.set_threshold(COLLECT_AFTER)
    topics = Topics()
    asked = session.Session(
        receive_maximum=RECEIVE_MAXIMUM, manual_acknowledgement=True, inbox_limit=1_000_000
    )
    client = BrokerClient(
        Broker(port=arguments.port),
        client_id="ceiling",
        subscriptions=[(_FILTER, 1)],
        session=asked,
    )
    taken = 0
    ends_s = time.monotonic() + arguments.seconds
    waiting: list[session.Arrived] = []
    with client:
        while taken < arguments.count and time.monotonic() < ends_s:
            item = client.receive(0.2)
            if len(waiting) >= RECEIVE_MAXIMUM // 2 or item is None:
                client.acknowledge(*waiting)
                waiting.clear()
            if isinstance(item, session.Ready):
                _say("ready", 0)
            elif isinstance(item, session.Arrived):
                arrival = Arrival(time.time_ns() // 1_000_000, Freshness.LIVE)
                intake.read(topics, item.topic, item.payload, arrival)
                waiting.append(item)
                taken += 1
    return taken


def _with_paho(arguments: argparse.Namespace, store: Callable[[str, Any], None]) -> int:
    state = SimpleNamespace(taken=0)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="script")

    def on_message(_client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        store(message.topic.split("/")[3], json.loads(message.payload))
        state.taken += 1

    def on_subscribe(*_told: Any) -> None:
        _say("ready", 0)

    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.connect("127.0.0.1", arguments.port)
    client.subscribe(_FILTER, qos=1)
    ends_s = time.monotonic() + arguments.seconds
    while state.taken < arguments.count and time.monotonic() < ends_s:
        client.loop(0.2)
    client.disconnect()
    return int(state.taken)


def _script(arguments: argparse.Namespace) -> int:
    connection = sqlite3.connect(arguments.database)
    connection.executescript(_CREATE)

    def store(node: str, report: Any) -> None:
        rows = [(node, name, report["time"], value) for name, value in report["fields"].items()]
        connection.executemany("INSERT INTO sample VALUES (?, ?, ?, ?)", rows)
        connection.commit()

    taken = _with_paho(arguments, store)
    connection.close()
    return taken


def _orm(arguments: argparse.Namespace) -> int:
    engine = create_engine(f"sqlite:///{arguments.database}")
    _Table.metadata.create_all(engine)
    with Session(engine) as opened:
        due = SimpleNamespace(at_s=time.monotonic() + 1)

        def store(node: str, report: Any) -> None:
            for name, value in report["fields"].items():
                opened.add(_Sample(node=node, metric=name, ts=report["time"], value=value))
            if time.monotonic() >= due.at_s:
                opened.commit()
                due.at_s = time.monotonic() + 1

        taken = _with_paho(arguments, store)
        opened.commit()
    engine.dispose()
    return taken


def _say(word: str, taken: int) -> None:
    sys.stdout.write(f"{word} {taken} {time.monotonic()}\n")
    sys.stdout.flush()


def _main() -> None:
    parser = argparse.ArgumentParser(description="consumers for bench.ingest")
    parser.add_argument("which", choices=["ceiling", "script", "orm"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    taken = {"ceiling": _ceiling, "script": _script, "orm": _orm}[arguments.which](arguments)
    _say("done", taken)


if __name__ == "__main__":
    _main()
