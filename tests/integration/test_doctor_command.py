"""`rollcall doctor` as a user runs it: a hub that is well, and parts of it killed one by one."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import tomli_w

from rollcall.broker.client.probe import Probe
from rollcall.broker.messages import RECEIPT, SERVICE_STATUS, ServiceOnline
from rollcall.broker.mosquitto import free_port
from rollcall.broker.mosquitto_conf import Profile
from tests.support.doctor import environment, require_runnable
from tests.support.own_broker import OwnBroker
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

GOLDEN = Path(__file__).parents[1] / "golden" / "doctor"
SERVICES = {
    "recorder": ("rollcall.recorder", []),
    "alerts": ("rollcall.alerts", []),
    "lcd": ("rollcall.lcd_display", ["--emulate"]),
}
# What differs from run to run and from machine to machine.
VARIABLE = (
    (re.compile(r"/\S*/rollcall-test-[^/\s]+"), "HUB"),
    (re.compile(r"/\S+/rollcall\.db"), "ROLLCALL.DB"),
    (re.compile(r"stores [\d.]+ reports/s, lag [\d.]+ s|is there, and has .* yet"), "stores"),
    (re.compile(r"mosquitto \d+\.\d+\.\d+ at \S+,"), "mosquitto VERSION at HOST,"),
    (re.compile(r"\d+\.\d MiB, [\d,]+ MiB free, newest sample \d+s old"), "SIZE, FREE, AGE"),
    (re.compile(r"version \d+\.\d+\.\d+"), "version VERSION"),
    (re.compile(r"\d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"number \d+"), "number N"),
    (re.compile(r"agent \d+\.\d+\.\d+ on .*"), "agent VERSION on MODEL"),
    (re.compile(r"[+-]\d+\.\d s"), "N s"),
    (re.compile(r"\d+ collectors report: .*"), "N collectors report: NAMES"),
    (re.compile(r"(through number N)?(, \d+ are under way)"), r"\1"),
)


class Hub:
    """The whole hub on a broker of our own, and one node, each a program with its own identity."""

    def __init__(self, folder: Path, broker: OwnBroker, opened: ExitStack) -> None:
        self.folder = folder
        self.broker = broker
        self.programs: dict[str, ProgramUnderTest] = {}
        for name, (module, arguments) in SERVICES.items():
            file = broker.opened.identity(name).configuration
            program = ProgramUnderTest(
                module, folder, arguments=["--config", str(file), *arguments]
            )
            self.programs[name] = opened.enter_context(program)
        node = broker.endpoint("n1").model_dump(mode="json", exclude_none=True)
        agent = folder / "agent.toml"
        agent.write_text(tomli_w.dumps({"broker": node, "agent": {"node": "n1", "interval": 1}}))
        started = ProgramUnderTest(
            "rollcall.node_agent", folder, arguments=["--simulate", "1", "--config", str(agent)]
        )
        self.programs["agent"] = opened.enter_context(started)

    def run(
        self, *words: str, identity: str = "admin", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line with the configuration of an identity."""
        file = self.broker.opened.identity(identity).configuration
        return run(self.folder, *words, "--config", str(file), **more)

    def wait_for(self, topic: str, said: bytes) -> None:
        """Wait until a topic below the root says something."""
        with Probe(self.broker.operator()) as operator:
            operator.subscribe(f"rollcall/v1/{topic}")
            wait_until(lambda: any(said in one.payload for one in operator.heard()), 15)

    def wait_until_well(self) -> None:
        with Probe(self.broker.operator()) as operator:
            operator.subscribe("rollcall/v1/receipt/n1", "rollcall/v1/service/+/status")
            health: dict[str, Mapping[str, object]] = {}
            receipts: list[int] = []

            def all_is_there() -> bool:
                for heard in operator.heard():
                    if "/receipt/" in heard.topic:
                        receipts.append(RECEIPT.decode(heard.payload).through)
                        continue
                    status = SERVICE_STATUS.decode(heard.payload)
                    if isinstance(status, ServiceOnline):
                        health[heard.topic.split("/")[3]] = status.health
                displayed = health.get("lcd", {}).get("display")
                return len(health) == len(SERVICES) and displayed == "ok" and bool(receipts)

            wait_until(all_is_there, 30, what="services online, and receipts")


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollcall.console", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder, **more),
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with OwnBroker(Profile.TLS) as broker, ExitStack() as opened:
        broker.let_in("n1")
        found = Hub(tmp_path_factory.mktemp("hub"), broker, opened)
        found.wait_until_well()
        yield found


