"""How fast reports become durable: `.venv/bin/python -m bench.ingest`.

Everything in one run, one after the other, each with a private Mosquitto of its own: reports are
sent as fast as the broker takes them, and the time counts from the first one sent to the receipt
that covers the last. With `--rounds` ceiling and recorder take turns, each share is one of its own
round, and the median is told: what else the machine does is then in both. Beside the recorder: what
its client can receive and decode at most, and two scripts as one would write them. PostgreSQL is a
private server, set up for the run.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bench.blaster import FIELDS, Blaster, reports
from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.mosquitto import PrivateMosquitto, free_port
from rollcall.broker.session import Arrived
from rollcall.broker.topics import Kind, Topics
from rollcall.service.settings import Broker
from tests.support.postgresql import PostgresqlUnderTest

_TOPICS: Final = Topics()
_GIVE_UP_S: Final = 120.0
# Receipts come once a second and node, so at least two seconds' worth has to be under way.
_WINDOW: Final = 26_000
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    what: str
    reports: int
    seconds: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Reports a second."""
        return self.reports / self.seconds


@contextmanager
def _broker() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with PrivateMosquitto(Path(folder), port):
            time.sleep(0.5)
            yield port


class _Watch:
    """Follows the receipts of all nodes."""

    def __init__(self, port: int, nodes: int) -> None:
        self._client = BrokerClient(
            Broker(port=port),
            client_id="watch",
            subscriptions=[
                (_TOPICS.topic_filter(Kind.RECEIPT, "+"), 0),
                (_TOPICS.topic(Kind.SERVICE_STATUS, "recorder"), 0),
            ],
        )
        self.through = dict.fromkeys((f"node-{n}" for n in range(nodes)), 0)
        self.told: list[tuple[str, int, float]] = []
        self.ready = False

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        self._client.__exit__(None, None, None)

    def look(self) -> None:
        """Take in what has come."""
        item = self._client.receive(0.05)
        while isinstance(item, Arrived):
            address = _TOPICS.parse(item.topic)
            if address.kind is Kind.RECEIPT and item.payload:
                receipt = messages.RECEIPT.decode(item.payload)
                missing = sum(last - first + 1 for first, last in receipt.missing)
                self.through[address.name] = receipt.through - missing
                self.told.append((address.name, receipt.through, item.at_s))
            elif item.payload:
                self.ready = json.loads(item.payload)["state"] == "online"
            item = self._client.receive(0)

    def until(self, seq: int) -> float:
        """Wait until everything up to `seq` is receipted; give when it was (monotonic)."""
        gives_up_s = time.monotonic() + _GIVE_UP_S
        while min(self.through.values()) < seq:
            self.look()
            if time.monotonic() > gives_up_s:
                raise SystemExit(f"not receipted: {min(self.through.values())} of {seq}")
        return max(at_s for _, _, at_s in self.told)


def _send_in_window(blaster: Blaster, packets: list[bytes], watch: _Watch) -> None:
    """Send as fast as receipts come, so that what waits at the broker stays bounded."""
    sent = 0
    while sent < len(packets):
        room = _WINDOW - (sent - sum(watch.through.values()))
        if room >= _AT_ONCE:
            blaster.send(packets[sent : sent + _AT_ONCE])
            sent += _AT_ONCE
        else:
            watch.look()


