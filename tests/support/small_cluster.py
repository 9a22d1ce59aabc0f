"""A small cluster for the command line: one real agent, two nodes of messages, real services.

`pi-1` is a simulated host with a real agent; `nas-1` has a full disk, `pi-7` was lost. Beside it
lies a database whose recorder has stopped: what is recorded there is always the same.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rollcall.broker.messages import Applied, Fleet, Offline, Online, Report, encode
from rollcall.broker.topics import Kind
from rollcall.recorder.store import Store
from tests.support.cluster import ClusterUnderTest, cluster_under_test
from tests.support.mqtt import BrokerUnderTest
from tests.support.nodes import EPOCH, TOPICS, announce
from tests.support.program import ProgramUnderTest
from tests.support.recorded_story import recorded
from tests.support.waiting import wait_until

FLEET: Final = """\
[groups]
all = ["*"]

[templates.base]
groups = ["all"]
rules = ["disk_full", "busy"]
collectors.cpu = { interval = "2s" }

[rules.disk_full]
kind = "threshold"
metric = "disk.used_percent"
for = "0s"
group_wait = "1s"
group_interval = "0s"
severity = "critical"

[rules.busy]
kind = "threshold"
metric = "cpu.percent"
op = ">"
threshold = 99
for = "1h"
severity = "info"
"""
BUSY: Final = """\
fleet = "fleet.toml"

