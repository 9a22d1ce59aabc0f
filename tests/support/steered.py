"""Several agents on one broker, the topic that steers them, and everything they say."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from rollcall.broker.client import BrokerClient
from rollcall.broker.messages import Fleet, encode
from rollcall.broker.session import Arrived, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

TOPICS = Topics()


class SteeredAgents:
    """Agents by node name. What has arrived from them is kept, in order, with its time."""

    def __init__(self, folder: Path, broker: BrokerUnderTest, opened: ExitStack) -> None:
        self._folder = folder
        self._broker = broker
        self._opened = opened
        self._arrived: list[tuple[str, str, str, Any, float]] = []
        self._readies = 0
        self.programs: dict[str, ProgramUnderTest] = {}
        filters = [(TOPICS.nodes_filter, 1)]
        client = BrokerClient(broker.endpoint, client_id="steering", subscriptions=filters)
        self._client = opened.enter_context(client)
        wait_until(self._is_ready)

    def start(self, node: str, *, interval_s: int = 10, role: str = "none") -> None:
        """Start an agent that reads a made-up host, and wait for nothing."""
        folder = self._folder / node
        folder.mkdir()
        own = {"node": node, "interval": interval_s, "labels": {"role": role}}
        own |= {"state_dir": str(folder / "state")}
        file = folder / "rollcall.toml"
        file.write_text(tomli_w.dumps({"broker": {"port": self._broker.port}, "agent": own}))
        arguments = ["--config", str(file), "--simulate", str(len(self.programs))]
        program = ProgramUnderTest("rollcall.node_agent", folder, arguments=arguments)
        self.programs[node] = self._opened.enter_context(program)

    def steer(self, document: Mapping[str, Any], revision: int) -> float:
        """Publish a document as `rollcall fleet apply` does; give when, in monotonic seconds."""
        digest = f"sha256:{revision}"
        told = encode(Fleet(revision=revision, digest=digest, document=dict(document)))
        return self.publish(TOPICS.topic(Kind.FLEET), told)

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> float:
        """Publish anything; give when, in monotonic seconds."""
        at_s = time.monotonic()
        wait_until(lambda: self._client.publish(topic, payload, retain=retain))
        return at_s

    def heard(self, node: str, kind: Kind, leaf: str = "") -> list[Any]:
        """Give the live messages of a kind from a node, oldest first."""
        return [payload for payload, _ in self.heard_at(node, kind, leaf)]

    def heard_at(self, node: str, kind: Kind, leaf: str = "") -> list[tuple[Any, float]]:
        """Give them with when they arrived, in monotonic seconds."""
        self._hear()
        wanted = (node, kind, leaf)
        return [
            (payload, at_s) for n, k, of, payload, at_s in self._arrived if (n, k, of) == wanted
        ]

    def numbers(self, node: str) -> list[int]:
        """Give the numbers of all live reports and events of a node."""
        self._hear()
        kinds = {Kind.METRICS, Kind.EVENT}
        return sorted(
            payload["seq"]
            for name, kind, _, payload, _ in self._arrived
            if name == node and kind in kinds
        )

    def applied(self, node: str) -> dict[str, Any]:
        """Give the newest answer of a node to the fleet document; empty before the first."""
        found = self.heard(node, Kind.APPLIED)
        newest: dict[str, Any] = found[-1] if found else {}
        return newest

    def wait_for_interval(self, node: str, collector: str, interval_s: int) -> None:
        """Wait until the newest report of a collector names an interval."""
        wait_until(
            lambda: [
                report
                for report in self.heard(node, Kind.METRICS, collector)[-1:]
                if report["interval"] == interval_s
            ],
            what=f"{node} reporting {collector} every {interval_s} s",
        )

    def wait_for_problem(self, node: str) -> dict[str, Any]:
        """Wait until a node says that something was wrong; give its answer."""
        wait_until(lambda: self.applied(node).get("problems"), what=f"a problem of {node}")
        return self.applied(node)

    def wait_for_revision(self, revision: int, *nodes: str) -> None:
        """Wait until these nodes (default: all) follow a revision."""
        for node in nodes or self.programs:
            wait_until(
                lambda node=node: self.applied(node).get("revision") == revision,  # type: ignore[misc]
                what=f"{node} at revision {revision}",
            )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `rollcall command` as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "command", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ROLLCALL_BROKER__PORT": str(self._broker.port)},
        )

    def spooled(self, node: str, collector: str) -> list[dict[str, Any]]:
        """Give what waits in a node's spool of one collector, oldest first."""
        path = self._folder / node / "state" / "spool.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT body FROM report WHERE name = ? ORDER BY seq", (collector,))
            return [json.loads(body) for (body,) in rows]

    def _is_ready(self) -> bool:
        self._hear()
        return self._readies > 0

    def _hear(self) -> None:
        while (item := self._client.receive(0)) is not None:
            self._readies += isinstance(item, Ready)
            if isinstance(item, Arrived) and item.payload and not item.replayed:
                try:
                    found = TOPICS.parse(item.topic)
                except TopicError:
                    continue
                payload = json.loads(item.payload) if found.kind is not Kind.BACKLOG else None
                self._arrived.append((found.name, found.kind, found.leaf, payload, item.at_s))


@contextmanager
def steered_agents(folder: Path, broker: BrokerUnderTest) -> Iterator[SteeredAgents]:
    """Give agents on `broker`; whatever happens, none is left running."""
    with ExitStack() as opened:
        yield SteeredAgents(folder, broker, opened)
