"""What the alert service costs and how quick it is: `.venv/bin/python -m bench.alerts`.

The real service as a process, with a private Mosquitto and a mail server that accepts at once:

* evaluations: nodes report 20 metrics in 4 collectors, 3 rules judge each metric; the processor
  time of the service is read from `/proc` while reports come at a steady rate;
* latency: 100 nodes report once a second; one after the other becomes hot; from the publication of
  that report to the acceptance of its mail by the server (rule without `for`, `group_wait` 0 s);
* memory: resident size with that many nodes, every one with 60 rules.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from email.policy import default
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Final, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.mosquitto import free_port
from rollcall.broker.session import Ready
from rollcall.broker.topics import Kind, Topics
from tests.support.alert_service import AlertService
from tests.support.mqtt import BrokerUnderTest

_TOPICS: Final = Topics()
_EPOCH: Final = "9f3c21d07a5be4c8"
_COLLECTORS: Final = ("cpu", "memory", "disk", "network")
_FIELDS: Final = ("a_percent", "b_percent", "c_percent", "d_percent", "e_percent")
_RULES_PER_METRIC: Final = 3
_PER_ROUND: Final = len(_COLLECTORS) * len(_FIELDS) * _RULES_PER_METRIC
_REPORTS_A_SECOND: Final = 700
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def _serve_smtp(port: int, accepted: "Queue[tuple[str, float]]") -> None:
    """Accept every mail, and hand out (node in its subject, monotonic seconds)."""

    class Timing:
        async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
            at_s = time.monotonic()
            headers = BytesHeaderParser(policy=default).parsebytes(envelope.original_content or b"")
            accepted.put((headers["Subject"].partition(" on ")[2].partition(" ")[0], at_s))
            return "250 OK"

    Controller(Timing(), hostname="127.0.0.1", port=port).start()
    threading.Event().wait()


class MailServer:
    """An SMTP server in a process of its own; a context manager."""

    def __init__(self) -> None:
        self.port = free_port()
        context = multiprocessing.get_context("spawn")
        self._queue: Queue[tuple[str, float]] = context.Queue()
        self._process = context.Process(target=_serve_smtp, args=(self.port, self._queue))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.join()

    def accepted_s(self) -> dict[str, float]:
        """When the first mail about each node was accepted, as far as is known by now."""
        found: dict[str, float] = {}
        while not self._queue.empty():
            node, at_s = self._queue.get()
            found.setdefault(node, at_s)
        return found


class Nodes:
    """Many nodes over one connection; their reports are made beforehand."""

    def __init__(self, client: BrokerClient, count: int) -> None:
        self._client = client
        self._seq = 0
        self.names = [f"n-{number:04}" for number in range(count)]

    def announce(self) -> None:
        """Call all of them online."""
        for name in self.names:
            birth = messages.Online(since=time.time(), session=1, epoch=_EPOCH, interval=1, seq=0)
            self.publish(_TOPICS.topic(Kind.STATUS, name), messages.encode(birth))

    def report(self, name: str, collector: str, value: float) -> None:
        """Publish one report of five fields."""
        self._seq += 1
        document = {
            "epoch": _EPOCH,
            "seq": self._seq,
            "time": round(time.time(), 3),
            "interval": 1,
            "fields": dict.fromkeys(_FIELDS, value),
        }
        self.publish(_TOPICS.topic(Kind.METRICS, name, collector), json.dumps(document).encode())

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, and wait while too much is under way."""
        while not self._client.publish(topic, payload, retain=True):
            self._client.receive(0.01)

    def steadily(self, seconds: float, a_second: float, each: Callable[[int], None]) -> float:
        """Do `each` so often a second; give how often it was in fact."""
        began_s = time.monotonic()
        done = 0
        while (passed_s := time.monotonic() - began_s) < seconds:
            due = int(passed_s * a_second)
            for number in range(done, due):
                each(number)
            done = max(done, due)
            self._client.receive(0.002)
        return done / seconds