[[test]]
name = "a short spell is nobody's business"
node = "web-1"
series = [ { metric = "cpu.percent", values = "1 100x20 1x9" } ]
mails = []
"""
STORY: Final = ("--since", "2025-12-31T20:00Z", "--until", "2026-01-01T03:05Z")


class SmallCluster:
    """What a user has in front of them: `run` gives what a command writes and its exit code."""

    def __init__(self, folder: Path, cluster: ClusterUnderTest, agent: ProgramUnderTest) -> None:
        self.folder = folder
        self.agent = agent
        self.cluster = cluster
        self.story = f"sqlite:///{folder / 'story.db'}"
        self.environment = {
            **os.environ,
            "TZ": "UTC",
            "PYTHONUTF8": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "COLUMNS": "100",
        }
        file = folder / "config/rollcall/rollcall.toml"
        file.parent.mkdir(parents=True)
        file.write_text(cluster.file.read_text("utf-8"), "utf-8")
        (folder / "fleet.toml").write_text(FLEET, "utf-8")
        (folder / "busy.toml").write_text(BUSY, "utf-8")
        with Store(self.story) as store:
            recorded(store)

    def run(
        self, *words: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `rollcall` as a user does who stands in the folder, without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", *words],
            cwd=self.folder,
            env={**self.environment, **(settings or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def incident(self) -> str:
        """The incident of the full disk."""
        return str(self.cluster.status("alert/nas-1/disk_full").get("incident"))

    def ready(self) -> None:
        """Wait until the alert of the full disk fires and the agent is recorded."""
        wait_until(
            lambda: self.cluster.status("alert/nas-1/disk_full").get("state") == "firing",
            30, what="the alert of the full disk",
        )  # fmt: skip
        self.cluster.wait_for("SELECT 1 FROM latest WHERE node = 'pi-1' AND metric = 'cpu.percent'")

    def without_what_varies(self, text: str) -> str:
        """Put words in the place of folders, ports, times, ages, and of what a real host says."""
        for found, word in (
            (str(self.folder), "FOLDER"),
            (str(self.cluster.broker.port), "PORT"),
            (self.incident(), "INCIDENT"),
        ):
            text = text.replace(found, word)
        for pattern, word in _VARYING:
            text = re.sub(pattern, word, text)
        return "\n".join(_squeezed(line) for line in text.splitlines()).strip("\n")


_VARYING: Final = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "TIME"),
    (r"\b(?!STATE|SINCE)S[A-Z\d]{4}\b", "SILENCE"),
    (r"(?<=certificate for hub.example, ).*", "NAMES OF THIS MACHINE"),
    (r"(?<=before-restore-)\d+", "MOMENT"),
    (r"rollcall-test-\w+", "MESSAGE"),
    (r"/login/\S+", "/login/TOKEN"),
    (r"\(process \d+\)", "(process N)"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\b\d+h \d\dm\b", "AGE"),
    (r"(?<=[ (])\d+[smhd](?= |\)|$)", "AGE"),
    (r"\b\d+(\.\d+)? ms\b", "N ms"),
    (r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "UUID"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
)


def _squeezed(line: str) -> str:
    """Take out what comes of the width of other lines, and the numbers of the real host."""
    if re.search(r"\bpi-1\b", line):
        line = re.sub(r"\d+(\.\d+)?", "#", line.replace("pi-1", "pi-\N{ONE DOT LEADER}"))
        line = line.replace("\N{ONE DOT LEADER}", "1")
    return re.sub(r"(?<=\S) {2,}", "  ", line).rstrip()


def _put_into_force(broker: BrokerUnderTest) -> None:
    """Put a first fleet document into force, whose one rule fires at once."""
    rule = {
        "kind": "threshold", "metric": "disk.used_percent", "for": "0s", "group_wait": "1s",
        "group_interval": "0s", "severity": "critical",
    }  # fmt: skip
    document = {
        "groups": {"all": ["*"]},
        "templates": {"base": {"groups": ["all"], "rules": ["disk_full"]}},
        "rules": {"disk_full": rule},
    }
    message = Fleet.model_validate({"revision": 1, "digest": "sha256:1", "document": document})
    broker.publish(TOPICS.topic(Kind.FLEET), encode(message), retain=True)
    applied = encode(Applied(revision=1, digest="sha256:1"))
    for name in ("nas-1", "pi-7"):
        broker.publish(TOPICS.topic(Kind.APPLIED, name), applied, retain=True)


def publish_disk(broker: BrokerUnderTest, used_percent: float) -> None:
    """Say how full the disk of `nas-1` is."""
    disk = {
        "epoch": EPOCH, "seq": int(100 * used_percent), "time": time.time(), "interval": 3600,
        "instances": {"/": {"used_percent": used_percent, "free_bytes": 1_000_000_000}},
    }  # fmt: skip
    report = Report.model_validate(disk)
    broker.publish(TOPICS.topic(Kind.METRICS, "nas-1", "disk"), encode(report), retain=True)


def _publish_others(broker: BrokerUnderTest) -> None:
    for name in ("nas-1", "pi-7"):
        announce(broker, name, time=1_767_225_600)
        # It says that it speaks once an hour, so that its silence is none while the tests run.
        birth = Online(since=time.time(), session=1, epoch=EPOCH, interval=3600, seq=1)
        broker.publish(TOPICS.topic(Kind.STATUS, name), encode(birth), retain=True)
    publish_disk(broker, 97.1)
    lost = Offline(reason="lost", session=1, epoch=EPOCH)
    broker.publish(TOPICS.topic(Kind.STATUS, "pi-7"), encode(lost), retain=True)


@contextmanager
def small_cluster() -> Iterator[SmallCluster]:
    """Give a running cluster; nothing of it is left afterwards."""
    with ExitStack() as opened:
        # A folder that the account `mosquitto` may enter, as those of pytest are not.
        made = opened.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-test-"))
        folder = Path(made)
        folder.chmod(0o755)
        broker = opened.enter_context(BrokerUnderTest(folder / "broker"))
        mail = {"folder": str(folder / "mail")}
        cluster = opened.enter_context(cluster_under_test(folder, broker, mail))
        _put_into_force(broker)
        cluster.start("recorder", "alerts")
        wait_until(lambda: cluster.status("service/alerts/status"), what="the alert service")
        _publish_others(broker)
        arguments = ["--config", str(cluster.file), "--simulate", "1"]
        agent = ProgramUnderTest("rollcall.node_agent", folder, arguments=arguments)
        found = SmallCluster(folder, cluster, opened.enter_context(agent))
        found.ready()
        yield found
