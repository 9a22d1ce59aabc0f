"""`rollcall doctor` finds each planted fault, and proposes a command that exists.

One sick cluster has most of them at once, on a real Mosquitto; what cannot be ill together stands
alone.
"""

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rollcall import __version__
from rollcall.broker.client.probe import Door, Probe
from rollcall.console.doctor import hearing, report
from rollcall.console.doctor.examination import examine
from rollcall.console.doctor.findings import Finding, exit_code
from rollcall.console.options import Options
from tests.support.doctor import (
    EPOCH,
    Stage,
    configured,
    findings,
    found,
    require_runnable,
)
from tests.support.mqtt import BrokerUnderTest

FLEET = {"revision": 7, "digest": "sha256:07", "document": {}}


@pytest.fixture(scope="module", autouse=True)
def _hears_for_a_second() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(hearing, "LISTENS_S", 1.0)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Finding]]:
    """What doctor finds in a cluster in which nearly everything is wrong."""
    folder = tmp_path_factory.mktemp("sick")
    with BrokerUnderTest(folder / "broker") as broker:
        _plant_nodes(Stage(broker.port))
        _plant_services(Stage(broker.port))
        secret = folder / "password"
        secret.write_text("hunter2\n")
        secret.chmod(0o644)
        file = configured(
            folder,
            broker={"port": broker.port, "username": "somebody", "password_file": str(secret)},
            mail={"password_file": str(folder / "nowhere"), "username": "me"},
        )
        _refuse_a_message(folder / "rollcall.db")
        file.chmod(0o666)
        (folder / "proc").mkdir()
        (folder / "proc/cmdline").write_text("coherent_pool=1M cgroup_disable=memory quiet\n")
        units = folder / "etc/systemd/system"
        units.mkdir(parents=True)
        (units / "rollcall-recorder.service").touch()
        with _late_reports(broker.port, "pi-behind"):
            yield findings(file)


def _plant_nodes(stage: Stage) -> None:
    stage.say("control/fleet", FLEET)
    for name, agent in (("pi-old", "0.0.1"), ("pi-new", "99.1.0")):
        stage.node(name, agent=agent)
    stage.node("pi-lost", agent=__version__)
    stage.offline("pi-lost", "lost")
    stage.node("pi-stale", agent=__version__, ago_s=300)
    stage.node("pi-ahead", agent=__version__, ago_s=-41)
    stage.node("pi-behind", agent=__version__, ago_s=100)
    stage.node("pi-timeless", agent=__version__, clock="unsynchronized")
    stage.node("pi-drift", agent=__version__)
    stage.say("node/pi-drift/applied", {"revision": 6, "digest": "sha256:06"})
    stage.node("pi-refuses", agent=__version__)
    problems = ["collectors.cpu.interval: 0 s is too short"]
    applied = {"revision": 7, "digest": "sha256:07", "problems": problems}
    stage.say("node/pi-refuses/applied", applied)
    stage.node("pi-denied", agent=__version__)
    stage.report("pi-denied", "process", 3, error="denied: /proc is mounted with hidepid")
    stage.node("pi-waits", agent=__version__)
    stage.report("pi-waits", "agent", 3, fields={"spool_oldest_seconds": 7200})
    stage.report("ghost", "cpu", 1, fields={"percent": 1})
    stage.say("node/pi-old/oddity", b"whatever")
    stage.play()


def _plant_services(stage: Stage) -> None:
    stage.service("recorder", version=__version__, database="read_only")
    stage.lost("recorder-2")
    stage.service("recorder-3", version=__version__, database="full", free_bytes=1_000_000)
    stage.service(
        "recorder-4", version=__version__, last_commit=time.time() - 4000, lag_seconds=90, queue=7
    )
    problem = "smtp.lan: the password is refused"
    stage.service(
        "alerts", version=__version__, mail="paused", queued=3, oldest_s=700, problems=[problem]
    )
    stage.service("alerts-2", version=__version__, blind=True, mail="waiting", queued=1, dead=2)
    stage.service("lcd", version=__version__, display="lost", error="0x27 does not answer")
    stage.lost("lcd-desk")
    stage.service("dashboard", version="0.0.1")
    stage.play()


