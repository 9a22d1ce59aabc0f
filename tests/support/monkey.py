"""A monkey that kills the parts of a cluster, and the count of what came through.

Ten real agents with ten reports a second each, of one sample each; a Mosquitto with the settings it
comes with, which keeps nothing across its own death; the recorder; and, for PostgreSQL, the
server. The monkey kills them with SIGKILL and floods the broker's queue while nobody empties it.
"""

import random
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tomli_w

from rollcall.node_agent.collectors import DECLARATIONS
from tests.support.database import ask
from tests.support.mqtt import BrokerUnderTest
from tests.support.postgresql import PostgresqlUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.recorder import RecorderProcess
from tests.support.waiting import wait_until

AGENTS: Final = 10
REPORTS_PER_S: Final = 10
_FLOOD: Final = 1500  # more than the 1000 messages that Mosquitto queues for a client
_GRACE_S: Final = 5.0
_PATIENCE_S: Final = 15.0
_PLUG_IN: Final = """
import itertools
from rollcall.node_agent.collectors.declaration import Declaration, Found

class Counting:
    declaration = Declaration("counting", "Counts its own readings")

    def __init__(self):
        self._numbers = itertools.count()

    def collect(self, host):
        return Found({"readings": next(self._numbers)})
"""


class StockMosquitto(BrokerUnderTest):
    """With every limit as Mosquitto has it, and nothing kept on disk."""

    def configure(self) -> None:
        super().configure()
        file = self._folder / "mosquitto.conf"
        kept = [
            line
            for line in file.read_text("utf-8").splitlines()
            if line.split()[:1] in (["listener"], ["allow_anonymous"], ["user"])
        ]
        file.write_text("\n".join(kept) + "\n", "utf-8")


@dataclass(frozen=True, slots=True)
class Account:
    """What the agents issued, and what the database holds of it."""

    agents: int
    issued: int
    received: int
    doubtful: int
    open_gaps: int
    events: int
    samples: int
    expected_samples: int
    doubled_samples: int

    @property
    def is_exact(self) -> bool:
        """Whether every number is there once, and nothing else."""
        return (
            self.received == self.issued
            and self.doubtful == self.open_gaps == self.doubled_samples == 0
            and self.samples == self.expected_samples
        )


