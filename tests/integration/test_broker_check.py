"""`rollcall broker check` names what is wrong, and what to try."""

import datetime as dt
import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.broker.broker_check import Finding, findings
from rollcall.broker.broker_folder import BrokerFolder
from rollcall.broker.client.probe import Probe
from rollcall.broker.mosquitto import find_mosquitto, free_port
from rollcall.broker.mosquitto_conf import Profile
from tests.support.doctor import require_runnable
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.waiting import wait_until

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module", params=[Profile.TLS, Profile.PASSWORD])
def broker(request: pytest.FixtureRequest) -> Iterator[OwnBroker]:
    with OwnBroker(request.param) as running:
        yield running


@pytest.fixture
def stopped() -> Iterator[Path]:
    """A folder whose broker does not run."""
    base = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
    base.chmod(0o755)
    done = rollcall("broker", "init", "--folder", f"{base}/broker", "--port", str(free_port()))
    assert done.returncode == 0
    yield base / "broker"
    shutil.rmtree(base)


def wrong(folder: Path, *, now: dt.datetime = NOW, keep_alive_s: int = 15) -> dict[str, Finding]:
    found = findings(BrokerFolder.open(folder), keep_alive_s=keep_alive_s, now=now)
    return {one.subject: one for one in found if not one.is_good}


def test_a_good_broker_is_called_good(broker: OwnBroker) -> None:
    done = rollcall("broker", "check", "--folder", str(broker.folder))
    assert (done.returncode, "try:" in done.stdout) == (0, False), done.stdout
    for name in ("recorder", "alerts", "lcd", "dashboard", "admin"):
        assert f" ok   {name:<14}gets in\n" in done.stdout


def test_json_carries_the_same(broker: OwnBroker) -> None:
    done = rollcall("broker", "check", "--folder", str(broker.folder), "--json")
    found = json.loads(done.stdout)["findings"]
    assert {"subject": "recorder", "text": "gets in", "remedy": "", "is_fatal": False} in found


def test_a_service_that_is_connected_is_left_alone(broker: OwnBroker) -> None:
    with Probe(broker.door("recorder")) as recorder:
        status = b'{"state":"online","since":1,"version":"1"}'
        recorder.publish("rollcall/v1/service/recorder/status", status, retain=True)
        done = rollcall("broker", "check", "--folder", str(broker.folder))
        assert " ok   recorder      is connected\n" in done.stdout
        assert not recorder.lost.is_set()
        recorder.publish("rollcall/v1/service/recorder/status", b"", retain=True)


def test_a_service_of_an_impossible_name_stops_nothing(broker: OwnBroker) -> None:
    topic = "rollcall/v1/service/NO NAME/status"
    status = b'{"state":"online","since":1,"version":"1"}'
    with Probe(broker.operator()) as operator:
        operator.publish(topic, status, retain=True)
        done = rollcall("broker", "check", "--folder", str(broker.folder))
        operator.publish(topic, b"", retain=True)
    assert done.returncode == 0, done.stderr


def test_a_folder_without_a_broker_is_named(tmp_path: Path) -> None:
    done = rollcall("broker", "check", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "holds no broker" in done.stderr
    assert f"try: rollcall broker init --folder {tmp_path}" in done.stderr


def test_a_broker_that_does_not_run_is_named(stopped: Path) -> None:
    found = wrong(stopped)
    assert "nobody listens" in found["admin"].text
    assert found["admin"].remedy == f"rollcall broker run --folder {stopped}"


@pytest.mark.parametrize(
    ("later", "subject", "text"),
    [
        pytest.param(398 * DAY, "certificate", "has expired", id="expired certificate"),
        pytest.param(380 * DAY, "certificate", "days only", id="soon expired certificate"),
        pytest.param(366 * DAY, "revocations", "nobody gets in", id="expired revocation list"),
        pytest.param(-2 * DAY, "clock", "this clock is behind", id="clock behind"),
    ],
)
def test_what_time_does_is_named(
    stopped: Path, later: dt.timedelta, subject: str, text: str
) -> None:
    assert text in wrong(stopped, now=NOW + later)[subject].text


def test_a_changed_queue_limit_is_named(stopped: Path) -> None:
    conf = stopped / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("max_queued_messages 100000", "max_queued_messages 9"))
    found = wrong(stopped)["configuration"]
    assert "lacks max_queued_messages 100000; has max_queued_messages 9" in found.text
    assert found.remedy == f"rollcall broker init --folder {stopped}"


def test_a_port_that_another_program_has_is_named(stopped: Path) -> None:
    port = BrokerFolder.open(stopped).plan.port
    with socket.create_server(("127.0.0.1", port)) as other:
        thread = threading.Thread(target=_answer_nonsense, args=(other,))
        thread.start()
        found = wrong(stopped)["admin"]
        other.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert "another program has the port" in found.text
    assert found.remedy == f"sudo ss -ltnp 'sport = :{port}'"


def _answer_nonsense(server: socket.socket) -> None:
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return
        with caller:
            caller.sendall(b"220 mail ready\r\n")
            caller.recv(2000)


@pytest.mark.parametrize(
    ("before", "after", "subject", "text"),
    [
        pytest.param("listener {port}", "listener {port} 127.0.0.1", "listener",
                     "other machines cannot connect", id="loopback only"),
        pytest.param("max_keepalive 120", "max_keepalive 10", "admin",
                     "a keep alive of 10 s", id="keep alive"),
        pytest.param("max_packet_size 327680", "max_packet_size 70000", "admin",
                     "packets end at 70000 bytes", id="packet size"),
    ],
)  # fmt: skip
def test_what_a_running_broker_has_wrong_is_named(
    stopped: Path, before: str, after: str, subject: str, text: str
) -> None:
    broker = BrokerFolder.open(stopped)
    conf, port = broker.configuration_file, broker.plan.port
    changed = conf.read_text().replace(before.format(port=port), after.format(port=port))
    assert changed != conf.read_text()
    conf.write_text(changed)
    with subprocess.Popen([find_mosquitto(), "-c", conf], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: broker.running() == process.pid and broker.socket.exists())
            found = wrong(stopped)[subject]
            assert text in found.text
            require_runnable(found.remedy)
        finally:
            process.terminate()


def test_a_certificate_for_another_name_is_named(stopped: Path) -> None:
    broker = BrokerFolder.open(stopped)
    broker.authority.issue_server(["hub.lan"], [], now=NOW)
    with subprocess.Popen(
        [find_mosquitto(), "-c", broker.configuration_file], stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: broker.running() == process.pid and broker.socket.exists())
            found = wrong(stopped)["admin"]
        finally:
            process.terminate()
    assert "does not name 127.0.0.1" in found.text
    assert found.remedy.endswith("--name 127.0.0.1")
    done = rollcall("broker", "init", "--folder", str(stopped), "--name", "127.0.0.1")
    assert "issue the broker's certificate for" in done.stdout