def _refuse_a_message(database: Path) -> None:
    row = ("rollcall/v1/node/pi-ahead/metrics/cpu", "clock_ahead", "0", time.time_ns() // 1_000_000)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO rejection (topic, reason, sha256, ts, error, times, payload) "
            "VALUES (?, ?, ?, ?, 'the time is 300 s ahead', 12, '')",
            row,
        )


@contextmanager
def _late_reports(port: int, node: str) -> Iterator[None]:
    """Publish live reports of a node whose clock is 100 s behind."""
    stop = threading.Event()

    def run() -> None:
        with Probe(Door(port=port)) as probe:
            seq = 100
            while not stop.wait(0.1):
                seq += 1
                report = {"epoch": EPOCH, "seq": seq, "time": time.time() - 100, "interval": 10}
                payload = json.dumps(report | {"fields": {"percent": 1}}).encode()
                probe.publish(f"rollcall/v1/node/{node}/metrics/cpu", payload)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


FAULTS = [
    pytest.param("listener", "only 127.0.0.1 listens", "rollcall broker init", id="loopback only"),
    pytest.param("permissions", "can be read by everybody", "chmod o-rwx", id="open password"),
    pytest.param("permissions", "can be changed by others", "chmod go-w", id="open configuration"),
    pytest.param("configuration", "cannot be read: No such file", "rollcall config check",
                 id="missing password file"),
    pytest.param("mail", "no SMTP server is set", "rollcall config explain mail.host",
                 id="no mail server"),
    pytest.param("mail", "until its configuration is mended", "rollcall alerts test",
                 id="mail paused"),
    pytest.param("mail", "puts us off", "rollcall alerts test", id="mail waiting"),
    pytest.param("mail", "2 mails were given up", "rollcall alerts list", id="mails given up"),
    pytest.param("alerts-2", "is blind", "rollcall broker check", id="alerts blind"),
    pytest.param("recorder", "cannot write its database: read_only", "findmnt --target /",
                 id="read-only folder"),
    pytest.param("recorder-2", "offline: lost", "sudo systemctl restart rollcall-recorder",
                 id="recorder lost"),
    pytest.param("recorder-3", "cannot write its database: full", "rollcall prune --dry-run",
                 id="disk full"),
    pytest.param("recorder-3 disk", "1 MiB are free", "rollcall prune --dry-run", id="no room"),
    pytest.param("recorder-4", "not recorded since", "sudo systemctl restart rollcall-recorder",
                 id="recorder stalls"),
    pytest.param("recorder-4", "is 1m behind", "rollcall fleet show", id="recorder lags"),
    pytest.param("lcd", "does not answer any more", "rollcall lcd probe", id="display lost"),
    pytest.param("lcd-desk", "offline: lost", "rollcall run lcd", id="display service lost"),
    pytest.param("dashboard", "runs version 0.0.1", "rollcall run dashboard", id="old service"),
    pytest.param("pi-lost", "offline: lost", "rollcall doctor --node pi-lost", id="lost node"),
    pytest.param("pi-stale", "says that it is online", "rollcall doctor --node pi-stale",
                 id="stale node"),
    pytest.param("clock", "pi-ahead is at least 3", "ssh pi-ahead sudo timedatectl set-ntp true",
                 id="clock ahead"),
    pytest.param("clock", "pi-behind is 1m behind", "ssh pi-behind sudo timedatectl set-ntp true",
                 id="clock behind"),
    pytest.param("clock", "pi-timeless says that nothing", "ssh pi-timeless sudo timedatectl",
                 id="clock unsynchronized"),
    pytest.param("agents", "older than", "ssh pi-old pip install --upgrade rollcall-mqtt",
                 id="old agent"),
    pytest.param("agents", "newer than", "pip install --upgrade 'rollcall-mqtt[hub]'",
                 id="new agent"),
    pytest.param("fleet", "pi-drift: fleet revision 6, not 7",
                 "rollcall fleet show --effective pi-drift", id="old revision"),
    pytest.param("fleet", "pi-refuses: fleet revision 7 but for",
                 "rollcall fleet show --effective pi-refuses", id="refused value"),
    pytest.param("fleet", "no answer to revision 7 yet from", "rollcall command pi-",
                 id="no answer"),
    pytest.param("pi-denied", "process fails: denied:", "rollcall show pi-denied",
                 id="denied collector"),
    pytest.param("pi-waits", "have waited there for a receipt for 2h",
                 "rollcall doctor --node pi-waits", id="unreceipted reports"),
    pytest.param("rejected", "12 messages of the last day", "rollcall doctor --node pi-ahead",
                 id="refused message"),
    pytest.param("junk", "ghost never said that it lives", "mosquitto_pub", id="ghost"),
    pytest.param("junk", "node/pi-old/oddity", "mosquitto_pub", id="foreign topic"),
    pytest.param("memory", "keeps no account of memory", "sudo sed", id="no memory limits"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "text", "remedy"), FAULTS)
