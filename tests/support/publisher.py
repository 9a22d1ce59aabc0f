"""A small agent without a host: numbers its reports, keeps each until it is receipted."""

import json
import threading
import time
from types import TracebackType
from typing import Any, Self

from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Arrived, Endpoint, Ready
from rollcall.broker.topics import Kind, Topics

EPOCH = "9f3c21d07a5be4c8"
_BATCH = 200


class _Announcement:
    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.newest = 0
        self._session = 0
        self._since_s = 0.0

    def will(self) -> bytes:
        self._session += 1
        self._since_s = time.time()
        return self._offline(reason="lost")

    def birth(self) -> bytes:
        return self._encoded(state="online", since=self._since_s, interval=1, seq=self.newest)

    def goodbye(self) -> bytes:
        return self._offline(reason="stopped", since=time.time())

    def is_denied_by(self, payload: bytes) -> bool:
        return bool(json.loads(payload)["state"] == "offline")

    def _offline(self, **more: Any) -> bytes:
        return self._encoded(state="offline", **more)

    def _encoded(self, **said: Any) -> bytes:
        return json.dumps({"session": self._session, "epoch": EPOCH, **said}).encode()


class Publisher:
    """Publishes `per_s` reports a second on a thread; a context manager, and stops on leaving.

    `resend_after_s`: unreceipted for so long, a report is sent again on the backlog.
    """

    def __init__(
        self, endpoint: Endpoint, node: str, *, per_s: float, resend_after_s: float = 1.5
    ) -> None:
        self._node = node
        self._topics = Topics()
        self._per_s = per_s
        self._resend_after_s = resend_after_s
        self._announcement = _Announcement(self._topics.topic(Kind.STATUS, node))
        self._client = BrokerClient(
            endpoint,
            client_id=node,
            subscriptions=[
                (self._announcement.topic, 1),
                (self._topics.topic(Kind.RECEIPT, node), 1),
            ],
            announcement=self._announcement,
        )
        self._spool: dict[int, dict[str, Any]] = {}
        self._sent_s: dict[int, float] = {}
        self._newest_ms = 0
        self._stop = threading.Event()
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"publisher {node}")

    @property
    def issued(self) -> int:
        """How many numbers were taken."""
        return self._announcement.newest

    @property
    def node(self) -> str:
        return self._node

    @property
    def unreceipted(self) -> int:
        return len(self._spool)

    def pause(self) -> None:
        """Take no more numbers, and go on bringing out those that were taken."""
        self._pause.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        with self._client:
            began_s = time.monotonic()
            while not self._stop.is_set():
                self._listen(self._client.receive(0.5 / self._per_s))
                due = int((time.monotonic() - began_s) * self._per_s)
                while self.issued < due and not self._pause.is_set():
                    self._take()
                self._resend()

    def _take(self) -> None:
        seq = self._announcement.newest = self._announcement.newest + 1
        report = {
            "epoch": EPOCH,
            "seq": seq,
            "time": self._next_time(),
            "interval": 1,
            "fields": {"number": seq},
        }
        self._spool[seq] = report
        topic = self._topics.topic(Kind.METRICS, self._node, "counter")
        if self._client.publish(topic, json.dumps(report).encode(), retain=True):
            self._sent_s[seq] = time.monotonic()

    def _next_time(self) -> float:
        """Give a time of its own to each report: of two at one time only the first stays."""
        self._newest_ms = max(self._newest_ms + 1, time.time_ns() // 1_000_000)
        return self._newest_ms / 1000

    def _listen(self, item: object) -> None:
        if isinstance(item, Ready):
            self._sent_s.clear()
        elif isinstance(item, Arrived) and item.topic == self._topics.topic(
            Kind.RECEIPT, self._node
        ):
            receipt = messages.RECEIPT.decode(item.payload)
            missing = {n for first, last in receipt.missing for n in range(first, last + 1)}
            for seq in [seq for seq in self._spool if seq <= receipt.through]:
                if seq not in missing:
                    del self._spool[seq]
                    self._sent_s.pop(seq, None)

    def _is_late(self, seq: int) -> bool:
        sent_s = self._sent_s.get(seq)
        return sent_s is None or time.monotonic() - sent_s > self._resend_after_s

    def _resend(self) -> None:
        late = [seq for seq in self._spool if self._is_late(seq)][:_BATCH]
        if not late:
            return
        items = [
            {"collector": "counter", **{k: v for k, v in self._spool[seq].items() if k != "epoch"}}
            for seq in late
        ]
        payload = json.dumps({"epoch": EPOCH, "reports": items}).encode()
        if self._client.publish(self._topics.topic(Kind.BACKLOG, self._node), payload):
            self._sent_s.update(dict.fromkeys(late, time.monotonic()))
