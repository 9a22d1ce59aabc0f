"""A node's whole life on a real broker: let in, reporting, renewed, removed."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollcall.broker.certificates import new_request
from rollcall.broker.client.probe import NOT_AUTHORIZED, Door, Probe, RefusedError
from rollcall.broker.enrolment import Invitation
from rollcall.broker.enrolment_client import ask
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.session import BrokerError
from rollcall.console import node_add
from rollcall.console.options import CommandError
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.waiting import wait_until

CONSOLE = [sys.executable, "-m", "rollcall.console"]


class Inviting:
    """A running `rollcall node add` or `renew`, and what it prints."""

    def __init__(self, broker: OwnBroker, verb: str, name: str) -> None:
        command = [*CONSOLE, "node", verb, name, "--folder", str(broker.folder)]
        command += ["--host", "localhost", "--port", "0"]
        self._folder = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
        self._out, self._err = self._folder / "out", self._folder / "err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )

    @property
    def said(self) -> str:
        return self._out.read_text("utf-8") + self._err.read_text("utf-8")

    def invitation(self) -> str:
        def line() -> str:
            assert self.process.poll() is None, self.said
            return self._out.read_text("utf-8").strip()

        printed = wait_until(line, what="the invitation")
        return shlex.split(printed)[3]

    def done(self) -> int:
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self._folder)


@contextmanager
def inviting(broker: OwnBroker, name: str, verb: str = "add") -> Iterator[Inviting]:
    running = Inviting(broker, verb, name)
    try:
        yield running
    finally:
        running.close()


class Node:
    """A node's own folder, and its agent once it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "etc"
        self.log = folder / "agent.log"
        self.agent: subprocess.Popen[bytes] | None = None

    def join(self, invitation: str) -> subprocess.CompletedProcess[str]:
        return rollcall("node", "join", invitation, "--folder", str(self.files))

    def start(self) -> None:
        self._run("--config", str(self.files / "rollcall.toml"), "run", "agent")

    def run(self, *arguments: str) -> None:
        """Run the command that the hub printed; it becomes the agent."""
        self._run(*arguments, "--folder", str(self.files))

    def _run(self, *arguments: str) -> None:
        environment = {**os.environ, "ROLLCALL_AGENT__INTERVAL": "1"}
        environment["ROLLCALL_AGENT__STATE_DIR"] = json.dumps(str(self.folder / "state"))
        with self.log.open("ab") as log:
            self.agent = subprocess.Popen(
                [*CONSOLE, *arguments], stdout=log, stderr=log, env=environment
            )

    def stop(self) -> int:
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)
        return self.agent.wait(15)

    def close(self) -> None:
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()

    def door(self, broker: OwnBroker) -> Door:
        """The way in with this node's own credential."""
        context = ssl.create_default_context(cafile=str(self.files / "ca.crt"))
        context.load_cert_chain(self.files / "node.crt", self.files / "node.key")
        return Door(host="localhost", port=broker.port, tls=context, client_id="pi-7")


class Recorder:
    """The real recorder, as the service that `rollcall broker init` let in."""

    def __init__(self, broker: OwnBroker, folder: Path) -> None:
        self._database = folder / "rollcall.db"
        self.file = folder / "recorder.toml"
        section = broker.opened.identity("recorder").configuration.read_text("utf-8")
        database = json.dumps(f"sqlite:///{self._database}")
        self.file.write_text(f"{section}\n[recorder]\ndatabase = {database}\n", "utf-8")

    def samples(self) -> int:
        if not self._database.exists():
            return 0
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            try:
                query = "SELECT count(*) FROM samples WHERE node = 'pi-7'"
                return int(connection.execute(query).fetchone()[0])
            except sqlite3.OperationalError:
                return 0


@contextmanager
def recording(broker: OwnBroker, folder: Path) -> Iterator[Recorder]:
    recorder = Recorder(broker, folder)
    command = [*CONSOLE, "--config", str(recorder.file), "run", "recorder"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield recorder
        finally:
            process.terminate()


@pytest.fixture
def broker() -> Iterator[OwnBroker]:
    with OwnBroker() as running:
        yield running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "node")
    made.folder.mkdir()
    try:
        yield made
    finally:
        made.close()


def enrolled(broker: OwnBroker, node: Node) -> None:
    """Let pi-7 in and start its agent; it has reported when this returns."""
    with inviting(broker, "pi-7") as hub:
        joined = node.join(hub.invitation())
        assert joined.returncode == 0, joined.stderr
        node.start()
        assert hub.done() == 0, hub.said