def steady(text: str) -> str:
    """Put words in the place of what varies, and leave this machine's clock out."""
    for variable, word in VARIABLE:
        text = variable.sub(word, text)
    return re.sub(r"^ \S+ +clock .*\n(     .*\n)*", "", text, flags=re.MULTILINE)


def require_golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("ROLLCALL_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(steady(text), "utf-8")
    assert steady(text) == file.read_text("utf-8")


def test_a_hub_that_is_well_is_called_so(hub: Hub) -> None:
    done = hub.run("doctor")
    # Whether this machine's clock is set is not ours to say.
    assert done.returncode in {0, 3}, done.stdout
    assert done.stderr == ""
    require_golden("well", done.stdout)


def test_a_reading_is_followed_all_the_way(hub: Hub) -> None:
    done = hub.run("doctor", "--node", "n1")
    assert done.returncode == 0, done.stdout
    require_golden("node", done.stdout)


def test_json_carries_the_same(hub: Hub) -> None:
    done = hub.run("--json", "doctor")
    told = json.loads(done.stdout)
    assert (told["schema"], told["exit_code"]) == (1, done.returncode)
    broker = next(one for one in told["findings"] if one["subject"] == "broker")
    assert (broker["verdict"], broker["try"]) == ("ok", None)


def test_services_at_work_are_not_thrown_out_by_looking(hub: Hub) -> None:
    """Whoever connects as the recorder ends the recorder's connection; doctor does not.

    A locale without Unicode gets words for marks.
    """
    with Probe(hub.broker.operator()) as operator:
        operator.subscribe("rollcall/v1/service/+/status")
        operator.heard()
        done = hub.run("doctor", identity="recorder", PYTHONIOENCODING="ascii")
        operator.settle()
        lost = [one.topic for one in operator.heard() if b'"offline"' in one.payload]
    assert " ok    broker " in done.stdout
    assert done.stdout.isascii()
    assert not lost


def test_on_a_node_its_agent_is_not_thrown_out_by_looking(hub: Hub, tmp_path: Path) -> None:
    """The node's files lie elsewhere than the hub's, so that there is no operator to be."""
    identity = hub.broker.opened.identity("n1")
    files = {"ca_file": identity.authority, "certificate_file": identity.certificate,
             "key_file": identity.key}  # fmt: skip
    section: dict[str, object] = {"host": "localhost", "port": hub.broker.port}
    for key, path in files.items():
        section[key] = str(tmp_path / path.name)
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o600)
    file = tmp_path / "rollcall.toml"
    file.write_text(tomli_w.dumps({"broker": section, "agent": {"node": "n1"}}))
    with Probe(hub.broker.operator()) as operator:
        operator.subscribe("rollcall/v1/node/n1/status")
        operator.heard()
        done = run(tmp_path, "doctor", "--config", str(file))
        operator.settle()
        lost = [one for one in operator.heard() if b'"offline"' in one.payload]
    assert "it was asked nothing in the name of n1" in done.stdout
    assert "try: ssh localhost rollcall doctor" in done.stdout
    assert not lost


