"""What somebody with a socket, or with the credential of one node, tries on the hardened broker.

After each attack the broker still serves everybody else.
"""

import datetime as dt
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from rollcall.broker import certificates
from rollcall.broker.certificates import Credential, Purpose, Subject
from rollcall.broker.client.probe import NOT_AUTHORIZED, Door, Heard, Probe, RefusedError
from rollcall.broker.credentials import Authority
from rollcall.broker.messages import REPLY, Command, encode
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.session import BrokerError
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

R = "rollcall/v1"
NOW = dt.datetime.now(dt.UTC)
YEAR = dt.timedelta(days=365)


@pytest.fixture(scope="module")
def tls() -> Iterator[OwnBroker]:
    with OwnBroker(Profile.TLS) as broker:
        broker.let_in("n1", "n2")
        yield broker


@pytest.fixture(scope="module")
def password() -> Iterator[OwnBroker]:
    with OwnBroker(Profile.PASSWORD) as broker:
        broker.let_in("n1", "n2")
        yield broker


@pytest.fixture(params=[Profile.TLS, Profile.PASSWORD])
def broker(request: pytest.FixtureRequest) -> Iterator[OwnBroker]:
    found = request.getfixturevalue(str(request.param))
    assert isinstance(found, OwnBroker)
    yield found
    assert_serving(found)


@pytest.fixture
def mutual(tls: OwnBroker) -> Iterator[OwnBroker]:
    yield tls
    assert_serving(tls)


def assert_serving(broker: OwnBroker) -> None:
    with Probe(broker.door("recorder")) as ear, Probe(broker.door("n2")) as node:
        ear.subscribe(f"{R}/node/n2/event")
        assert node.publish(f"{R}/node/n2/event", b"well") == 0
        ear.settle()
        assert [heard.payload for heard in ear.heard()] == [b"well"]


def door_with(broker: OwnBroker, folder: Path, credential: Credential | None) -> Door:
    authority = broker.opened.authority.certificate_file
    context = ssl.create_default_context(cafile=str(authority))
    if credential:
        (folder / "crt").write_text(credential.certificate_pem)
        (folder / "key").write_text(credential.key_pem)
        context.load_cert_chain(folder / "crt", folder / "key")
    return Door(port=broker.port, tls=context, client_id="n1")


def assert_refused(door: Door) -> None:
    with pytest.raises(BrokerError), Probe(door):
        pass


# Getting in


def test_without_a_certificate(mutual: OwnBroker, tmp_path: Path) -> None:
    assert_refused(door_with(mutual, tmp_path, None))