def retained(broker: OwnBroker) -> dict[str, bytes]:
    with Probe(broker.operator()) as probe:
        probe.subscribe("rollcall/v1/#")
        return {one.topic: one.payload for one in probe.heard() if one.payload}


def state_of(broker: OwnBroker) -> str | None:
    found = retained(broker).get("rollcall/v1/node/pi-7/status")
    return json.loads(found)["state"] if found else None


def on_hub(broker: OwnBroker, *arguments: str) -> subprocess.CompletedProcess[str]:
    return rollcall("node", *arguments, "--folder", str(broker.folder), stdin=subprocess.DEVNULL)


def listed(broker: OwnBroker) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(on_hub(broker, "list", "--json").stdout)["nodes"]
    return found


def test_two_commands_make_a_node_that_reports_over_mutual_tls(
    broker: OwnBroker, node: Node
) -> None:
    with inviting(broker, "pi-7") as hub:
        joined = node.join(hub.invitation())
        assert joined.returncode == 0, joined.stderr
        assert "rollcall run agent --config" in joined.stdout
        node.start()
        assert hub.done() == 0
        assert "pi-7: first report after" in hub.said
    (found,) = listed(broker)
    assert (found["node"], found["state"], found["agent"]) == ("pi-7", "online", "0.1.0")
    assert found["certificate_days_left"] == 396
    with Probe(node.door(broker)) as probe:
        assert probe.publish("rollcall/v1/node/pi-8/event") == NOT_AUTHORIZED
    table = on_hub(broker, "list").stdout.splitlines()
    assert table[0].split() == ["NODE", "STATE", "LAST", "SEEN", "CREDENTIAL", "AGENT"]
    assert "certificate for 396 days" in table[1]


def test_one_command_on_the_node_is_enough(broker: OwnBroker, node: Node) -> None:
    with inviting(broker, "pi-7") as hub:
        hub.invitation()
        printed = hub.said.partition("  rollcall ")[2].partition("\n")[0]
        node.run(*shlex.split(printed))
        assert hub.done() == 0, hub.said
    assert state_of(broker) == "online"
    assert node.stop() == 0
    assert state_of(broker) == "offline"


def test_an_invitation_that_was_used_or_is_not_ones_own_is_refused_in_words(
    broker: OwnBroker, node: Node, tmp_path: Path
) -> None:
    with inviting(broker, "pi-7") as hub:
        invitation = hub.invitation()
        thief = Node(tmp_path / "thief")
        for forged, why in (
            (invitation.replace("pi-7", "pi-8"), "is for pi-7 and for no other node"),
            (invitation[:-43] + "A" * 43, "is not the hub of this invitation"),
            (invitation.partition("#")[0], "this is no invitation"),
        ):
            refused = thief.join(forged)
            assert refused.returncode == 1
            assert why in refused.stderr
            assert "\ntry: " in refused.stderr
        (tmp_path / "file").touch()
        nowhere = Node(tmp_path / "file").join(invitation)
        assert nowhere.returncode == 1
        assert f"error: {tmp_path}/file" in nowhere.stderr
        assert node.join(invitation).returncode == 0
        again = thief.join(invitation)
        assert again.returncode == 1
        assert "used already" in again.stderr
        assert "rollcall node remove pi-7" in again.stderr
        assert not list(thief.files.glob("*"))
        wait_until(lambda: "is for pi-7" in hub.said, what="the hub tells of the thief")
    late = thief.join(invitation)
    assert "good once and for 15 minutes" in late.stderr
    assert [one.name for one in broker.opened.authority.issued()].count("pi-7") == 1