def test_a_planted_fault_is_found_with_what_to_try(
    sick: list[Finding], subject: str, text: str, remedy: str
) -> None:
    finding = found(sick, subject, text)
    assert finding.remedy.startswith(remedy)
    assert finding.verdict != "ok"


def test_every_remedy_can_be_run_and_the_worst_comes_first(sick: list[Finding]) -> None:
    wrong = [finding for finding in sick if finding.verdict != "ok"]
    assert sick[: len(wrong)] == wrong
    assert wrong[0].verdict == "critical"
    for finding in wrong:
        require_runnable(finding.remedy)
    assert exit_code(sick) == 4


def test_what_services_say_and_logs_hold_comes_into_a_report_without_secrets(
    broker: BrokerUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    up = tmp_path / "rollcall/up"
    (up / "log").mkdir(parents=True)
    (tmp_path / "password").write_text("correct horse battery\n")
    (tmp_path / "password").chmod(0o600)
    mail: dict[str, object] = {
        "host": "smtp.lan",
        "username": "anna",
        "password_file": str(tmp_path / "password"),
    }
    configured(up, broker={"port": broker.port}, mail=mail)
    said = "535 anna@example.org may not in with correct horse battery"
    (up / "log/alerts.log").write_text(f"{said}\nhttp://127.0.0.1:8080/login/Xvc05JidhTsg\n")
    stage = Stage(broker.port)
    stage.service("alerts", version=__version__, mail="paused", problems=[said])
    stage.play()
    report.write(tmp_path / "report", examine(Options(), root=tmp_path), 0.0, as_json=False)
    told = (tmp_path / "report").read_text()
    assert "may not in with ***" in told.partition("== services")[2]
    assert "http://127.0.0.1:8080/login/***" in told.partition("== alerts.log")[2]
    for secret in ("anna", "horse", "Xvc05"):
        assert secret not in told


def test_a_fleet_document_that_nobody_can_follow_is_found(
    broker: BrokerUnderTest, tmp_path: Path
) -> None:
    stage = Stage(broker.port)
    stage.node("pi-1", agent=__version__)
    stage.say("control/fleet", FLEET | {"document": {"rules": {"x": {"kind": "magic"}}}})
    stage.play()
    told = findings(configured(tmp_path, broker={"port": broker.port}))
    require_runnable(found(told, "fleet", "revision 7, published as it is, is invalid").remedy)


def test_a_command_for_junk_removes_it(broker: BrokerUnderTest, tmp_path: Path) -> None:
    stage = Stage(broker.port)
    stage.say("node/pi-1/it's odd", b"x")
    stage.play()
    file = configured(tmp_path, broker={"port": broker.port})
    remedy = found(findings(file), "junk", "it's odd").remedy
    subprocess.run(remedy, shell=True, check=True)  # noqa: S602 - as a user pastes it
    assert not [one for one in findings(file) if one.subject == "junk"]
