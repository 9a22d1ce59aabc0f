"""The retained status of a node is right after every order of kill, restart, takeover and stop.

Real agents, the hardened broker, real signals. Each story is a line; all run at once, as most of
the time is waiting.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from rollcall.broker.broker_folder import BrokerFolderError
from rollcall.broker.client.probe import Probe
from rollcall.broker.messages import STATUS, Offline, Online
from rollcall.broker.session import BrokerError
from tests.support.own_broker import OwnBroker
from tests.support.waiting import wait_until

TOPIC: Final = "rollcall/v1/node/n1/status"
WILL_DELAY_S: Final = 1
# A will, or a birth that heals, comes within this time after all is quiet, or never.
QUIET_S: Final = WILL_DELAY_S + 2.0

# `a` and `b` are two agents of one name, `b` with a spool of its own, as a cloned disk has one.
# `a!` waits until the birth of `a` is retained; `lost!` until the will is.
STORIES: Final = [
    ("a!", "online a", "it runs"),
    ("a! stop-a", "stopped", "told to stop"),
    ("a! kill-a", "lost", "killed"),
    ("a! kill-a a", "online a", "killed and started at once, before its will"),
    ("a! kill-a lost! a", "online a", "killed, its will, and started again"),
    ("a! stop-a a", "online a", "stopped and started again"),
    ("a! stop-a a! kill-a", "lost", "stopped, started again, killed"),
    ("a! freeze-a lost! thaw-a", "online a", "cut off, its will, and back"),
    ("a! freeze-a kill-a a", "online a", "hung, killed and started again"),
    ("a! kill-a term-broker broker", "lost", "killed, and the broker stopped before the will"),
    ("a! term-broker broker", "online a", "the broker restarted"),
    ("a! kill-broker broker", "online a", "the broker killed and started"),
    ("a! term-broker kill-a broker", "lost", "died while the broker was stopped"),
    ("a! term-broker stop-a broker", "lost", "stopped while nobody could hear its goodbye"),
    ("a! term-broker kill-a a broker", "online a", "restarted while the broker was stopped"),
    ("a! stop-a term-broker broker", "stopped", "a goodbye outlives the broker's restart"),
    ("a! kill-broker kill-a broker", "nothing", "a killed broker knows of nobody"),
    # Here the broker cannot know better, and consumers find the node stale.
    ("a! save-broker kill-broker kill-a broker", "online a", "saved, then both killed"),
    ("a! save-broker kill-broker kill-a a broker", "online a", "saved, both killed, both back"),
    ("a! b! stop-b", "online a", "a clone comes and goes"),
    ("a! b! kill-b", "online a", "a clone comes and is killed"),
    ("a! b! kill-a", "online b", "taken over, and the first killed"),
    ("a! freeze-a b! kill-a", "online b", "hung, taken over, and killed"),
    ("a! freeze-a b! stop-b thaw-a", "online a", "hung, taken over, and back alone"),
    ("a! forge-offline", "online a", "declared dead while it lives"),
    ("a! forge-empty kill-a", "lost", "emptied, then killed"),
]


class Agent:
    """One agent process of the node n1."""

    def __init__(self, broker: OwnBroker, folder: Path) -> None:
        section = broker.endpoint("n1").model_dump(mode="json", exclude_none=True)
        section |= {"keep_alive": 5, "will_delay": WILL_DELAY_S}
        self._environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "ROLLCALL_AGENT__NODE": "n1",
            **{f"ROLLCALL_BROKER__{key.upper()}": str(value) for key, value in section.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "rollcall.node_agent", "--simulate", "1"]
        self.process = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number in {signal.SIGTERM, signal.SIGKILL}:
            self.process.wait(20)


class Stage:
    """A broker, two agents of one name, and what the broker retains of them."""

    def __init__(self, folder: Path) -> None:
        self._broker = OwnBroker()
        self.agents = {name: Agent(self._broker, folder / name) for name in "ab"}
        self._epochs: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._broker.start()
        self._broker.let_in("n1")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.callback(self._broker.__exit__, None, None, None)
            for agent in self.agents.values():
                if agent.process is not None and agent.process.poll() is None:
                    agent.send(signal.SIGKILL)

    def play(self, action: str) -> None:
        what, _, whom = action.partition("-")
        broker: dict[str, Callable[[], object]] = {
            "broker": self._broker.start,
            "term-broker": self._broker.stop,
            "kill-broker": self._broker.kill,
            "save-broker": self._save,
            "forge-offline": lambda: self._forge(
                b'{"state":"offline","reason":"lost","session":99,"epoch":"0123456789abcdef"}'
            ),
            "forge-empty": lambda: self._forge(b""),
        }
        signals = {
            "stop": signal.SIGTERM,
            "kill": signal.SIGKILL,
            "freeze": signal.SIGSTOP,
            "thaw": signal.SIGCONT,
        }
        if action in broker:
            broker[action]()
        elif action == "lost!":
            wait_until(lambda: self.retained() == "lost", 25, what="the will")
        elif what.rstrip("!") in self.agents:
            self._start(what)
        else:
            self.agents[whom].send(signals[what])

    def _start(self, what: str) -> None:
        name = what.rstrip("!")
        self.agents[name].start()
        if what.endswith("!"):
            others = set(self._epochs.values()) - {self._epochs.get(name)}
            self._epochs[name] = wait_until(lambda: self._new_epoch(others), 25, what=what)

    def _new_epoch(self, others: set[str]) -> str | None:
        status = self._status()
        return status.epoch if isinstance(status, Online) and status.epoch not in others else None

    def _save(self) -> None:
        pid = self._broker.opened.running()
        assert pid is not None
        os.kill(pid, signal.SIGUSR1)
        database = self._broker.opened.state / "mosquitto.db"
        wait_until(lambda: database.is_file() and database.stat().st_size > 0, what="its file")

    def _forge(self, payload: bytes) -> None:
        with Probe(self._broker.operator()) as operator:
            operator.publish(TOPIC, payload, retain=True)

    def _status(self) -> Online | Offline | None:
        with Probe(self._broker.operator()) as operator:
            operator.subscribe(TOPIC)
            heard = operator.heard()
        return STATUS.decode(heard[-1].payload) if heard else None

    def retained(self) -> str:
        """What the broker retains, in the words of the stories."""
        try:
            status = self._status()
        except (BrokerError, BrokerFolderError):
            return "unknown"
        if isinstance(status, Online):
            names = {epoch: name for name, epoch in self._epochs.items()}
            return f"online {names.get(status.epoch, '?')}"
        return status.reason if status else "nothing"


def _told(story: str, expected: str, folder: Path) -> str:
    """Play a story; give what stays retained once it has come, and all is quiet."""
    folder.mkdir()
    with Stage(folder) as stage:
        for action in story.split():
            stage.play(action)
        since_s = time.monotonic()

        def stays() -> bool:
            nonlocal since_s
            if stage.retained() != expected:
                since_s = time.monotonic()
            return time.monotonic() - since_s >= QUIET_S

        wait_until(stays, 60, what=expected)
        return stage.retained()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    base = tmp_path_factory.mktemp("stories")
    with ThreadPoolExecutor(6) as pool:
        yield {
            story: pool.submit(_told, story, expected, base / str(number))
            for number, (story, expected, _) in enumerate(STORIES)
        }


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("story", "expected"),
    [pytest.param(story, expected, id=text) for story, expected, text in STORIES],
)
def test_the_retained_status_is_right(
    told: dict[str, Future[str]], story: str, expected: str
) -> None:
    assert told[story].result() == expected
