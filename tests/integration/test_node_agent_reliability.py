"""What goes wrong around an agent: each story on a real broker, with the agent as a process."""

import itertools
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollcall.broker.client import BrokerClient
from rollcall.broker.session import Ready
from rollcall.node_agent.announcement import NodeAnnouncement
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Item, Taken
from tests.support.agents import CPU, NODE, STATUS, TOPICS, Listener, listening, starting
from tests.support.certificates import write_authority
from tests.support.mqtt import BrokerUnderTest
from tests.support.waiting import wait_until


class BrokerThatAsks(BrokerUnderTest):
    """A broker with further lines in its configuration, in place of anonymous access."""

    def __init__(self, folder: Path, *lines: str) -> None:
        super().__init__(folder)
        self._lines = lines

    def configure(self) -> None:
        super().configure()
        text = (self._folder / "mosquitto.conf").read_text("utf-8")
        if any(line.startswith("password_file") for line in self._lines):
            text = text.replace("allow_anonymous true", "allow_anonymous false")
        # Options of a listener follow it.
        first, _, rest = text.partition("\n")
        lines = "\n".join((first, *self._lines, rest))
        (self._folder / "mosquitto.conf").write_text(lines + "log_type all\n", "utf-8")


class Log:
    """What a process says on stderr, read on a thread of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.lines: list[str] = []
        self._stream = process.stderr
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._stream is not None
        for line in self._stream:
            self.lines.append(line.decode())

    def matching(self, pattern: str) -> list[str]:
        return [line for line in self.lines if re.search(pattern, line)]


def test_a_wrong_password_is_said_once_and_tried_slowly(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, NODE, "right"], check=True)
    (tmp_path / "password").write_text("wrong\n")
    broker = BrokerThatAsks(tmp_path / "broker", f"password_file {passwords}")
    with broker, starting(broker.port, tmp_path) as start:
        process = start(
            "--simulate", "1", BROKER__USERNAME=NODE, BROKER__PASSWORD_FILE=f"{tmp_path}/password"
        )
        log = Log(process)
        wait_until(lambda: log.matching("Not authorized"))
        began_s = time.monotonic()
        wait_until(lambda: time.monotonic() - began_s > 6)
        assert len(log.matching("refused by the broker: Not authorized")) == 1
        assert process.poll() is None
        (line,) = log.matching("Not authorized")
        assert "wrong" not in line
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("trusted", ["ours", "another"])
def test_a_broker_is_spoken_to_only_when_our_authority_vouches_for_it(
    tmp_path: Path, trusted: str
) -> None:
    authorities = {name: write_authority(tmp_path, name) for name in ("ours", "another")}
    _, server = authorities["ours"]
    lines = (f"certfile {server}", f"keyfile {server}")
    broker = BrokerThatAsks(tmp_path / "broker", *lines)
    with broker, starting(broker.port, tmp_path) as start:
        process = start("--simulate", "1", BROKER__CA_FILE=str(authorities[trusted][0]))
        log = Log(process)
        if trusted == "ours":
            wait_until(lambda: log.matching(r"\bconnected\b"))
            return
        wait_until(lambda: log.matching("CERTIFICATE_VERIFY_FAILED"))
        began_s = time.monotonic()
        wait_until(lambda: time.monotonic() - began_s > 5)
        assert len(log.matching("cannot be reached")) == 1
        assert not log.matching(r"\bconnected\b")
        assert process.poll() is None


@contextmanager
def recording(listener: Listener, epoch: str) -> Iterator[set[int]]:
    """Give receipts for what has come, as a recorder does; give the numbers held."""
    held: set[int] = set()
    ended = threading.Event()

    def record() -> None:
        told = 0
        while not ended.wait(0.05):
            held.update(listener.resent(), listener.live())
            through = told
            while through + 1 in held:
                through += 1
            if through > told:
                told = through
                listener.receipt(epoch, through)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        yield held
    finally:
        ended.set()
        thread.join()


def test_what_was_taken_while_the_broker_was_away_for_hours_comes_when_it_is_back(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    an_hour_ago_s = time.time() - 3600
    body = f'{{"time":{an_hour_ago_s},"interval":10,"fields":{{"percent":12.5}}}}'
    with Spool(tmp_path / "agent", boot="long ago") as spool:
        for _ in range(40):
            with spool.transaction():
                taken = Taken("long ago", 0, round(an_hour_ago_s * 1000))
                spool.take([Item("cpu", body)] * 100, taken)
        epoch = spool.epoch
    with listening(broker) as listener, starting(broker.port, tmp_path) as start:
        with recording(listener, epoch) as held:
            start("--simulate", "1")
            wait_until(lambda: held >= set(range(1, 4001)), 40)
        resent = listener.resent()
        assert len(resent) < 1.2 * len(set(resent))
        newest = [each["time"] for each in listener.all(CPU)]
        assert min(newest) > an_hour_ago_s + 3000
        assert newest == sorted(newest)


def test_an_agent_that_cannot_write_anywhere_still_reports(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "agent").write_text("in the way of the folder")
    with listening(broker) as listener, starting(broker.port, tmp_path) as start:
        log = Log(start("--simulate", "1"))
        wait_until(lambda: len(listener.live()) >= 20)
        assert listener.all(STATUS)[0]["state"] == "online"
        # What was taken before the connection comes later, in a batch.
        numbers = sorted(set(listener.live()))
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert log.matching("going on in memory")


def test_a_new_epoch_is_announced_with_a_last_will_of_its_own(broker: BrokerUnderTest) -> None:
    sessions = itertools.count(1)
    announcement = NodeAnnouncement(
        TOPICS,
        NODE,
        next_session=lambda: next(sessions),
        wall_s=time.time,
        epoch="1" * 16,
        seq=0,
        interval_s=1,
    )
    with listening(broker) as listener:
        client = BrokerClient(
            broker.endpoint, client_id=NODE, subscriptions=[], announcement=announcement
        )
        with client:
            wait_until(lambda: isinstance(client.receive(0.1), Ready))
            announcement.epoch = "2" * 16
            client.reconnect()
            wait_until(lambda: isinstance(client.receive(0.1), Ready))
            # An end without a goodbye: the will speaks.
            client._ready = False
        last = wait_until(lambda: [s for s in listener.all(STATUS) if s.get("session") == 2][1:])[0]
    assert last == {"state": "offline", "reason": "lost", "session": 2, "epoch": "2" * 16}


def test_a_program_that_is_configured_reports(broker: BrokerUnderTest, tmp_path: Path) -> None:
    configuration = tmp_path / "rollcall.toml"
    configuration.write_text(
        "[agent.exec.backup]\ncommand = ['sh', '-c', 'echo age_seconds 7; sleep 60 &']\n"
        "[agent.collectors.backup]\ninterval = '2s'\n"
        "[agent.collectors.cpu]\nenabled = false\n"
    )
    with listening(broker) as listener, starting(broker.port, tmp_path) as start:
        start("--simulate", "1", "--config", str(configuration))
        topic = CPU.replace("cpu", "backup")
        reports = wait_until(lambda: listener.all(topic)[2:])
        assert {each["fields"]["age_seconds"] for each in reports} == {7}
        assert {each["interval"] for each in reports} == {2}
        assert not listener.all(CPU)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[agent.collectors.cpu]\nintervall='2s'", "did you mean", id="option"),
        pytest.param("[agent.collectors.cpus]\ninterval='2s'", "unknown collector", id="collector"),
        pytest.param("[agent.exec.x]\ncommand=[]", "exec", id="no command"),
    ],
)
def test_a_mistake_in_the_local_file_is_told_and_nothing_starts(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "rollcall.toml").write_text(text)
    with starting(1, tmp_path) as start:
        process = start("--config", str(tmp_path / "rollcall.toml"))
        assert process.wait(20) == 78
        assert process.stderr is not None
        assert told in process.stderr.read().decode()
