"""Many nodes at once: `.venv/bin/python -m bench.swarm 500`.

Each simulated node has an MQTT connection of its own with a last will, hears its receipts, and
reports like an agent: six collectors every ten seconds, each node at its own offset. One private
Mosquitto, one recorder on SQLite (or `--database URL`), one alert service. Processor time and
memory come from `/proc`, the lag from the receipts; at the end the database is asked whether
every number that was issued is there.
"""

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text

from bench.filled import METRICS
from rollcall.broker.messages import RECEIPT
from rollcall.broker.mosquitto import PrivateMosquitto, free_port
from rollcall.broker.topics import Kind, Topics
from rollcall.recorder.queries import reading

_TOPICS: Final = Topics()
_INTERVAL_S: Final = 10.0
_COLLECTORS: Final = ("cpu", "memory", "disk", "network", "temperature", "load")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_KEEP_ALIVE_S: Final = 60
_CONNECTS_PER_S: Final = 200
_SETTLE_S: Final = 8.0
_RETAINED, _QOS_1 = 0x01, 0x02


@dataclass(slots=True)
class Lag:
    """How long reports waited for their receipt, in seconds."""

    longest: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, lag_s: float) -> None:
        """Take in one."""
        self.longest = max(self.longest, lag_s)
        self.total += lag_s
        self.count += 1