@contextmanager
def _recorder(port: int, url: str) -> Iterator[None]:
    environment = {
        **os.environ,
        "ROLLCALL_BROKER__PORT": str(port),
        "ROLLCALL_RECORDER__DATABASE": url,
    }
    command = [sys.executable, "-m", "rollcall.recorder"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _record(what: str, url: str, arguments: argparse.Namespace) -> Result:
    packets = reports(arguments.nodes, arguments.reports // arguments.nodes)
    each = len(packets) // arguments.nodes
    with _broker() as port, _Watch(port, arguments.nodes) as watch:
        before_s = _children_cpu_s()
        with _recorder(port, url):
            while not watch.ready:
                watch.look()
            time.sleep(0.5)
            with Blaster(port) as blaster:
                began_s = time.monotonic()
                _send_in_window(blaster, packets, watch)
                ended_s = watch.until(each)
        cpu_s = _children_cpu_s() - before_s
    return Result(what, len(packets), ended_s - began_s, cpu_s)


def _consume(which: str, what: str, arguments: argparse.Namespace, folder: Path) -> Result:
    packets = reports(arguments.nodes, arguments.reports // arguments.nodes)
    with _broker() as port:
        before_s = _children_cpu_s()
        command = [sys.executable, "-m", "bench.consumers", which, "--port", str(port)]
        command += ["--count", str(len(packets)), "--database", str(folder / f"{which}.db")]
        command += ["--seconds", str(arguments.seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with Blaster(port) as blaster:
                began_s = time.monotonic()
                blaster.send(packets)
                _, taken, ended_s = process.stdout.readline().split()
            process.wait()
        cpu_s = _children_cpu_s() - before_s
    return Result(what, int(taken), float(ended_s) - began_s, cpu_s)


def _lag(what: str, url: str, per_s: float, arguments: argparse.Namespace) -> str:
    """Record at a steady rate; give how long reports waited for their receipt."""
    each = int(per_s * arguments.lag_seconds / arguments.nodes)
    packets = reports(arguments.nodes, each)
    with _broker() as port, _Watch(port, arguments.nodes) as watch, _recorder(port, url):
        while not watch.ready:
            watch.look()
        time.sleep(0.5)
        with Blaster(port) as blaster:
            sent_s = blaster.send(packets, per_s)
            watch.until(each)
    lags: list[float] = []
    known = dict.fromkeys(watch.through, 0)
    for node, through, at_s in watch.told:
        place = int(node.removeprefix("node-"))
        new = range(known[node] + 1, through + 1)
        lags += [at_s - sent_s[(seq - 1) * arguments.nodes + place] for seq in new]
        known[node] = max(known[node], through)
    lags.sort()
    middle, most = lags[len(lags) // 2], lags[-1]
    return f"| {what} at {per_s:,.0f} reports/s | {middle:.2f} | {most:.2f} |"


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(rounds: list[list[Result]]) -> None:
    """Print the medians over all rounds; the first of each round is its ceiling."""
    print("| what | reports/s | samples/s | of the ceiling | CPU s with the broker's |")
    print("|---|---|---|---|---|")
    ceilings = [results[0].per_s for results in rounds]
    for turns in zip(*rounds, strict=True):
        per_s = statistics.median(turn.per_s for turn in turns)
        shares = [100 * turn.per_s / most for turn, most in zip(turns, ceilings, strict=True)]
        share = f"{statistics.median(shares):.0f} %"
        if len(shares) > 1:
            share += f" ({min(shares):.0f} to {max(shares):.0f})"
        cpu_s = statistics.median(turn.cpu_s for turn in turns)
        figures = f"{per_s:,.0f} | {per_s * len(FIELDS):,.0f} | {share} | {cpu_s:.1f}"
        print(f"| {turns[0].what} | {figures} |")


def _main() -> None:
    parser = argparse.ArgumentParser(description="reports a second, from publish to receipt")
    parser.add_argument("--reports", type=int, default=60_000)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0, help="the scripts' time, at most")
    parser.add_argument("--lag-seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        lite = f"sqlite:///{folder}/{{}}.db"
        with PostgresqlUnderTest() as server, server.databases() as make:
            rounds = [
                [
                    _consume("ceiling", "ceiling: receive and decode only", arguments, folder),
                    _record("recorder, SQLite", lite.format(f"full-{turn}"), arguments),
                    _record("recorder, PostgreSQL", make(), arguments),
                ]
                for turn in range(arguments.rounds)
            ]
            halves = [turns[0].per_s / 2 for turns in list(zip(*rounds, strict=True))[1:]]
            lags = [
                _lag("SQLite", lite.format("half"), halves[0], arguments),
                _lag("PostgreSQL", make(), halves[1], arguments),
            ]
        scripts = [
            _consume("script", "script: a commit a message", arguments, folder),
            _consume("orm", "ORM: a commit a second", arguments, folder),
        ]
    _table([[*results, *scripts] for results in rounds])
    print("\n| at half of its rate | median s to the receipt | longest |\n|---|---|---|")
    print("\n".join(lags))


if __name__ == "__main__":
    _main()