class Monkey:
    """A cluster in `folder` on the database `url`; everything in it can be killed."""

    def __init__(
        self,
        folder: Path,
        url: str,
        opened: ExitStack,
        *,
        server: PostgresqlUnderTest | None,
        seed: int,
        agents: int = AGENTS,
    ) -> None:
        self._url = url
        self._server = server
        self._random = random.Random(seed)  # noqa: S311 - a story that can be told again
        self.deaths: Counter[str] = Counter()
        self.broker = opened.enter_context(StockMosquitto(folder / "broker"))
        self._recorder = opened.enter_context(RecorderProcess(folder, self.broker, url))
        plug_ins = _plug_ins(folder / "plug-ins")
        self._agents = {
            name: opened.enter_context(_agent(folder / name, name, self.broker.port, plug_ins))
            for name in (f"node-{number}" for number in range(agents))
        }
        self._folder = folder

    def rage(self, seconds: float, pause_s: tuple[float, float]) -> None:
        """Do something bad every `pause_s` (from, to) seconds, and each at least once."""
        ways: list[tuple[str, Callable[[], None]]] = [
            ("agent", self._kill_agents),
            ("broker", self._kill_broker),
            ("recorder", self._kill_recorder),
            ("overflow", self._overflow),
            ("database", self._kill_database if self._server else self._lock_database),
        ]
        turn: list[tuple[str, Callable[[], None]]] = []
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s or len(self.deaths) < len(ways):
            time.sleep(self._random.uniform(*pause_s))
            if not turn:
                turn = self._random.sample(ways, len(ways))
            name, way = turn.pop()
            way()
            self.deaths[name] += 1

    def settle(self, within_s: float) -> None:
        """Let all of them live until nothing is missing, then stop the agents, and wait again.

        An agent waits half a minute and more for the receipt of a batch that was dropped on its
        way; one that is killed has forgotten that it waits. So they are killed now and then.
        """
        taken = {name: self._issued(name) for name in self._agents}
        until_s = time.monotonic() + within_s
        patience_s = _GRACE_S
        while late := self._wait_a_while(taken, patience_s):
            assert time.monotonic() < until_s, f"not whole within {within_s} s: {self.account()}"
            for name in late:
                self._agents[name].kill()
                self._agents[name].launch()
            patience_s = _PATIENCE_S
        for agent in self._agents.values():
            agent.stop()
        issued = {name: self._issued(name) for name in self._agents}
        wait_until(lambda: not self._late(issued), within_s, what="the last reports")
        self._recorder.stop()

    def _wait_a_while(self, taken: Mapping[str, int], patience_s: float) -> list[str]:
        """Wait until everything up to `taken` is there; give the agents of which it is not."""
        until_s = time.monotonic() + patience_s
        while (late := self._late(taken)) and time.monotonic() < until_s:
            time.sleep(0.2)
        return late

    def account(self) -> Account:
        """Count, once everything has settled."""
        spans = ask(self._url, "SELECT first_seq, last_seq, reason FROM ledger")
        events = ask(self._url, "SELECT count(*) FROM events WHERE source = 'agent'")[0][0]
        received = sum(last - first + 1 for first, last, reason in spans if reason is None)
        doubled = (
            "SELECT count(*) FROM (SELECT node, metric, ts FROM samples "
            "GROUP BY node, metric, ts HAVING count(*) > 1) AS doubled"
        )
        return Account(
            agents=len(self._agents),
            issued=sum(self._issued(name) for name in self._agents),
            received=received,
            doubtful=sum(reason is not None for *_, reason in spans),
            open_gaps=ask(self._url, "SELECT count(*) FROM gaps")[0][0],
            events=events,
            samples=ask(self._url, "SELECT count(*) FROM samples")[0][0],
            expected_samples=received - events,
            doubled_samples=ask(self._url, doubled)[0][0],
        )

    def _late(self, issued: Mapping[str, int]) -> list[str]:
        """Give the agents of which not every number up to `issued` is held."""
        query = (
            "SELECT n.name, count(*), min(l.first_seq), max(l.last_seq) FROM ledger l "
            "JOIN epoch e ON e.epoch_id = l.epoch_id JOIN node n ON n.node_id = e.node_id "
            "GROUP BY n.name, e.epoch_id"
        )
        whole = {
            name
            for name, count, first, last in self._recorder.ask(query)
            if (count, first) == (1, 1) and last >= issued.get(name, 1)
        }
        return [name for name in self._agents if name not in whole]

    def _issued(self, name: str) -> int:
        path = self._folder / name / "state" / "spool.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            newest = spool.execute("SELECT seq FROM sqlite_sequence WHERE name = 'report'")
            return int(newest.fetchone()[0])

    def _kill_agents(self) -> None:
        for name in self._random.sample(sorted(self._agents), max(len(self._agents) // 3, 1)):
            self._agents[name].kill()
            self._agents[name].launch()

    def _kill_broker(self) -> None:
        self.broker.kill()
        self.broker.start()

    def _kill_recorder(self) -> None:
        self._recorder.kill()
        time.sleep(self._random.uniform(0, 1))
        self._recorder.launch()

    def _kill_database(self) -> None:
        assert self._server is not None
        self._server.kill()
        time.sleep(self._random.uniform(0, 1))
        self._server.start()

    def _lock_database(self) -> None:
        path = self._url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(self._random.uniform(0.5, 1.5))

    def _overflow(self) -> None:
        """Fill the queue of the recorder, who is dead: what the agents send then is dropped."""
        self._recorder.kill()
        command = ["mosquitto_pub", "-p", str(self.broker.port), "-q", "1", "-l"]
        command += ["-t", "rollcall/v1/node/flood/info"]
        subprocess.run(command, input=b"flood\n" * _FLOOD, check=True)
        time.sleep(self._random.uniform(0.5, 1.5))
        self._recorder.launch()


@contextmanager
def monkey(
    folder: Path,
    url: str,
    *,
    server: PostgresqlUnderTest | None = None,
    seed: int = 1,
    agents: int = AGENTS,
) -> Iterator[Monkey]:
    """Give a cluster that has begun to record; whatever happens, nothing of it is left running."""
    with ExitStack() as opened:
        made = Monkey(folder, url, opened, server=server, seed=seed, agents=agents)
        wait_until(lambda: not made._late({}), 60, what="the first reports of all agents")
        yield made


def _plug_ins(folder: Path) -> Path:
    """Install ten collectors of one field each, as a Python distribution would."""
    names = [f"counting_{number}" for number in range(REPORTS_PER_S)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "counting.py").write_text(_PLUG_IN, "utf-8")
    told = folder / "counting-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n", "utf-8")
    lines = [f"{name} = counting:Counting" for name in names]
    (told / "entry_points.txt").write_text(
        "\n".join(["[rollcall.collectors]", *lines, ""]), "utf-8"
    )
    return folder


def _agent(folder: Path, name: str, port: int, plug_ins: Path) -> ProgramUnderTest:
    folder.mkdir()
    collectors: dict[str, dict[str, object]] = {
        declared.name: {"enabled": False} for declared in DECLARATIONS
    }
    for number in range(REPORTS_PER_S):
        collectors[f"counting_{number}"] = {"interval": "1s", "timeout": "30s"}
    file = folder / "rollcall.toml"
    file.write_text(
        tomli_w.dumps(
            {
                "broker": {"port": port},
                "agent": {
                    "node": name,
                    "interval": 1,
                    "state_dir": str(folder / "state"),
                    "collectors": collectors,
                },
            }
        ),
        "utf-8",
    )
    return ProgramUnderTest(
        "rollcall.node_agent",
        folder,
        arguments=["--config", str(file)],
        settings={"PYTHONPATH": str(plug_ins)},
    )
