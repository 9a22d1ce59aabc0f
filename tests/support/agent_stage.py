"""An agent on a stage: a simulated host, a scripted broker, a clock that needs no waiting."""

import json
import threading
from collections.abc import Callable
from typing import Any, Final

from rollcall.broker.messages import BACKLOG, Receipt, encode
from rollcall.broker.session import Arrived, Item, Lost, Ready
from rollcall.broker.topics import Kind, Topics
from rollcall.node_agent.agent import Agent
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.collectors import DECLARATIONS
from rollcall.node_agent.collectors.declaration import AnySource
from rollcall.node_agent.host import LinuxHost
from rollcall.node_agent.simulation import SimulatedHost
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.steering import wanted_here
from rollcall.service.settings import Agent as Settings

TOPICS: Final = Topics()
NODE: Final = "pi-3"
INFO: Final = TOPICS.topic(Kind.INFO, NODE)
BACKLOG_TOPIC: Final = TOPICS.topic(Kind.BACKLOG, NODE)
EVENT: Final = TOPICS.topic(Kind.EVENT, NODE)
APPLIED: Final = TOPICS.topic(Kind.APPLIED, NODE)
START_S: Final = 1_767_225_600.0
SEVEN: Final = ("cpu", "memory", "load", "network", "system", "agent", "disk")


def metrics(collector: str) -> str:
    return TOPICS.topic(Kind.METRICS, NODE, collector)


class FastClock(LinuxHost):
    """Time passes when the agent waits."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0
        self.wrong_by_s = 0.0

    def wall_s(self) -> float:
        return START_S + self.passed_s + self.wrong_by_s

    def boottime_s(self) -> float:
        return 1000.0 + self.passed_s


class HostWithThatClock(SimulatedHost):
    """A simulated host that knows when its clock is wrong."""

    def __init__(self, seed: int, clock: FastClock) -> None:
        super().__init__(seed, clock)
        self._fast_clock = clock

    def clock_error_s(self) -> float:
        return 16.0 if self._fast_clock.wrong_by_s else 0.001


class ScriptedClient:
    """Gives each item of a script at its second, keeps what is published, stops in the end."""

    def __init__(self, clock: FastClock) -> None:
        self.connections = 0
        self.publish_failures = 0
        self.ready = False
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.reconnects = 0
        self.announced = 0
        self.emptied: list[str] = []
        self.stop = threading.Event()
        self._clock = clock
        self._script: list[tuple[float, Item | Callable[[], None]]] = []
        self._end_s = 0.0

    def plan(self, *script: tuple[float, Item | Callable[[], None]], end_s: float) -> None:
        self.stop.clear()
        self._script = list(script)
        self._end_s = end_s

    def receive(self, timeout_s: float) -> Item | None:
        assert timeout_s <= 1.0
        if self._script and self._script[0][0] <= self._clock.passed_s:
            _, item = self._script.pop(0)
            if callable(item):
                item()
                return None
            self.ready = isinstance(item, Ready) or (self.ready and not isinstance(item, Lost))
            self.connections += isinstance(item, Ready)
            return item
        self._clock.passed_s += max(timeout_s, 0.01)
        if self._clock.passed_s >= self._end_s:
            self.stop.set()
        return None

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        if self.ready and not payload:
            self.emptied.append(topic)
        elif self.ready:
            assert retain == (topic not in {BACKLOG_TOPIC, EVENT} and "/reply/" not in topic)
            assert expiry_s == (86_400 if "/metrics/" in topic else None)
            decoded = BACKLOG.decode(payload).model_dump() if topic == BACKLOG_TOPIC else None
            self.sent.append((topic, decoded or json.loads(payload)))
        return self.ready

    def announce(self) -> None:
        self.announced += 1

    def reconnect(self) -> None:
        self.reconnects += 1

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.sent]

    def all(self, topic: str) -> list[dict[str, Any]]:
        return [message for name, message in self.sent if name == topic]


class Stage:
    """An agent and everything around it."""

    def __init__(self, spool: Spool, seed: int = 1, **settings: Any) -> None:
        self.clock = FastClock()
        self.client = ScriptedClient(self.clock)
        self.spool = spool
        self.host = HostWithThatClock(seed, self.clock)
        off = {each.name: {"enabled": False} for each in DECLARATIONS if each.name not in SEVEN}
        self.settings = Settings(**{"collectors": off, **settings})
        self.plugins: tuple[AnySource, ...] = ()
        self.announcement = NodeAnnouncement(
            TOPICS,
            NODE,
            next_session=lambda: 1,
            wall_s=self.clock.wall_s,
            epoch=spool.epoch,
            seq=spool.last_seq,
            interval_s=1,
        )

    def run(self, *script: tuple[float, Item | Callable[[], None]], end_s: float) -> ScriptedClient:
        self.client.plan(*script, end_s=end_s)
        wanted, faults = wanted_here(self.settings, self.plugins)
        assert faults == []
        self.agent = Agent(
            topics=TOPICS,
            node=NODE,
            settings=self.settings,
            host=self.host,
            spool=self.spool,
            client=self.client,
            announcement=self.announcement,
            wanted=wanted,
        )
        self.agent.run(self.client.stop)
        return self.client

    def receipt(self, through: int, *missing: tuple[int, int]) -> Arrived:
        told = Receipt(
            database="db", epoch=self.spool.epoch, through=through, missing=list(missing)
        )
        return arrived(TOPICS.topic(Kind.RECEIPT, NODE), encode(told))


def arrived(topic: str, payload: bytes, *, replayed: bool = False) -> Arrived:
    return Arrived(topic, payload, replayed=replayed, at_s=0.0, generation=1, mid=1, qos=1)