def test_a_removed_node_is_gone_at_once_and_only_its_history_stays(
    broker: OwnBroker, node: Node, tmp_path: Path
) -> None:
    with recording(broker, tmp_path) as recorder:
        enrolled(broker, node)
        wait_until(lambda: recorder.samples() > 0, 20, what="samples in the database")
        with Probe(broker.operator()) as probe:
            probe.publish("rollcall/v1/alert/pi-7/too_hot", b"{}", retain=True)
            probe.publish("rollcall/v1/node/pi-77/status", b"{}", retain=True)
            probe.publish("rollcall/v1/alert/pi-77/too_hot", b"{}", retain=True)
        done = on_hub(broker, "remove", "pi-7", "--yes")
        assert done.returncode == 0, done.stderr
        left = {topic for topic in retained(broker) if "recorder" not in topic}
        known = recorder.samples()
        for topic in ("node/pi-7/status", "node/pi-7/metrics/cpu", "receipt/pi-7",
                      "alert/pi-7/too_hot"):  # fmt: skip
            assert f" rollcall/v1/{topic}\n" in done.stdout
        wait_until(lambda: "revoked?" in node.log.read_text("utf-8"), what="its log says why")
        with pytest.raises(BrokerError), Probe(node.door(broker)):
            pass
        assert left == {"rollcall/v1/node/pi-77/status", "rollcall/v1/alert/pi-77/too_hot"}
        assert known == recorder.samples() > 0
    assert on_hub(broker, "remove", "pi-7", "--yes").returncode == 0
    assert "No node yet" in on_hub(broker, "list").stdout


def test_a_dry_run_tells_all_and_changes_nothing(broker: OwnBroker, node: Node) -> None:
    enrolled(broker, node)
    told = on_hub(broker, "remove", "pi-7", "--dry-run")
    assert told.returncode == 0
    assert "Nothing was changed." in told.stderr
    assert "credential  will be revoked" in told.stdout
    assert " rollcall/v1/node/pi-7/metrics/cpu\n" in told.stdout
    unasked = on_hub(broker, "remove", "pi-7")
    assert unasked.returncode == 2
    assert "nobody is there to confirm" in unasked.stderr
    assert state_of(broker) == "online"
    assert listed(broker)[0]["credential"] == "certificate"


def test_a_node_that_comes_back_at_every_moment_is_shut_out_all_the_same(
    broker: OwnBroker, node: Node
) -> None:
    with inviting(broker, "pi-7") as hub:
        assert node.join(hub.invitation()).returncode == 0
    door = node.door(broker)
    stop = threading.Event()
    came = 0

    def come_back() -> None:
        nonlocal came
        while not stop.is_set():
            with suppress(BrokerError), Probe(door) as probe:
                came += 1
                while not stop.is_set():
                    probe.publish("rollcall/v1/node/pi-7/status", b"{}", retain=True)

    thread = threading.Thread(target=come_back)
    thread.start()
    try:
        wait_until(lambda: came > 0, what="the stubborn node")
        done = on_hub(broker, "remove", "pi-7", "--yes")
        assert done.returncode == 0, done.stderr
        assert retained(broker) == {}
        assert came == 1
    finally:
        stop.set()
        thread.join()


def test_the_will_of_a_removed_node_does_not_bring_it_back(broker: OwnBroker, node: Node) -> None:
    enrolled(broker, node)
    assert on_hub(broker, "remove", "pi-7", "--yes").returncode == 0
    node.close()
    # The will's delay is 2 s; what waits longer than that has seen it, or that it does not come.
    with Probe(broker.operator()) as probe:
        probe.subscribe("rollcall/v1/node/#")
        probe.lost.wait(4)  # our own connection stays: this waits
        assert probe.heard() == []


def test_a_renewal_replaces_the_certificate_of_a_running_agent(
    broker: OwnBroker, node: Node
) -> None:
    enrolled(broker, node)
    old = node.door(broker)
    with Probe(broker.operator()) as probe:
        probe.subscribe("rollcall/v1/node/pi-7/status")
        assert probe.heard()
    with inviting(broker, "pi-7", "renew") as hub:
        renewed = node.join(hub.invitation())
        assert renewed.returncode == 0, renewed.stderr
        assert hub.done() == 0, hub.said
    assert state_of(broker) == "online"
    with Probe(node.door(broker)):
        pass
    with pytest.raises(BrokerError), Probe(old):
        pass
    first, second = (one for one in broker.opened.authority.issued() if one.name == "pi-7")
    assert first.revoked is not None
    assert second.revoked is None


def test_a_bundle_lets_a_node_in_without_a_network_and_once(
    broker: OwnBroker, node: Node, tmp_path: Path
) -> None:
    bundle = tmp_path / "pi-7.bundle"
    written = on_hub(broker, "add", "pi-7", "--host", "localhost", "--bundle", str(bundle))
    assert written.returncode == 0, written.stderr
    assert "whoever has the file is that node" in written.stdout
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    joined = node.join(str(bundle))
    assert joined.returncode == 0, joined.stderr
    assert not bundle.exists()
    node.start()
    wait_until(lambda: state_of(broker) == "online", 20, what="the node online")
    assert node.join(str(bundle)).returncode == 1


