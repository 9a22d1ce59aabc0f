"""Clusters to draw: messages folded into the real cluster state, at a moment that stands still."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from rollcall.broker.cluster import Cluster, Now
from rollcall.broker.messages import (
    Alert,
    Info,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    encode,
)
from rollcall.broker.topics import Address, Kind
from rollcall.lcd_display.pages import Link, LinkState, Moment

WALL_S = datetime(2026, 8, 3, 10, 4, 15, tzinfo=timezone(timedelta(0))).timestamp()
NOW = Now(WALL_S, 5000.0)
LOCAL = datetime.fromtimestamp(WALL_S, timezone(timedelta(hours=2)))
MOMENT = Moment(NOW, LOCAL, beat=True)
EPOCH = "9f3c21d07a5be4c8"
CONNECTED = Link(LinkState.CONNECTED, "192.168.1.2", 1883, WALL_S - 3600, 3600)
GB = 1e9


class Scene:
    """A cluster in the making; `at` is when a message arrives, `NOW` unless told."""

    def __init__(self, *, alerts_online: bool = True, connected_s: float = 1000.0) -> None:
        self.cluster = Cluster()
        self.cluster.connected(Now(WALL_S, connected_s))
        if alerts_online:
            self.service("alerts", online=True)

    def service(self, name: str, *, online: bool) -> None:
        status = (
            ServiceOnline(since=0, version="1.0.0") if online else ServiceOffline(reason="lost")
        )
        self._fold(Address(Kind.SERVICE_STATUS, name), encode(status), 0)

    def node(
        self,
        name: str,
        reports: Mapping[str, Mapping[str, float]] | None = None,
        *,
        cpus: int = 4,
        ago_s: float = 0,
        clock: str | None = None,
    ) -> None:
        """A node that came online and sent `reports` by collector, all `ago_s` before now."""
        birth = Online(since=WALL_S - 7200, session=1, epoch=EPOCH, interval=10, seq=1)
        self._fold(Address(Kind.STATUS, name), encode(birth), ago_s)
        info = Info(hostname=name, agent="1.0.0", interval=10, cpus=cpus)
        self._fold(Address(Kind.INFO, name), encode(info), ago_s)
        for seq, (collector, fields) in enumerate((reports or {}).items(), 2):
            report = Report(
                epoch=EPOCH,
                seq=seq,
                time=WALL_S - ago_s,
                interval=10,
                fields=dict(fields),
                clock="unsynchronized" if clock else None,
            )
            self._fold(Address(Kind.METRICS, name, collector), encode(report), ago_s)

    def offline(self, name: str, reason: str = "lost", *, ago_s: float = 0) -> None:
        status = Offline.model_validate(
            {"reason": reason, "session": 1, "epoch": EPOCH, "since": None}
        )
        self._fold(Address(Kind.STATUS, name), encode(status), ago_s)

    def alert(self, node: str, rule: str, *flags: str) -> None:
        alert = Alert.model_validate(
            {
                "state": "firing",
                "severity": "critical",
                "since": WALL_S,
                "evaluated": WALL_S,
                "summary": rule,
                "flags": list(flags),
            }
        )
        self._fold(Address(Kind.ALERT, node, rule), encode(alert), 0)

    def _fold(self, address: Address, payload: bytes, ago_s: float) -> None:
        at = Now(WALL_S - ago_s, NOW.monotonic_s - ago_s)
        self.cluster.fold(address, payload, replayed=False, now=at)


def load(
    cpu: float, used_gb: float = 1.0, total_gb: float = 4.0, celsius: float | None = None
) -> dict[str, dict[str, float]]:
    """The reports of a node: CPU in percent, memory in gigabytes, temperature."""
    reports = {
        "cpu": {"percent": cpu},
        "memory": {
            "used_bytes": int(used_gb * GB),
            "total_bytes": int(total_gb * GB),
            "used_percent": 100 * used_gb / total_gb,
        },
    }
    if celsius is not None:
        reports["temperature"] = {"cpu_celsius": celsius}
    return reports


def one_node() -> Scene:
    scene = Scene()
    uptime = {"system": {"uptime_seconds": 273_660.0}}
    scene.node("pi-desk", load(12, 0.82, 2.0, 52) | uptime)
    return scene


def five_nodes() -> Scene:
    scene = Scene()
    for name, cpu, used, celsius in (
        ("pi-1", 1, 2.9, 52),
        ("pi-2", 1.5, 2.9, 50),
        ("pi-4", 88, 2.9, 71),
        ("pi-5", 1.5, 2.9, 55),
    ):
        scene.node(name, load(cpu, used, 5.0, celsius))
    scene.node("pi-3", ago_s=720)
    scene.offline("pi-3", ago_s=700)
    return scene


def held_back() -> Scene:
    scene = Scene(connected_s=NOW.monotonic_s - 10)
    scene.node("pi-1", load(12))
    scene.node("pi-4", load(88))
    for name in ("pi-2", "pi-3", "pi-5"):
        scene.node(name, load(5), ago_s=60)
        scene.offline(name, ago_s=5)
    return scene


def twenty_nodes() -> Scene:
    scene = Scene()
    levels = "12x11342151127311211"
    for number, level in enumerate(levels, 1):
        name = f"pi-{number:02}"
        busy = 97 if level == "7" else (int(level) - 1) * 100 / 7 + 5 if level != "x" else 0
        scene.node(name, load(busy, 97.4 / 19, 160 / 19))
        if level == "x":
            scene.offline(name)
    return scene


def two_hundred_nodes() -> Scene:
    scene = Scene()
    for number in range(1, 201):
        name = f"n{number:03}"
        busy = 99 if number == 7 else 88 if number % 12 == 0 else 37.2
        scene.node(name, load(busy, 1010 / 196, 1600 / 196))
        if number in {17, 52, 118, 163}:
            scene.offline(name)
    return scene


def silent() -> Scene:
    scene = Scene()
    for place, name in enumerate(("pi-1", "pi-2", "pi-3", "pi-4")):
        scene.node(name, load(10), ago_s=95 + place)
    scene.node("pi-5", load(10), ago_s=200)
    scene.offline("pi-5", "stopped", ago_s=190)
    return scene
