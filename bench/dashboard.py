"""What the dashboard costs with many nodes: `.venv/bin/python -m bench.dashboard [--nodes 1000]`.

Also how soon a chart of thirty days is answered, from a database of `--samples` samples (SQLite,
200 nodes, made by a seeded generator; 1e8 takes some minutes and 4 GB).

A private Mosquitto, one client that publishes for every node what a node publishes (each collector
every ten seconds, spread evenly), the dashboard as a process, a real Chromium, and viewers that
only read the stream. Everything runs on this one machine, so the browser competes with the rest.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, Self

from playwright.sync_api import sync_playwright

from bench.filled import fill, node_name
from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import Info, Online, Report, encode
from rollcall.broker.mosquitto import PrivateMosquitto, free_port
from rollcall.broker.session import Ready
from rollcall.broker.topics import Kind, Topics
from rollcall.dashboard.entry import Entry
from rollcall.dashboard.tokens import Tokens
from rollcall.service.settings import Broker

_EPOCH: Final = "9f3c21d07a5be4c8"
_INTERVAL_S: Final = 10
_TOPICS: Final = Topics()
_FIELDS: Final = {
    "cpu": {"percent": 12.5, "user_percent": 8.0, "system_percent": 4.5},
    "memory": {"used_percent": 47.0, "used_bytes": 3_800_000_000},
    "load": {"load1": 0.5, "load5": 0.6, "load15": 0.7},
    "temperature": {"cpu_celsius": 49.0},
}
_RECORDED_NODES: Final = 200
_CHARTS: Final = 40
_MONTH_S: Final = 30 * 86_400
_OBSERVE: Final = """() => {
  window.applied = [];
  const note = (list) => list.getEntriesByName("delta").forEach((it) => applied.push(it.duration));
  new PerformanceObserver(note).observe({type: "measure"});
}"""


class Crowd:
    """Publishes for `count` nodes, on a thread, until the end of the context."""

    def __init__(self, broker: Broker, count: int) -> None:
        self._names = [f"node-{number:04d}" for number in range(count)]
        self._client = BrokerClient(broker, client_id="crowd", subscriptions=[])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.settled = threading.Event()
        self._seq = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._client:
            while not isinstance(self._client.receive(1), Ready):
                pass
            for name in self._names:
                self._introduce(name)
            for name in self._names:
                self._report(name)
            self.settled.set()
            began_s, sent = time.monotonic(), 0
            while not self._stop.is_set():
                due = int((time.monotonic() - began_s) * len(self._names) / _INTERVAL_S)
                for number in range(sent, due):
                    self._report(self._names[number % len(self._names)])
                sent = due
                self._client.receive(0.02)

    def _introduce(self, name: str) -> None:
        now_s = time.time()
        birth = Online(since=now_s, session=1, epoch=_EPOCH, interval=_INTERVAL_S, seq=0)
        self._publish(Kind.STATUS, name, payload=encode(birth))
        info = Info(hostname=name, agent="1.0.0", interval=_INTERVAL_S, description="a node")
        self._publish(Kind.INFO, name, payload=encode(info))

    def _report(self, name: str) -> None:
        for collector, fields in _FIELDS.items():
            self._seq += 1
            values = {key: value + self._seq % 7 for key, value in fields.items()}
            report = Report(
                time=time.time(),
                interval=_INTERVAL_S,
                epoch=_EPOCH,
                seq=self._seq,
                fields=dict(values),
            )
            self._publish(Kind.METRICS, name, collector, payload=encode(report))

    def _publish(self, kind: Kind, *path: str, payload: bytes) -> None:
        while not self._client.publish(_TOPICS.topic(kind, *path), payload, retain=True):
            self._client.receive(0.01)


class Reader:
    """Reads the stream as a browser would, and counts bytes."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("GET", "/api/stream", headers={"Cookie": cookie})
        self._answer = self._connection.getresponse()
        self.read_bytes = 0
        self.snapshot_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            line = self._answer.readline()
            self.read_bytes += len(line)
            if not self.snapshot_bytes and line.startswith(b"data:"):
                self.snapshot_bytes = len(line)

    def close(self) -> None:
        """Leave."""
        self._stop.set()
        self._thread.join()
        self._connection.close()


