"""Sends prepared reports to a broker as fast as it takes them, at next to no cost.

A client library would take more processor time than what is measured. Each packet is made
beforehand, as MQTT 3.1.1 with QoS 1; the broker's acknowledgements are read and thrown away.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rollcall.broker.topics import Kind, Topics

EPOCH: Final = "9f3c21d07a5be4c8"
FIELDS: Final = (
    *("percent", "user_percent", "system_percent", "iowait_percent", "steal_percent"),
    *("idle_percent", "interrupt_percent", "nice_percent"),
)
_PUBLISH_RETAINED_QOS_1: Final = 0x33
_CHUNK: Final = 50


class Blaster:
    """One connection on loopback that sends what it is given; a context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        name = b"\x00\x05blast"
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + name
        self._socket.sendall(bytes([0x10, len(body)]) + body)
        self._socket.recv(4)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()
        self._reader.join(5)

    def send(self, packets: Sequence[bytes], per_s: float | None = None) -> list[float]:
        """Send all packets; give when each went (monotonic seconds). `per_s` None: at once."""
        began_s = time.monotonic()
        sent = []
        for first in range(0, len(packets), _CHUNK):
            if per_s:
                time.sleep(max(began_s + first / per_s - time.monotonic(), 0))
            chunk = packets[first : first + _CHUNK]
            self._socket.sendall(b"".join(chunk))
            sent += [time.monotonic()] * len(chunk)
        return sent

    def _read(self) -> None:
        try:
            while self._socket.recv(65_536):
                pass
        except OSError:
            return


def reports(nodes: int, each: int, *, first: int = 1) -> list[bytes]:
    """Make the packets of `each` reports of every node, numbered from `first`, in turn."""
    topics = Topics()
    began_ms = time.time_ns() // 1_000_000 - 60_000
    packets: list[bytes] = []
    for seq in range(first, first + each):
        for node in range(nodes):
            topic = topics.topic(Kind.METRICS, f"node-{node}", "cpu")
            report = {
                "epoch": EPOCH,
                "seq": seq,
                "time": (began_ms + seq) / 1000,
                "interval": 10,
                "fields": dict.fromkeys(FIELDS, (seq * 7 + node) % 1000 / 10),
            }
            packets.append(_packet(topic.encode(), json.dumps(report).encode(), len(packets)))
    return packets


def _packet(topic: bytes, payload: bytes, count: int) -> bytes:
    packet_id = count % 65_535 + 1
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id) + payload
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([_PUBLISH_RETAINED_QOS_1]) + digits + body