def test_with_a_certificate_of_another_authority(mutual: OwnBroker, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", name="Rollcall on hub", now=NOW)
    assert_refused(door_with(mutual, tmp_path, other.issue_client("n1", now=NOW)))


@pytest.mark.parametrize(
    "made", [pytest.param(NOW - 2 * YEAR, id="expired"), pytest.param(NOW + YEAR, id="not yet")]
)
def test_with_a_certificate_out_of_its_time(
    mutual: OwnBroker, tmp_path: Path, made: dt.datetime
) -> None:
    authority = mutual.opened.authority
    assert_refused(door_with(mutual, tmp_path, authority.issue_client("n1", now=made)))


def test_with_the_certificate_of_a_server(mutual: OwnBroker, tmp_path: Path) -> None:
    authority = mutual.opened.authority
    theirs = Credential(
        authority.server_certificate_file.read_text(), authority.server_key_file.read_text()
    )
    assert_refused(door_with(mutual, tmp_path, theirs))


@pytest.mark.parametrize("name", ["+", "#", "n1/+", "+/status"])
def test_with_a_name_that_is_a_wildcard(mutual: OwnBroker, tmp_path: Path, name: str) -> None:
    signer = Credential(
        mutual.opened.authority.certificate_pem,
        (mutual.folder / "pki/ca.key").read_text(),
    )
    subject = Subject(name, Purpose.CLIENT)
    made = certificates.new_credential(signer, subject, NOW, certificates.CLIENT_VALID)
    # Our authority never signs such a name; should it exist, Mosquitto allows it nothing.
    try:
        with Probe(door_with(mutual, tmp_path, made)) as probe:
            assert probe.publish(f"{R}/node/n1/status") == NOT_AUTHORIZED
            assert probe.publish(f"{R}/node/n1/metrics/cpu") == NOT_AUTHORIZED
    except BrokerError:
        pass


def test_in_the_clear_on_the_port_of_tls(broker: OwnBroker) -> None:
    assert_refused(Door(port=broker.port, client_id="n1"))
    assert_refused(Door(port=broker.port, client_id="n1", username="n1", password="n1 knows"))


@pytest.mark.parametrize(
    ("username", "secret"),
    [
        pytest.param(None, None, id="nobody"),
        pytest.param("n1", "wrong", id="wrong password"),
        pytest.param("n1", None, id="no password"),
        pytest.param("n1", "", id="empty password"),
        pytest.param("n1", "n2 knows", id="the password of another"),
        pytest.param("stranger", "n1 knows", id="unknown name"),
        pytest.param("", "n1 knows", id="empty name"),
        pytest.param("N1", "n1 knows", id="other case"),
        pytest.param("+", "n1 knows", id="wildcard"),
    ],
)
def test_with_a_password_that_is_not_theirs(
    password: OwnBroker, username: str | None, secret: str | None
) -> None:
    door = replace(password.door("n1"), username=username, password=secret)
    with pytest.raises(RefusedError), Probe(door):
        pass
    assert_serving(password)


def test_at_the_operators_socket_without_the_password(broker: OwnBroker) -> None:
    door = broker.operator()
    for attempt in (replace(door, username=None), replace(door, password="guess")):
        with pytest.raises(RefusedError), Probe(attempt):
            pass


def test_a_server_that_poses_as_the_broker_gets_no_client(
    mutual: OwnBroker, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", name="Rollcall on hub", now=NOW)
    context = ssl.create_default_context(cafile=str(other.certificate_file))
    with pytest.raises(BrokerError, match="CERTIFICATE_VERIFY_FAILED"):
        Probe(Door(port=mutual.port, tls=context)).__enter__()


def test_a_server_under_another_address_gets_no_client(mutual: OwnBroker) -> None:
    elsewhere = replace(mutual.door("n1"), host="127.0.0.9")
    with pytest.raises(BrokerError, match="IP address mismatch"):
        Probe(elsewhere).__enter__()


# With the credential of one node


def test_an_empty_message_does_not_remove_what_another_retains(broker: OwnBroker) -> None:
    topics = [f"{R}/node/n2/status", f"{R}/node/n2/info"]
    with Probe(broker.door("n2")) as owner:
        owner.publish_all([(topic, b"mine") for topic in topics], retain=True)
    with Probe(broker.door("n1")) as thief:
        reasons = thief.publish_all([(topic, b"") for topic in topics], retain=True)
    assert reasons == [NOT_AUTHORIZED, NOT_AUTHORIZED]
    with Probe(broker.door("recorder")) as ear:
        ear.subscribe(*topics)
        assert ear.heard() == [Heard(topic, b"mine", retained=True) for topic in topics]


@pytest.mark.parametrize("name", ["lcd", "alerts", "dashboard", "homeassistant"])
def test_a_forged_receipt_reaches_nobody(broker: OwnBroker, name: str) -> None:
    receipt = b'{"database":"d","epoch":"9f3c21d07a5be4c8","through":999999,"missing":[]}'
    with Probe(broker.door("n1")) as victim, Probe(broker.door(name)) as forger:
        victim.subscribe(f"{R}/receipt/n1")
        assert forger.publish(f"{R}/receipt/n1", receipt, retain=True) == NOT_AUTHORIZED
        victim.settle()
        assert victim.heard() == []


@pytest.mark.parametrize(
    "topic",
    [
        f"{R}/node/n2/status",
        f"{R}/receipt/n1",
        f"{R}/control/fleet",
        f"{R}/alert/n2/hot",
        f"{R}/service/recorder/status",
        "$CONTROL/dynamic-security/v1",
        "$SYS/broker/uptime",
    ],
)
def test_the_will_of_a_node_speaks_for_nobody_else(broker: OwnBroker, topic: str) -> None:
    own = f"{R}/node/n1/status"
    with Probe(broker.door("admin")) as ear:
        ear.subscribe("#", "$SYS/broker/uptime", "$CONTROL/#")
        ear.heard()
        # A newer Mosquitto does not even let in whose will is for $CONTROL.
        with suppress(BrokerError):
            vanish(Probe(broker.door("n1"), will=(topic, b"forged")))
        vanish(Probe(broker.door("n1"), will=(own, b"lost")))
        heard: list[Heard] = []

        def hears_own() -> bool:
            heard.extend(ear.heard())
            return any(message.payload == b"lost" for message in heard)

        wait_until(hears_own, what="the will that is allowed")
        assert not any(message.payload == b"forged" for message in heard)


def vanish(probe: Probe) -> None:
    """Connect, and break the connection without a word."""
    with probe:
        open_socket = probe._paho.socket()
        assert isinstance(open_socket, socket.socket)
        open_socket.shutdown(socket.SHUT_RDWR)
        wait_until(probe.lost.is_set)


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "+/#",
        f"{R}/#",
        f"{R}/+/+/+",
        "$SYS/#",
        "$share/x/#",
        f"$share/x/{R}/node/#",
        "$CONTROL/#",
    ],
)
def test_a_wide_subscription_brings_a_node_only_its_own(
    broker: OwnBroker, topic_filter: str
) -> None:
    with Probe(broker.door("n1")) as spy, Probe(broker.door("n2")) as other:
        spy.subscribe(topic_filter)
        spy.heard()
        other.publish_all([(f"{R}/node/n2/{leaf}", b"secret") for leaf in ("status", "event")])
        with Probe(broker.door("alerts")) as alerts:
            alerts.publish(f"{R}/control/command/n2", b"secret")
            alerts.publish(f"{R}/alert/n1/hot", b"secret")
        with Probe(broker.door("recorder")) as recorder:
            recorder.publish(f"{R}/receipt/n2", b"secret")
        spy.settle()
        heard = spy.heard()
    assert [message for message in heard if message.payload == b"secret"] == []
    assert not any(message.topic.startswith("$") for message in heard)


