"""Clusters to draw: messages folded into the real cluster state, at a moment that stands still."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from pydantic import JsonValue

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import (
    Alert,
    Fleet,
    Info,
    Offline,
    Online,
    Report,
    ServiceOffline,
    ServiceOnline,
    encode,
)
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind
from rollcall.lcd_display.groups import Membership
from rollcall.lcd_display.page import Link, LinkState, Moment
from rollcall.lcd_display.snapshot import Snapshot, snapshot_of

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
        self.membership = Membership()
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
        address: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A node that came online and sent `reports` by collector, all `ago_s` before now.

        A collector named `disk:/` reports of the instance `/`.
        """
        birth = Online(since=WALL_S - 7200, session=1, epoch=EPOCH, interval=10, seq=1)
        self._fold(Address(Kind.STATUS, name), encode(birth), ago_s)
        info = Info(
            hostname=name,
            agent="1.0.0",
            interval=10,
            cpus=cpus,
            addresses=[address] if address else [],
            labels=dict(labels or {}),
        )
        self._fold(Address(Kind.INFO, name), encode(info), ago_s)
        for seq, (title, fields) in enumerate((reports or {}).items(), 2):
            collector, _, instance = title.partition(":")
            report = Report(
                epoch=EPOCH,
                seq=seq,
                time=WALL_S - ago_s,
                interval=10,
                fields=None if instance else dict(fields),
                instances={instance: dict(fields)} if instance else None,
                clock="unsynchronized" if clock else None,
            )
            self._fold(Address(Kind.METRICS, name, collector), encode(report), ago_s)

    def offline(self, name: str, reason: str = "lost", *, ago_s: float = 0) -> None:
        status = Offline.model_validate(
            {"reason": reason, "session": 1, "epoch": EPOCH, "since": None}
        )
        self._fold(Address(Kind.STATUS, name), encode(status), ago_s)

    def alert(
        self,
        node: str,
        rule: str,
        *flags: str,
        severity: str = "critical",
        summary: str | None = None,
        metric: str | None = "disk.used_percent",
        ago_s: float = 0,
    ) -> None:
        alert = Alert.model_validate(
            {
                "state": "firing",
                "severity": severity,
                "metric": metric,
                "since": WALL_S - ago_s,
                "evaluated": WALL_S,
                "summary": rule if summary is None else summary,
                "flags": list(flags),
            }
        )
        self._fold(Address(Kind.ALERT, node, rule), encode(alert), 0)

    def fleet(self, groups: Mapping[str, list[str]]) -> None:
        """Put a document with these groups in force."""
        members: dict[str, JsonValue] = {name: [*each] for name, each in groups.items()}
        document: dict[str, JsonValue] = {"groups": members}
        self.membership.put_in_force(Fleet(revision=1, digest="sha256:0", document=document))

    def snapshot(self, moment: Moment = MOMENT, groups: Sequence[str] = ()) -> Snapshot:
        return snapshot_of(self.cluster, moment.now, self.membership, groups)

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
    further = {
        "system": {"uptime_seconds": 273_660.0},
        "load": {"load1": 0.31, "load5": 0.28, "load15": 0.2},
        "disk:/": {"used_percent": 61.2, "used_bytes": 11e9, "total_bytes": 29e9},
        "network:eth0": {
            "receive_bytes_per_second": 1.2e6,
            "transmit_bytes_per_second": 0.3e6,
        },
    }
    scene.node("pi-desk", load(12, 0.82, 2.0, 52) | further, address="192.168.1.10")
    return scene


def five_nodes() -> Scene:
    scene = Scene()
    for number, cpu, used, celsius in (
        (1, 1, 2.9, 52),
        (2, 1.5, 2.9, 50),
        (4, 88, 2.9, 71),
        (5, 1.5, 2.9, 55),
    ):
        address = f"192.168.1.10{number}"
        scene.node(f"pi-{number}", load(cpu, used, 5.0, celsius), address=address)
    scene.node("pi-3", ago_s=720, address="192.168.1.103")
    scene.offline("pi-3", ago_s=720)
    return scene


def five_nodes_one_silent() -> Scene:
    scene = Scene()
    for name in ("pi-1", "pi-3", "pi-4", "pi-5"):
        address = f"192.168.1.10{name[-1]}"
        cpu = 88 if name == "pi-4" else 12
        scene.node(name, load(cpu, 2.05, 5.0, 52), address=address)
    scene.node("pi-2", load(5), ago_s=95, address="192.168.1.102")
    scene.offline("pi-3", ago_s=720)
    return scene


def five_nodes_calling() -> Scene:
    """A lost node with its alert, a full disk, a warning, and one that somebody has taken on."""
    scene = five_nodes()
    scene.alert("pi-3", "node_offline", metric=None, ago_s=690)
    full = "disk / is 97 % full (limit 95 %)"
    scene.alert("pi-1", "disk_full", summary=full, ago_s=150)
    warm = "cpu.percent is 96.2 % (limit 90 %)"
    scene.alert("pi-4", "cpu_high", severity="warning", summary=warm, ago_s=400)
    scene.alert("pi-5", "disk_full", "acknowledged", summary=full, ago_s=9000)
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
        name, address = f"pi-{number:02}", f"192.168.1.{100 + number}"
        busy = 97 if level == "7" else (int(level) - 1) * 100 / 7 + 5 if level != "x" else 0
        warmth = 40 + busy / 2
        scene.node(name, load(busy, 97.4 / 19, 160 / 19, warmth), address=address)
        if level == "x":
            scene.offline(name, ago_s=720)
    scene.alert("pi-14", "cpu_high", severity="warning", summary="cpu.percent is 97 % (limit 90 %)")
    return scene


def two_hundred_nodes() -> Scene:
    scene = Scene()
    for number in range(1, 201):
        busy = 99 if number == 7 else 88 if number % 12 == 0 else 12 + number * 7919 % 50
        _of_a_rack(scene, f"n{number:03}", number, busy)
        if number in {17, 52, 118, 163}:
            scene.offline(f"n{number:03}", ago_s=60 * number)
    scene.fleet({f"rack-{rack}": [f"label:rack={rack}"] for rack in "abcde"} | {"all": ["*"]})
    return scene


def two_thousand_nodes() -> Scene:
    scene = Scene()
    for number in range(1, 2001):
        name = f"worker-{number:04}"
        _of_a_rack(scene, name, number, 2 + number * 7919 % 97)
        if number % 500 == 17:
            scene.offline(name, ago_s=60 * number)
        if number % 700 == 3:
            scene.offline(name, "stopped", ago_s=90_000)
    for number in (500, 1000):
        scene.node(f"worker-{number:04}-old", load(50), ago_s=95 + number)
    scene.fleet({f"rack-{rack}": [f"label:rack={rack}"] for rack in "abcde"})
    return scene


def _of_a_rack(scene: Scene, name: str, number: int, busy: float) -> None:
    reports = load(busy, 1010 / 196, 1600 / 196, 35 + busy / 2)
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    scene.node(name, reports, address=address, labels={"rack": "abcde"[number % 5]})


def silent() -> Scene:
    scene = Scene()
    for place, name in enumerate(("pi-1", "pi-2", "pi-3", "pi-4")):
        scene.node(name, load(10), ago_s=95 + place)
    scene.node("pi-5", load(10), ago_s=200)
    scene.offline("pi-5", "stopped", ago_s=190)
    return scene