class Node(asyncio.Protocol):
    """One node: speaks just enough MQTT 3.1.1."""

    def __init__(self, name: str, lag: Lag) -> None:
        self._name = name
        self._lag = lag
        self._epoch = f"{int(name.rpartition('-')[2]):016x}"
        self._sent_s: dict[int, float] = {}
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.seq = 0
        self.ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect with a last will."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        will = json.dumps(
            {"state": "offline", "reason": "lost", "session": 1, "epoch": self._epoch}
        )
        name, topic = self._name.encode(), self._status.encode()
        flags = 0x02 | 0x04 | 0x08 | 0x20
        head = _text(b"MQTT") + bytes([4, flags]) + struct.pack(">H", _KEEP_ALIVE_S)
        self._write(0x10, head + _text(name) + _text(topic) + _text(will.encode()))

    def data_received(self, data: bytes) -> None:
        """Take packets apart: CONNACK, SUBACK, PUBACK, and receipts."""
        self._buffer += data
        while (packet := self._next()) is not None:
            kind, body = packet
            if kind >> 4 == 2:  # noqa: PLR2004 - CONNACK
                receipts = _TOPICS.topic(Kind.RECEIPT, self._name).encode()
                self._write(0x82, struct.pack(">H", 1) + _text(receipts) + b"\x00")
                self._birth()
                self.ready.set()
            elif kind >> 4 == 3:  # noqa: PLR2004 - PUBLISH
                self._receipted(body[2 + struct.unpack(">H", body[:2])[0] :])

    def report(self) -> None:
        """Publish one report of each collector."""
        now_s = time.time()
        for place, collector in enumerate(_COLLECTORS):
            names = [each.partition(".")[2] for each in METRICS if each.startswith(collector)]
            self.seq += 1
            said = {
                "epoch": self._epoch,
                "seq": self.seq,
                "time": round(now_s + place / 1000, 3),
                "interval": 10,
                "fields": dict.fromkeys(names or ["load1"], self.seq % 1000 / 10),
            }
            self._sent_s[self.seq] = time.monotonic()
            topic = _TOPICS.topic(Kind.METRICS, self._name, collector)
            self._publish(topic, json.dumps(said).encode())

    @property
    def _status(self) -> str:
        return _TOPICS.topic(Kind.STATUS, self._name)

    def _birth(self) -> None:
        said = {
            "state": "online", "since": round(time.time(), 3), "session": 1,
            "epoch": self._epoch, "interval": 10, "seq": self.seq,
        }  # fmt: skip
        self._publish(self._status, json.dumps(said).encode())

    def _publish(self, topic: str, payload: bytes) -> None:
        packet_id = struct.pack(">H", self.seq % 60_000 + 1)
        self._write(0x30 | _RETAINED | _QOS_1, _text(topic.encode()) + packet_id + payload)

    def _receipted(self, payload: bytes) -> None:
        receipt = RECEIPT.decode(payload)
        now_s = time.monotonic()
        for seq in [seq for seq in self._sent_s if seq <= receipt.through]:
            self._lag.add(now_s - self._sent_s.pop(seq))

    def _write(self, kind: int, body: bytes) -> None:
        assert self._transport is not None
        length, digits = len(body), b""
        while True:
            length, digit = divmod(length, 128)
            digits += bytes([digit | (0x80 if length else 0)])
            if not length:
                break
        self._transport.write(bytes([kind]) + digits + body)

    def _next(self) -> tuple[int, bytes] | None:
        length, shift, place = 0, 0, 1
        while place < len(self._buffer):
            digit = self._buffer[place]
            length |= (digit & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if not digit & 0x80:
                break
        else:
            return None
        if len(self._buffer) < place + length:
            return None
        kind, body = self._buffer[0], self._buffer[place : place + length]
        self._buffer = self._buffer[place + length :]
        return kind, body


class _Mosquitto(PrivateMosquitto):
    """A private broker that tells its process."""

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid


def _text(raw: bytes) -> bytes:
    return struct.pack(">H", len(raw)) + raw


async def _swarm(port: int, count: int, seconds: float, lag: Lag) -> dict[str, int]:
    loop = asyncio.get_running_loop()
    nodes = []
    for number in range(count):
        node = Node(f"node-{number}", lag)
        await loop.create_connection(lambda node=node: node, "127.0.0.1", port)  # type: ignore[misc]
        await node.ready.wait()
        nodes.append(node)
        await asyncio.sleep(1 / _CONNECTS_PER_S)
    ends_s = loop.time() + seconds

    async def live(place: int, node: Node) -> None:
        await asyncio.sleep(_INTERVAL_S * place / count)
        while loop.time() < ends_s:
            node.report()
            await asyncio.sleep(_INTERVAL_S)

    await asyncio.gather(*(live(place, node) for place, node in enumerate(nodes)))
    await asyncio.sleep(_SETTLE_S)
    return {f"node-{place}": node.seq for place, node in enumerate(nodes)}


def _used(pid: int) -> tuple[float, float]:
    """Give processor seconds and resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, int(resident.split()[1]) / 1024


def _lost(url: str, issued: dict[str, int]) -> int:
    """Count the numbers that were issued and are not in the ledger, exactly once each."""
    query = text(
        "SELECT n.name, sum(l.last_seq - l.first_seq + 1) AS held FROM ledger l "
        "JOIN epoch e ON e.epoch_id = l.epoch_id JOIN node n ON n.node_id = e.node_id "
        "WHERE l.reason IS NULL GROUP BY n.name"
    )
    with reading(url) as engine, engine.connect() as connection:
        held = {name: int(count) for name, count in connection.execute(query)}
    return sum(abs(count - held.get(name, 0)) for name, count in issued.items())


def _main() -> None:
    parser = argparse.ArgumentParser(description="many nodes with a connection each")
    parser.add_argument("nodes", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", help="default: SQLite in a temporary folder")
    arguments = parser.parse_args()
    lag = Lag()
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder, port = Path(name), free_port()
        url = arguments.database or f"sqlite:///{folder}/swarm.db"
        environment = {
            **os.environ,
            "ROLLCALL_BROKER__PORT": str(port),
            "ROLLCALL_RECORDER__DATABASE": url,
            "ROLLCALL_ALERTS__STATE_DIR": str(folder / "alerts"),
            "ROLLCALL_MAIL__FOLDER": str(folder / "mail"),
        }
        broker = opened.enter_context(_Mosquitto(folder / "broker", port))
        time.sleep(0.5)
        pids = {"broker": broker.pid}
        for service in ("recorder", "alerts"):
            command = [sys.executable, "-m", f"rollcall.{service}"]
            process = opened.enter_context(subprocess.Popen(command, env=environment))
            opened.callback(process.terminate)
            pids[service] = process.pid
        time.sleep(2)
        before = {service: _used(pid)[0] for service, pid in pids.items()}
        began_s = time.monotonic()
        issued = asyncio.run(_swarm(port, arguments.nodes, arguments.seconds, lag))
        took_s = time.monotonic() - began_s
        _print(arguments.nodes, issued, lag, _lost(url, issued))
        for service, pid in pids.items():
            cpu_s, resident = _used(pid)
            print(
                f"| {service} | {100 * (cpu_s - before[service]) / took_s:.1f} | {resident:.0f} |"
            )


def _print(nodes: int, issued: dict[str, int], lag: Lag, lost: int) -> None:
    mean = lag.total / max(lag.count, 1)
    print(f"{nodes} nodes, {sum(issued.values()):,} reports; {lost} lost or doubled;")
    print(f"to the receipt {mean:.2f} s on average, {lag.longest:.2f} s at most\n")
    print("| process | % of a core | RSS MiB |\n|---|---|---|")


if __name__ == "__main__":
    _main()