def test_who_may_not_read_answers_does_not_call_nodes_adrift(hub: Hub, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text('[groups]\nall = ["*"]\n[templates.base]\ngroups = ["all"]\n')
    applied = hub.run("fleet", "apply", str(fleet), "--yes")
    assert applied.returncode == 0, applied.stderr
    for identity, verdict in (("admin", "ok"), ("lcd", "ok")):
        done = hub.run("status", "--json", identity=identity)
        (node,) = json.loads(done.stdout)["nodes"]
        assert (node["verdict"], node["fleet"]["drift"]) == (verdict, None), identity
    assert "cannot be known" in hub.run("status", identity="lcd").stdout
    assert "cannot be known" not in hub.run("status").stdout
    hub.wait_until_well()  # the display was thrown out by its own identity


def test_a_report_has_no_secrets_and_is_for_its_owner_alone(hub: Hub, tmp_path: Path) -> None:
    secrets = {
        "password": "hunter2-of-the-broker",
        "mail": "hunter2-of-the-mail-server",
        "hook": "hunter2-of-the-hook",
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    endpoint = hub.broker.endpoint("admin").model_dump(mode="json", exclude_none=True)
    settings = {
        "broker": endpoint | {"username": "admin", "password_file": str(tmp_path / "password")},
        "recorder": {"database": "postgresql://me:hunter2-of-pg@127.0.0.1:1/r?password=hunter2-q"},
        "mail": {
            "host": "hunter2-of-the-mail-server.lan",
            "password_file": str(tmp_path / "mail"),
            "from": "secret.sender@example.org",
            "to": ["anna@example.org"],
            "receivers": {
                "ops": {
                    "webhook": "https://hooks.example.org/T1/hunter2-in-hook",
                    "webhook_secret_file": str(tmp_path / "hook"),
                }
            },
        },
        "agent": {"exec": {"x": {"command": ["/bin/x", "--token", "hunter2-argument"]}}},
    }
    file, report = tmp_path / "rollcall.toml", tmp_path / "report.txt"
    file.write_text(tomli_w.dumps(settings))
    (tmp_path / "report.json").touch()
    for written in (report, tmp_path / "report.json"):
        words = ["doctor", "--report", str(written), "--config", str(file), "--yes"]
        done = run(hub.folder, *words)
        assert (done.returncode, done.stdout) == (5, "")
        assert "Read it before you send it" in done.stderr
        text = written.read_text("utf-8")
        key = hub.broker.opened.identity("admin").key.read_text().splitlines()[1]
        for secret in ("hunter2", "anna@", "secret.sender", "example.org/T1", key):
            assert secret not in text, secret
        assert "broker.prefix" in text
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert json.loads((tmp_path / "report.json").read_text())["nodes"]["n1"]["state"] == "online"
    report.write_text("mine\n")
    refused = run(hub.folder, "doctor", "--report", str(report), "--config", str(file))
    assert (refused.returncode, report.read_text()) == (2, "mine\n")
    assert "try: --yes" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param(["--node", "Not A Node"], 2, "cannot be the name of a node", id="no name"),
        pytest.param(["--node", "n1", "--report", "x"], 2, "do not go together", id="both"),
        pytest.param(["--report", "/nowhere/x"], 1, "cannot be written", id="no folder"),
        pytest.param(["--node", "n9"], 4, "n9 was never heard at this broker", id="no such node"),
    ],
)
def test_wrong_use_is_told(hub: Hub, words: list[str], code: int, text: str) -> None:
    done = hub.run("doctor", *words)
    assert (done.returncode, text in done.stderr + done.stdout) == (code, True), done


def test_with_nothing_there_at_all_each_part_is_a_finding(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", ROLLCALL_BROKER__PORT=str(free_port()), HOME=str(tmp_path))
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    for text in ("nobody listens", "there is no", "no file, only defaults"):
        assert text in done.stdout


def test_a_wrong_configuration_ends_with_78(tmp_path: Path) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_text('[broker]\nhots = "hub"\n')
    done = run(tmp_path, "doctor", "--config", str(file))
    assert done.returncode == 78
    assert "try: rollcall config explain broker.host" in done.stdout


# From here on the hub dies part by part, in this order: starting it anew takes longest.


def test_a_killed_agent_is_followed_to_its_end(hub: Hub) -> None:
    hub.programs["agent"].kill()
    hub.wait_for("node/n1/status", b'"lost"')
    done = hub.run("doctor", "--node", "n1")
    assert done.returncode == 4
    assert "then the last will: it vanished; " in done.stdout
    hub.programs["agent"].launch()
    hub.wait_for("node/n1/status", b'"online"')


def test_a_killed_recorder_is_found_and_so_is_where_readings_stop(hub: Hub) -> None:
    hub.programs["recorder"].kill()
    hub.wait_for("service/recorder/status", b'"lost"')
    done = hub.run("doctor")
    assert done.returncode == 4
    assert re.search(r"^ ▲ recorder .*offline: lost$", done.stdout, re.MULTILINE), done.stdout
    (remedy,) = re.findall(r"recorder .*\n     why: .*\n     try: (.*)", done.stdout)
    require_runnable(remedy)
    assert "identities/recorder/rollcall.toml" in remedy
    way = hub.run("doctor", "--node", "n1")
    assert (way.returncode, "it stops at the recorder, which is not there" in way.stdout) == (
        4,
        True,
    )


def test_a_broker_that_is_away_is_a_finding_and_the_rest_is_told(hub: Hub) -> None:
    hub.broker.kill()
    done = hub.run("doctor")
    way = hub.run("doctor", "--node", "n1")
    assert (done.returncode, way.returncode, done.stderr) == (5, 5, "")
    assert re.search(r"broker +nobody listens on", done.stdout), done.stdout
    assert f"try: rollcall broker run --folder {hub.broker.folder}" in done.stdout
    assert "✓ database" in done.stdout
    assert "the way cannot be followed" in way.stdout