def test_passwords_work_where_certificates_are_too_much(node: Node, tmp_path: Path) -> None:
    with OwnBroker(Profile.PASSWORD) as broker:
        enrolled(broker, node)
        assert listed(broker)[0]["credential"] == "password"
        old = (node.files / "password").read_text("utf-8")
        with inviting(broker, "pi-7", "renew") as hub:
            assert node.join(hub.invitation()).returncode == 0
            assert hub.done() == 0, hub.said
        assert (node.files / "password").read_text("utf-8") != old
        assert on_hub(broker, "remove", "pi-7", "--yes").returncode == 0
        wait_until(lambda: state_of(broker) is None, what="no status")
        node.close()
        assert retained(broker) == {}
        context = ssl.create_default_context(cafile=str(node.files / "ca.crt"))
        password = (node.files / "password").read_text("utf-8").strip()
        door = Door(host="localhost", port=broker.port, tls=context, username="pi-7",
                    password=password, client_id="pi-7")  # fmt: skip
        with pytest.raises(RefusedError), Probe(door):
            pass


def test_what_makes_no_sense_is_refused_with_the_command_that_does(
    broker: OwnBroker, node: Node, tmp_path: Path
) -> None:
    for arguments, code, words in (
        (("add", "recorder"), 2, "cannot be the name of a node"),
        (("add", "a/b"), 2, "cannot be the name of a node"),
        (("renew", "pi-7"), 1, "try: rollcall node add pi-7"),
        (("remove", "pi-7", "--yes"), 1, "try: rollcall node list"),
        (("add", "pi-7", "--host", "evil.lan"), 1, "certificate does not hold for evil.lan"),
    ):
        done = on_hub(broker, *arguments)
        assert (done.returncode, words in done.stderr) == (code, True), (arguments, done.stderr)
    assert "No node yet" in on_hub(broker, "list").stdout
    bundle = tmp_path / "bundle"
    assert on_hub(broker, "add", "pi-7", "--bundle", str(bundle)).returncode == 0
    assert "try: rollcall node renew pi-7" in on_hub(broker, "add", "pi-7").stderr
    there = on_hub(broker, "renew", "pi-7", "--bundle", str(bundle))
    assert "is there already" in there.stderr
    assert "no broker" in rollcall("node", "list", "--folder", str(tmp_path)).stderr


def test_an_invitation_that_nobody_follows_ends_by_itself(
    broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_add, "VALID_S", 0.3)
    arguments = ["pi-7", "--folder", str(broker.folder), "--port", "0"]
    ended = CliRunner().invoke(node_add.add, arguments).exception
    assert isinstance(ended, CommandError)
    assert "nobody joined as pi-7 in time" in str(ended)
    assert ended.remedy == "rollcall node add pi-7"


def test_a_node_that_joins_and_never_reports_is_a_warning(
    broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(invitation: Invitation, _then: str) -> None:
        request, _ = new_request("pi-7")
        joining = threading.Thread(target=ask, args=(invitation, request))
        joining.start()

    monkeypatch.setattr(node_add, "VALID_S", 3.0)
    monkeypatch.setattr(node_add, "_invite", follow)
    arguments = ["pi-7", "--folder", str(broker.folder), "--port", "0", "--host", "localhost"]
    ended = CliRunner().invoke(node_add.add, arguments, standalone_mode=False)
    assert ended.return_value == 3
    assert "Is its agent running?" in ended.stderr


def test_a_port_that_is_taken_is_said_to_be(broker: OwnBroker) -> None:
    done = on_hub(broker, "add", "pi-7", "--port", str(broker.port))
    assert done.returncode == 1
    assert "Address already in use\ntry: another port" in done.stderr


def test_without_a_running_broker_a_node_is_revoked_and_the_rest_said_to_be_undone(
    broker: OwnBroker, node: Node
) -> None:
    enrolled(broker, node)
    door = node.door(broker)
    broker.stop()
    assert on_hub(broker, "add", "pi-8").returncode == 5
    known = on_hub(broker, "list")
    assert known.returncode == 5
    assert "pi-7  unknown" in known.stdout
    done = on_hub(broker, "remove", "pi-7", "--yes")
    assert done.returncode == 5
    assert "stay until this is done again" in done.stdout
    broker.start()
    with pytest.raises(BrokerError), Probe(door):
        pass
    assert on_hub(broker, "remove", "pi-7", "--yes").returncode == 0
    assert "rollcall/v1/node/pi-7/status" not in retained(broker)