def main() -> int:
    """Run all three, and print a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=10_000, help="a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--nodes", type=int, default=500, help="for the evaluations")
    parser.add_argument("--many", type=int, default=2000, help="nodes for the memory")
    parser.add_argument("--only", choices=["evaluations", "latency", "memory"])
    arguments = parser.parse_args()
    if arguments.only in {None, "evaluations"}:
        _print_evaluations(arguments.nodes, arguments.evaluations, arguments.seconds)
    if arguments.only in {None, "latency"}:
        _print_latency()
    if arguments.only in {None, "memory"}:
        _print_memory(arguments.many)
    return 0


def _print_evaluations(count: int, wanted: int, seconds: float) -> None:
    with _stage(count, _rules(threshold=90)) as (nodes, service, _):
        per_report = len(_FIELDS) * _RULES_PER_METRIC

        def one(number: int) -> None:
            place, collector = divmod(number, len(_COLLECTORS))
            nodes.report(nodes.names[place % count], _COLLECTORS[collector], 20 + number % 50)

        nodes.steadily(3, wanted / per_report, one)
        before_s = _cpu_s(service.pid)
        reports = nodes.steadily(seconds, wanted / per_report, one)
        used = (_cpu_s(service.pid) - before_s) / seconds
    print("| nodes | reports a second | evaluations a second | % of a core |")
    print("|---|---|---|---|")
    print(f"| {count} | {reports:.0f} | {reports * per_report:.0f} | {used * 100:.1f} |\n")


def _print_latency(count: int = 100) -> None:
    rule = _rule("cpu.a_percent", 90) | {"group_by": ["node"], "group_wait": "0s"}
    rule |= {"group_wait_max": "0s", "group_interval": "0s"}
    published_s: dict[str, float] = {}
    with _stage(count, {"hot": rule}) as (nodes, _, smtp):
        hot = iter(random.Random(1).sample(nodes.names, count))  # noqa: S311 - an order, no secret

        def one(number: int) -> None:
            name = nodes.names[number % count]
            nodes.report(name, "cpu", 97 if name in published_s else 20)
            if number % 20 == 0 and number > 2 * count and (name := next(hot, "")):
                published_s[name] = time.monotonic()
                nodes.report(name, "cpu", 97)

        nodes.steadily(2 + count * 20 / 100 + 3, 100, one)
        accepted_s = smtp.accepted_s()
        took_ms = sorted(
            (accepted_s[name] - at_s) * 1000
            for name, at_s in published_s.items()
            if name in accepted_s
        )
    p99 = took_ms[min(int(len(took_ms) * 0.99), len(took_ms) - 1)]
    print("| nodes | mails | p50 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|")
    middle = statistics.median(took_ms)
    print(f"| {count} | {len(took_ms)} | {middle:.1f} | {p99:.1f} | {took_ms[-1]:.1f} |\n")


def _print_memory(count: int) -> None:
    with _stage(0, _rules(threshold=90)) as (nodes, service, _):
        empty = _rss_mib(service.pid)
        nodes.names = [f"n-{number:04}" for number in range(count)]
        nodes.announce()

        def one(number: int) -> None:
            place, collector = divmod(number, len(_COLLECTORS))
            nodes.report(nodes.names[place % count], _COLLECTORS[collector], 20 + number % 50)

        # So slowly that the broker has to drop nothing, and every node reports twice.
        nodes.steadily(2 * count * len(_COLLECTORS) / _REPORTS_A_SECOND, _REPORTS_A_SECOND, one)
        nodes.steadily(3, 1, lambda _number: None)
        full = _rss_mib(service.pid)
    print("| nodes | rules on each | MiB without nodes | MiB with them | KiB a node |")
    print("|---|---|---|---|---|")
    each = (full - empty) * 1024 / count
    print(f"| {count} | {_PER_ROUND} | {empty:.1f} | {full:.1f} | {each:.1f} |")


@contextmanager
def _stage(count: int, rules: dict[str, Any]) -> Iterator[tuple[Nodes, AlertService, MailServer]]:
    with tempfile.TemporaryDirectory() as name, MailServer() as smtp:
        folder = Path(name)
        mail = {"host": "'127.0.0.1'", "port": smtp.port, "security": "none"}
        mail |= {"from": "r@example.org", "to": '["a@example.org"]'}
        mail |= {"max_rate": "100000/s", "burst": 1000}
        with (
            BrokerUnderTest(folder / "broker") as broker,
            AlertService(folder, broker, **mail) as service,
            BrokerClient(broker.endpoint, client_id="nodes", subscriptions=[]) as client,
        ):
            while not isinstance(client.receive(1), Ready):
                pass
            nodes = Nodes(client, count)
            document = {
                "groups": {"all": ["*"]},
                "templates": {"base": {"groups": ["all"], "rules": list(rules)}},
                "rules": rules,
            }
            fleet = {"revision": 1, "digest": "sha256:0", "document": document}
            nodes.publish(_TOPICS.topic(Kind.FLEET), json.dumps(fleet).encode())
            nodes.announce()
            nodes.steadily(2, 1, lambda _number: None)
            yield nodes, service, smtp


def _rules(*, threshold: float) -> dict[str, Any]:
    return {
        f"{collector}_{name}_{number}": _rule(f"{collector}.{name}", threshold + number)
        for collector in _COLLECTORS
        for name in _FIELDS
        for number in range(_RULES_PER_METRIC)
    }


def _rule(metric: str, threshold: float) -> dict[str, Any]:
    return {"kind": "threshold", "metric": metric, "threshold": threshold, "for": "0s"}


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