def test_the_client_id_of_another_takes_nobodys_session(broker: OwnBroker) -> None:
    with Probe(broker.door("n2")) as victim:
        with Probe(replace(broker.door("n1"), client_id="n2")) as thief:
            assert thief.publish(f"{R}/node/n2/status") == NOT_AUTHORIZED
            victim.settle()
        assert not victim.lost.is_set()
        assert victim.publish(f"{R}/node/n2/event") in {0, 0x10}


def test_a_user_name_beside_the_certificate_changes_nothing(mutual: OwnBroker) -> None:
    password = mutual.operator().password
    for name in ("admin", "recorder"):
        door = replace(mutual.door("n1"), username=name, password=password)
        with Probe(door) as probe:
            assert probe.publish(f"{R}/control/fleet") == NOT_AUTHORIZED
            assert probe.publish(f"{R}/receipt/n2") == NOT_AUTHORIZED


# Commands


@contextmanager
def agent_of(broker: OwnBroker, node: str, folder: Path) -> Iterator[ProgramUnderTest]:
    """A real agent that reads a made-up host, let in as a node."""
    broker.let_in(node)
    way_in = broker.endpoint(node).model_dump(mode="json", exclude_defaults=True)
    own = {"node": node, "state_dir": str(folder / "state")}
    file = folder / "rollcall.toml"
    file.write_text(tomli_w.dumps({"broker": way_in, "agent": own}))
    arguments = ["--config", str(file), "--simulate", "1"]
    with ProgramUnderTest("rollcall.node_agent", folder, arguments=arguments) as program:
        yield program


