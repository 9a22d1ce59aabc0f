"""What the agent costs, beside others, in one run: `.venv/bin/python -m bench.agent`.

Every program gets a private Mosquitto of its own, measures this host once a second, and is measured
over the same time: processor time and bytes written from `/proc`, messages and bytes from the
counters of its broker. A program that is not installed is named in the table, with the reason.
Programs are looked for on PATH, and before that in the folders given by `--path`.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rollcall.broker.mosquitto import PrivateMosquitto, free_port

_WARM_UP_S: Final = 5.0
_COUNTERS: Final = ("$SYS/broker/messages/received", "$SYS/broker/bytes/received")
_PLUGINS: Final = (
    *("cpu", "memory", "swap", "load", "df", "disk", "interface", "thermal", "processes"),
    *("contextswitch", "uptime", "users", "mqtt"),
)


@dataclass(frozen=True, slots=True)
class Program:
    """How to run one: its command line and environment; or why it cannot be run."""

    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    scraped: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program has cost up to now; bytes, and seconds of processor time."""

    cpu_s: float
    written_bytes: int
    messages: int
    wire_bytes: int


class CountingMosquitto(PrivateMosquitto):
    """A private broker that publishes its counters every second."""

    def configure(self) -> None:
        """Write the configuration."""
        super().configure()
        with (self._folder / "mosquitto.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("sys_interval 1\n")

    def counted(self) -> tuple[int, int]:
        """Give the packets and bytes that came in."""
        command = ["mosquitto_sub", "-p", str(self.port), "-v", "-C", "2", "-W", "5"]
        command += [word for topic in _COUNTERS for word in ("-t", topic)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        counts = dict(line.split() for line in told.splitlines())
        return int(counts[_COUNTERS[0]]), int(counts[_COUNTERS[1]])


class Scraper:
    """Asks a web server every second, as Prometheus does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.answers = 0
        self.size_bytes = 0
        threading.Thread(target=self._scrape, daemon=True).start()

    def _scrape(self) -> None:
        while not self._stop.wait(1.0):
            # It listens a moment after it was started.
            with (
                suppress(urllib.error.URLError),
                urllib.request.urlopen(self._url, timeout=5) as answer,  # noqa: S310 - our own child
            ):
                self.size_bytes += len(answer.read())
                self.answers += 1


class Running:
    """One program at work, with its broker."""

    def __init__(self, name: str, program: Program, broker: CountingMosquitto, log: Path) -> None:
        self.name = name
        self._broker = broker
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                program.command,
                env={**os.environ, **program.environment},
                stdout=output,
                stderr=output,
                cwd=log.parent,
            )
        self._scraper = Scraper(program.scraped) if program.scraped else None

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def cost(self) -> Cost:
        """Give what it has cost up to now."""
        ticks = sum(map(int, self._read("stat").rpartition(")")[2].split()[11:15]))
        told = dict(line.split(": ") for line in self._read("io").splitlines())
        if self._scraper is not None:
            messages, size_bytes = self._scraper.answers, self._scraper.size_bytes
        else:
            messages, size_bytes = self._broker.counted()
        written = int(told["write_bytes"]) - int(told["cancelled_write_bytes"])
        return Cost(ticks / os.sysconf("SC_CLK_TCK"), written, messages, size_bytes)

    def memory_bytes(self) -> tuple[int, int]:
        """Give RSS and PSS."""
        told = {
            key: int(value.split()[0])
            for key, _, value in (
                line.partition(":") for line in self._read("smaps_rollup").splitlines()[1:]
            )
        }
        return told["Rss"] * 1024, told["Pss"] * 1024

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text("utf-8")


def ours(_find: Callable[[str], str | None], folder: Path, port: int) -> Program:
    """Run our agent: every collector at one second; its bytecode is there, as when installed."""
    tree = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree / "rollcall")], check=True)
    names = ("disk", "process", "system", "agent")
    tables = "".join(f'[agent.collectors.{name}]\ninterval = "1s"\n' for name in names)
    (folder / "rollcall.toml").write_text(
        f'[broker]\nport = {port}\n[agent]\nnode = "bench"\ninterval = 1\n'
        f'state_dir = "{folder}/agent"\n{tables}',
        "utf-8",
    )
    command = [sys.executable, "-m", "rollcall.node_agent", "--config", f"{folder}/rollcall.toml"]
    return Program(command, {"PYTHONPATH": str(tree)})


def collectd(find: Callable[[str], str | None], folder: Path, port: int) -> Program:
    """Run collectd with the plugins that measure what we do."""
    found = find("collectd")
    if found is None:
        return Program(missing="Debian package collectd-core is not installed")
    root = Path(found).parent.parent
    lines = [
        "Interval 1",
        f'BaseDir "{folder}"',
        f'PIDFile "{folder}/collectd.pid"',
        f'PluginDir "{root}/lib/collectd"',
        f'TypesDB "{root}/share/collectd/types.db"',
        *(f"LoadPlugin {name}" for name in _PLUGINS),
        f'<Plugin mqtt>\n<Publish "bench">\nHost "127.0.0.1"\nPort {port}\nQoS 1\n',
        'ClientId "collectd"\n</Publish>\n</Plugin>\n',
    ]
    (folder / "collectd.conf").write_text("\n".join(lines), "utf-8")
    return Program([found, "-f", "-C", f"{folder}/collectd.conf"])


def node_exporter(find: Callable[[str], str | None], _folder: Path, _port: int) -> Program:
    """Run the exporter, and be its Prometheus."""
    found = find("prometheus-node-exporter")
    if found is None:
        return Program(missing="Debian package prometheus-node-exporter is not installed")
    address = f"127.0.0.1:{free_port()}"
    return Program([found, f"--web.listen-address={address}"], scraped=f"http://{address}/metrics")


def psmqtt(find: Callable[[str], str | None], folder: Path, port: int) -> Program:
    """Run psmqtt with a task for each of our subjects."""
    found = find("psmqtt")
    if found is None:
        return Program(missing="PyPI package psmqtt is not installed")
    tasks = ("cpu_times_percent", "virtual_memory", "swap_memory", "getloadavg", "boot_time")
    counters = ("disk_io_counters", "net_io_counters")
    lines = [f"      - task: {name}\n        params: ['*']" for name in tasks]
    lines += [f"      - task: {name}\n        params: ['*']" for name in counters]
    lines.append("      - task: disk_usage\n        params: ['*', '/']")
    (folder / "psmqtt.yaml").write_text(
        f"mqtt:\n  broker:\n    host: 127.0.0.1\n    port: {port}\n  qos: 1\n"
        'schedule:\n  - cron: "every 1 seconds"\n    tasks:\n' + "\n".join(lines) + "\n",
        "utf-8",
    )
    # Its wheel comes without the file it checks the configuration by.
    schema = "mqtt: any()\nschedule: list(any())\n"
    (folder / "schema.yaml").write_text(schema, "utf-8")
    environment = {
        "PSMQTTCONFIG": f"{folder}/psmqtt.yaml",
        "PSMQTTCONFIGSCHEMA": f"{folder}/schema.yaml",
    }
    return Program([found], environment)


def glances(find: Callable[[str], str | None], folder: Path, port: int) -> Program:
    """Run Glances without its display."""
    found = find("glances")
    if found is None:
        return Program(missing="PyPI package glances is not installed")
    (folder / "glances.conf").write_text(
        f"[global]\ncheck_update=false\n[mqtt]\nhost=127.0.0.1\nport={port}\ntls=false\n"
        "user=glances\npassword=none\ntopic_structure=per-plugin\n",
        "utf-8",
    )
    options = ["-q", "-t", "1", "--export", "mqtt", "-C", f"{folder}/glances.conf"]
    return Program([found, *options])


_CONTESTANTS: Final = {
    "rollcall": ours,
    "collectd": collectd,
    "node_exporter": node_exporter,
    "psmqtt": psmqtt,
    "Glances": glances,
}


def measure(seconds: float, find: Callable[[str], str | None]) -> list[str]:
    """Run all at the same time; give the rows of the table."""
    rows = []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-agent-")))
        running = []
        for name, prepare in _CONTESTANTS.items():
            folder = base / name
            folder.mkdir()
            broker = stack.enter_context(CountingMosquitto(folder, free_port()))
            program = prepare(find, folder, broker.port)
            if program.missing:
                rows.append(f"| {name} | {program.missing} |||||||")
                continue
            started = Running(name, program, broker, folder / "log")
            stack.callback(started.stop)
            running.append(started)
        time.sleep(_WARM_UP_S)
        began_s = time.monotonic()
        before = {each.name: each.cost() for each in running if each.is_alive}
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        for each in running:
            if each.is_alive:
                rows.append(_row(each, before[each.name], took_s))
            else:
                log = (base / each.name / "log").read_text("utf-8", "replace")
                why = (log.strip().splitlines() or ["without a word"])[-1]
                rows.append(f"| {each.name} | ended: {why[:120]} |||||||")
    return rows


def _row(program: Running, before: Cost, took_s: float) -> str:
    after = program.cost()
    rss, pss = (size / 1024**2 for size in program.memory_bytes())
    cpu_s = after.cpu_s - before.cpu_s
    messages = after.messages - before.messages
    wire = (after.wire_bytes - before.wire_bytes) / 1024
    written = (after.written_bytes - before.written_bytes) / 1024
    return (
        f"| {program.name} | {cpu_s:.2f} | {100 * cpu_s / took_s:.2f} | {rss:.1f} | {pss:.1f} "
        f"| {messages} | {messages / took_s:.1f} | {wire:.0f} | {written:.0f} |"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the agent costs, beside others.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--path", action="append", default=[], help="where programs lie")
    arguments = parser.parse_args()
    places = os.pathsep.join((*arguments.path, os.environ["PATH"], "/usr/sbin"))
    rows = measure(arguments.seconds, lambda name: shutil.which(name, path=places))
    system = os.uname()
    python = sys.version.split()[0]
    print(
        f"{arguments.seconds:g} s at one reading a second; {os.cpu_count()} cores, "
        f"{system.machine}, Linux {system.release.partition('-')[0]}, Python {python}\n"
    )
    heads = ("program", "CPU s", "% of a core", "RSS MiB", "PSS MiB", "packets", "a second")
    print("| " + " | ".join((*heads, "KiB sent", "KiB written")) + " |")
    print("|---" * (len(heads) + 2) + "|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
