"""What the display costs with many nodes: its share of a core, and where it goes.

`python -m bench.lcd_load [--nodes 2000] [--interval 10] [--seconds 60]`

A real Mosquitto, the display service as its own process with the emulated chip, and nodes that say
what agents say: birth, facts, and reports of some collectors, spread evenly. The
processor time of the service is read from /proc, once while nodes report and once while they are
silent, so that drawing and hearing can be told apart. Beside it, in the same run, what hearing the
very same messages takes a bare paho client and mosquitto_sub, which throw them away.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from rollcall.broker.messages import Info, Online, Report, encode
from rollcall.broker.mosquitto import PrivateMosquitto, free_port
from rollcall.broker.topics import Kind, Topics

_EPOCH: Final = "9f3c21d07a5be4c8"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_TOPICS: Final = Topics()
_SETTLE_S: Final = 8
_BIRTH_EVERY_S: Final = 60
_BARE: Final = """
import sys
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_message = lambda *_: None
client.connect("127.0.0.1", int(sys.argv[1]))
client.subscribe("rollcall/v1/#")
client.loop_forever()
"""
_COLLECTORS: Final[dict[str, dict[str, int | float | None]]] = {
    "cpu": {"percent": 37.5, "user_percent": 20.0, "system_percent": 9.0, "idle_percent": 62.5},
    "memory": {"used_bytes": 1e9, "total_bytes": 4e9, "used_percent": 25.0, "free_bytes": 3e9},
    "temperature": {"cpu_celsius": 51.2, "hottest_celsius": 53.0},
    "load": {"load1": 0.3, "load5": 0.2, "load15": 0.1},
    "system": {"uptime_seconds": 86_400.0},
}


class Nodes:
    """Many nodes on one connection."""

    def __init__(self, port: int, count: int, interval_s: int, collectors: list[str]) -> None:
        self._names = [f"n{number:04}" for number in range(1, count + 1)]
        self._collectors = collectors
        self._interval_s = interval_s
        self._seq = 1
        self._born = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def introduce(self) -> None:
        """Say birth and facts of every node."""
        for place, name in enumerate(self._names):
            info = Info(
                hostname=name,
                agent="1.0.0",
                interval=self._interval_s,
                cpus=4,
                addresses=[f"10.0.{place // 250}.{place % 250 + 1}"],
            )
            self._be_born(name)
            self._say(Kind.INFO, name, encode(info))

    def report(self, seconds: float) -> int:
        """Report for `seconds`, spread evenly, and repeat births; give the number of reports."""
        began_s, said, born = time.monotonic(), 0, 0
        a_second = len(self._names) * len(self._collectors) / self._interval_s
        while (elapsed_s := time.monotonic() - began_s) < seconds:
            while said < elapsed_s * a_second:
                node, which = divmod(said, len(self._collectors))
                self._report_of(self._names[node % len(self._names)], self._collectors[which])
                said += 1
            while born < elapsed_s * len(self._names) / _BIRTH_EVERY_S:
                self._be_born(self._names[(self._born + born) % len(self._names)])
                born += 1
            time.sleep(0.02)
        self._born += born
        return said

    def _be_born(self, name: str) -> None:
        birth = Online(since=time.time(), session=1, epoch=_EPOCH, interval=self._interval_s, seq=1)
        self._say(Kind.STATUS, name, encode(birth))

    def _report_of(self, name: str, collector: str) -> None:
        self._seq += 1
        fields: dict[str, int | float | None] = {
            key: (value or 0) + self._seq % 7 / 10 for key, value in _COLLECTORS[collector].items()
        }
        report = Report(
            epoch=_EPOCH, seq=self._seq, time=time.time(), interval=self._interval_s, fields=fields
        )
        topic = _TOPICS.topic(Kind.METRICS, name, collector)
        self._client.publish(topic, encode(report), qos=1, retain=True)

    def _say(self, kind: Kind, name: str, payload: bytes) -> None:
        self._client.publish(_TOPICS.topic(kind, name), payload, qos=1, retain=True)


def processor_s(pid: int) -> float:
    """Give the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def measured(
    pids: dict[str, int], seconds: float, nodes: Nodes | None
) -> tuple[dict[str, float], int]:
    """Give the share of a core of each process while nodes report, or are silent."""
    before = {name: processor_s(pid) for name, pid in pids.items()}
    began_s = time.monotonic()
    messages = nodes.report(seconds) if nodes else 0
    if not nodes:
        time.sleep(seconds)
    lasted_s = time.monotonic() - began_s
    shares = {
        name: 100 * (processor_s(pid) - before[name]) / lasted_s for name, pid in pids.items()
    }
    return shares, messages


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--interval", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--collectors", default="cpu,memory,temperature")
    arguments = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        broker = PrivateMosquitto(folder / "broker", port)
        broker.configure()
        opened.enter_context(_running(broker.command, folder))
        time.sleep(1)
        display = [sys.executable, "-m", "rollcall.lcd_display", "--emulate"]
        beside = ["mosquitto_sub", "-p", str(port), "-t", "rollcall/v1/#", "-F", "%%"]
        environment = {
            "ROLLCALL_BROKER__PORT": str(port),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder),
        }
        bare = [sys.executable, "-c", _BARE, str(port)]
        pids = {
            "display": opened.enter_context(_running(display, folder, environment)).pid,
            "paho alone": opened.enter_context(_running(bare, folder)).pid,
            "mosquitto_sub": opened.enter_context(_running(beside, folder)).pid,
        }
        nodes = Nodes(port, arguments.nodes, arguments.interval, arguments.collectors.split(","))
        nodes.introduce()
        nodes.report(arguments.interval + _SETTLE_S)
        busy, messages = measured(pids, arguments.seconds, nodes)
        quiet, _ = measured(pids, 15, None)
    print(f"{arguments.nodes} nodes, {messages / arguments.seconds:.0f} reports/s")
    print(f"{'':15}{'reporting':>12}{'silent':>10}   share of a core")
    for name in pids:
        print(f"{name:15}{busy[name]:>11.2f}%{quiet[name]:>9.2f}%")


def _running(
    command: list[str], folder: Path, further: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    log = (folder / f"{Path(command[0]).name}.log").open("ab")
    with log:
        return _Ended(
            command, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **(further or {})}
        )


class _Ended(subprocess.Popen[bytes]):
    """A process that is ended with the block it was started for."""

    def __exit__(self, *_: object) -> None:
        self.terminate()
        self.wait()


if __name__ == "__main__":
    main()