def test_a_command_is_carried_out_once_in_time_and_from_those_alone_who_may(
    broker: OwnBroker, tmp_path: Path
) -> None:
    topic = f"{R}/control/command/n3"

    def told(command_id: str, *, late_s: float = -30) -> bytes:
        asked = Command(id=command_id, command="ping", expires=time.time() - late_s)
        return encode(asked)

    with (
        Probe(broker.door("recorder")) as ear,
        Probe(broker.door("alerts")) as alerts,
        Probe(broker.door("n1")) as thief,
        agent_of(broker, "n3", tmp_path) as agent,
    ):
        answers: list[tuple[str, bool]] = []

        def answered(command_id: str) -> bool:
            replies = [REPLY.decode(heard.payload) for heard in ear.heard()]
            answers.extend((reply.id, reply.ok) for reply in replies)
            return any(known == command_id for known, _ in answers)

        def is_there() -> bool:
            return alerts.publish(topic, told("hello")) == 0

        ear.subscribe(f"{R}/node/n3/reply/+")
        wait_until(is_there, what="the agent's subscription")
        captured = told("captured")
        alerts.publish_all([(topic, captured), (topic, captured)])
        alerts.publish(topic, told("expired", late_s=60))
        assert thief.publish(topic, told("forged")) == NOT_AUTHORIZED
        alerts.publish(topic, told("kept"), retain=True)
        alerts.publish_all([(topic, captured), (topic, told("last"))])
        wait_until(lambda: answered("last"))
        expected = [("captured", True), ("expired", False), ("kept", True), ("last", True)]
        assert answers[-4:] == expected
        assert [known for known, _ in answers[:-4]] in ([], ["hello"])
        # The next agent here finds the one that was retained, and does nothing.
        agent.kill()
        answers.clear()
        agent.launch()
        wait_until(lambda: alerts.publish(topic, told("again")) == 0 and answered("again"))
        assert [known for known, _ in answers] == ["again"]
        alerts.publish(topic, b"", retain=True)


def test_an_administrator_commands_and_a_service_does_not(
    mutual: OwnBroker, tmp_path: Path
) -> None:
    def command(identity: str) -> subprocess.CompletedProcess[str]:
        file = mutual.folder / "identities" / identity / "rollcall.toml"
        return rollcall("--config", str(file), "command", "n4", "ping")

    with agent_of(mutual, "n4", tmp_path):
        wait_until(lambda: command("admin").returncode == 0)
        refused = command("lcd")
        assert refused.returncode == 1
        assert "lets this identity give no commands" in refused.stderr


# Exhausting the broker


def test_a_payload_too_large_ends_only_its_own_connection(broker: OwnBroker) -> None:
    with Probe(broker.door("n1")) as probe, pytest.raises(BrokerError):
        probe.publish(f"{R}/node/n1/event", b"x" * 400_000)


def test_a_topic_too_deep_ends_only_its_own_connection(broker: OwnBroker) -> None:
    deep = f"{R}/node/n1/metrics/" + "/".join(["x"] * 200)
    with Probe(broker.door("n1")) as probe, pytest.raises(BrokerError):
        probe.publish(deep)


@contextmanager
def silent_sockets(broker: OwnBroker, count: int) -> Iterator[None]:
    """Sockets that say nothing, held by another process: ours may open no more than 1024."""
    program = f"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = [socket.create_connection(("127.0.0.1", {broker.port})) for _ in range({count})]
print("held", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"held\n"
            yield
        finally:
            process.communicate()


def test_sockets_that_say_nothing_keep_nobody_out(broker: OwnBroker) -> None:
    with silent_sockets(broker, 500):
        assert_serving(broker)


def test_more_silent_sockets_than_are_allowed_leave_the_operator_a_way_in(
    mutual: OwnBroker,
) -> None:
    with silent_sockets(mutual, 1005), Probe(mutual.operator()) as operator:
        assert operator.publish(f"{R}/control/fleet") in {0, 0x10}
    wait_until(lambda: _gets_in(mutual), what="room again")


def _gets_in(broker: OwnBroker) -> bool:
    try:
        with Probe(broker.door("n1")):
            return True
    except BrokerError:
        return False