def charts(port: int, cookie: str) -> dict[str, float]:
    """Ask for thirty days of one series, each time another; give milliseconds and kilobytes."""
    until_s = time.time()
    took_ms, size = [], 0
    for number in range(1, _CHARTS + 1):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        began_s = time.perf_counter()
        node = node_name(number)
        question = f"node={node}&metric=cpu.percent&since={until_s - _MONTH_S}&until={until_s}"
        connection.request("GET", f"/api/series?{question}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        size = len(answer.read())
        took_ms.append((time.perf_counter() - began_s) * 1000)
        connection.close()
        if answer.status != HTTPStatus.OK:
            raise SystemExit(f"a chart was answered with {answer.status}")
    return {
        "a chart of 30 days, ms (median)": statistics.median(took_ms),
        "a chart of 30 days, ms (worst of 40)": max(took_ms),
        "a chart of 30 days, kB": size / 1000,
    }


def scrapes(port: int, token: str) -> dict[str, float]:
    """Ask for the metrics as a scraper does, ten times; give ms and size."""
    took_ms = []
    for _ in range(10):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        began_s = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read()
        took_ms.append((time.perf_counter() - began_s) * 1000)
        connection.close()
        if answer.status != HTTPStatus.OK:
            raise SystemExit(f"a scrape was answered with {answer.status}")
    return {
        "a scrape of /metrics, ms (median)": statistics.median(took_ms),
        "a scrape of /metrics, kB": len(text) / 1000,
        "a scrape of /metrics, values": text.count(b"\n") - text.count(b"#"),
    }


def resident_mib(pid: int) -> float:
    """Give the resident memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def cpu_s(pid: int) -> float:
    """Give the processor seconds of a process up to now."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def look(url: str, token: str, count: int) -> dict[str, float]:
    """Open the page in Chromium; give seconds to the first full paint, ms to apply a delta."""
    path = shutil.which("chromium")
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(f"{url}/login/{token}")
        page.wait_for_selector("tbody tr")
        page.goto("about:blank")
        began_s = time.monotonic()
        page.goto(url)
        page.wait_for_function(
            f"() => document.querySelectorAll('tbody tr').length >= {count}", polling=20
        )
        painted_s = time.monotonic() - began_s
        page.evaluate(_OBSERVE)
        page.wait_for_timeout(10_000)
        applied = page.evaluate("() => window.applied")
        browser.close()
    applied.sort()
    return {
        "first full paint, s": painted_s,
        "a delta applied, ms (median)": applied[len(applied) // 2],
        "a delta applied, ms (worst)": applied[-1],
    }


def measure(
    folder: Path, count: int, viewers: int, samples: int, opened: ExitStack
) -> dict[str, float]:
    """Run it all; give the figures by name."""
    database = f"sqlite:///{folder / 'rollcall.db'}"
    fill(database, _RECORDED_NODES, samples)
    mosquitto = opened.enter_context(PrivateMosquitto(folder / "broker", free_port()))
    broker = Broker(port=mosquitto.port)
    crowd = opened.enter_context(Crowd(broker, count))
    crowd.settled.wait(120)
    port = free_port()
    environment = {
        **os.environ,
        "XDG_DATA_HOME": str(folder),
        "ROLLCALL_BROKER__PORT": str(mosquitto.port),
        "ROLLCALL_DASHBOARD__LISTEN": f"127.0.0.1:{port}",
        "ROLLCALL_DASHBOARD__STATE_DIR": str(folder / "dashboard"),
        "ROLLCALL_RECORDER__DATABASE": database,
    }
    process = subprocess.Popen([sys.executable, "-m", "rollcall.dashboard"], env=environment)
    opened.callback(process.wait)
    opened.callback(process.terminate)
    time.sleep(5)
    entry = Entry(folder / "dashboard")
    found = look(f"http://127.0.0.1:{port}", entry.make_link(time.time()), count)
    cookie = f"rollcall={entry.open_session(time.time())}"
    found |= charts(port, cookie)
    found |= scrapes(port, Tokens(folder / "dashboard").make("bench", time.time()))
    readers = [Reader(port, cookie) for _ in range(viewers)]
    time.sleep(5)
    began_s, before = time.monotonic(), [reader.read_bytes for reader in readers]
    used_s = cpu_s(process.pid)
    time.sleep(30)
    lasted_s = time.monotonic() - began_s
    grown = [reader.read_bytes - was for reader, was in zip(readers, before, strict=True)]
    found |= {
        "snapshot, kB": readers[0].snapshot_bytes / 1000,
        "afterwards, kB a minute and viewer": sum(grown) / len(grown) / lasted_s * 60 / 1000,
        f"server with {viewers} viewers, MiB": resident_mib(process.pid),
        f"server with {viewers} viewers, % of a core": (cpu_s(process.pid) - used_s)
        / lasted_s
        * 100,
    }
    for reader in readers:
        reader.close()
    return found


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nodes", type=int, default=1000)
    arguments.add_argument("--viewers", type=int, default=20)
    arguments.add_argument("--samples", type=float, default=1e6)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        found = measure(Path(name), given.nodes, given.viewers, int(given.samples), opened)
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.nodes} nodes, {len(_FIELDS)} collectors each, a report every {_INTERVAL_S} s")
    for name, figure in found.items():
        print(f"  {name:45} {figure:10.2f}")


if __name__ == "__main__":
    main()
