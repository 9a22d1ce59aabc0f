"""Every command as a user runs it, against a small cluster: what it writes, and its exit code.

`tests/golden/console/` holds whole sessions, what varies replaced by words. With
ROLLCALL_WRITE_GOLDEN set they are written anew; read the difference.
"""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from rollcall.console.__main__ import main
from tests.support.command_lines import Shown, shown_everywhere
from tests.support.small_cluster import STORY, SmallCluster, small_cluster
from tests.support.waiting import wait_until

GOLDEN: Final = Path(__file__).parents[1] / "golden/console"
_STORY: Final = " ".join(STORY)
_HUB: Final = "--folder hub"
NO_BROKER: Final = {"ROLLCALL_BROKER__PORT": "1"}
NO_DATABASE: Final = {"ROLLCALL_RECORDER__DATABASE": "sqlite:////nowhere/rollcall.db"}

SESSIONS: Final = {
    "look": [
        "status",
        "status nas-1",
        "show nas-1",
        "status pi-9",
    ],
    "past": [
        f"history {_STORY}",
        f"history pi-4 {_STORY}",
        "history --last-night --since 2h",
    ],
    "alerts": [
        "alerts list",
        "alerts ack {incident} -m 'on it'",
        "alerts silence nas-1 --rule disk_full --for 1h -m moving",
        "alerts silence --list",
        "alerts silence",
        "alerts check busy.toml",
        "alerts ack ZZZZZZ",
    ],
    "fleet": [
        "fleet check fleet.toml",
        "fleet diff fleet.toml",
        "fleet apply fleet.toml",
        "fleet apply fleet.toml --yes --timeout 3",
        "fleet show",
        "fleet rollback --yes --timeout 3",
    ],
    "command": [
        "command pi-1 ping",
        "command pi-1 boost disk 1s 5m",
        "command pi-7 ping",
        "command pi-9 ping",
    ],
    "broker": [
        f"broker init {_HUB} --profile password --name hub.example --port 18899 --dry-run",
        f"broker init {_HUB} --profile password --name hub.example --port 18899",
        f"broker init {_HUB} --profile password",
        f"node list {_HUB}",
        "broker check --folder nowhere",
        "node join nowhere.bundle --folder node",
    ],
    "data": [
        "export out.csv",
        "export out.csv",
        "export out.xlsx",
        "backup rollcall.backup",
        "restore rollcall.backup --dry-run",
        "restore rollcall.backup",
        "restore rollcall.backup --yes",
        "db upgrade --dry-run",
    ],
    "configuration": [
        "config check",
        "config explain recorder.keep.raw",
        "config explain recorder.kep",
        "config check --config nowhere.toml",
    ],
    "services": [
        "service install agent --root elsewhere --program /usr/bin/rollcall",
        "service status --root elsewhere",
        "service uninstall --root elsewhere",
        "run agent",
        "dashboard link",
        "dashboard password",
        "lcd png glass.png --page overview",
    ],
}
# What is recorded while the others run would vary; these ask the story.
OF_THE_STORY: Final = frozenset({"past", "data"})


@pytest.fixture(scope="module")
def cluster() -> Iterator[SmallCluster]:
    with small_cluster() as running:
        yield running


def transcript(cluster: SmallCluster, name: str) -> str:
    """Play a session; give what the user would see."""
    settings = {"ROLLCALL_RECORDER__DATABASE": cluster.story} if name in OF_THE_STORY else {}
    incident = cluster.incident()
    seen = []
    for line in SESSIONS[name]:
        done = cluster.run(*shlex.split(line.format(incident=incident)), settings=settings)
        told = [cluster.without_what_varies(done.stdout)] if done.stdout else []
        hints = cluster.without_what_varies(done.stderr).splitlines()
        told += [f"! {each}".rstrip() for each in hints]
        seen += [f"$ rollcall {line}", *told, f"# exit {done.returncode}", ""]
    return "\n".join(seen)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_is_the_golden_one(cluster: SmallCluster, name: str) -> None:
    seen = transcript(cluster, name)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("ROLLCALL_WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(seen, "utf-8")
    assert seen == golden.read_text("utf-8")


def test_no_golden_session_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(SESSIONS)


@pytest.mark.parametrize(
    ("line", "settings", "code", "said"),
    [
        pytest.param("config show", {}, 0, "", id="fine"),
        pytest.param("alerts test", {}, 0, "", id="a mail that is accepted"),
        pytest.param("prune --dry-run", {}, 0, "", id="nothing is changed"),
        pytest.param("fleet show --effective pi-1", {}, 0, "", id="what holds on a node"),
        pytest.param("command pi-1 report", {}, 0, "", id="a node that answers"),
        pytest.param("command pi-1 processes memory 2", {}, 0, "", id="its processes"),
        pytest.param("alerts try disk_full --since 1h", {}, 0, "", id="a rule over the past"),
        pytest.param("status pi-9", {}, 1, "no such node: pi-9", id="no such node"),
        pytest.param("show pi-9", {}, 1, "no such node: pi-9", id="likewise for show"),
        pytest.param("lcd probe", {}, 1, "I2C", id="no display"),
        pytest.param("export nowhere/out.csv", {}, 1, "cannot be written", id="no folder"),
        pytest.param("stauts", {}, 2, "No such command", id="no such command"),
        pytest.param("status --al", {}, 2, "No such option", id="no such option"),
        pytest.param("show", {}, 2, "Missing argument", id="an argument missing"),
        pytest.param("up --demo many", {}, 2, "not a valid integer", id="an argument of no sense"),
        pytest.param("export all.csv --since soon", {}, 2, "24h ago", id="a time of no sense"),
        pytest.param("status --color blue", {}, 2, "never", id="a colour of no sense"),
        pytest.param("fleet apply fleet.toml", {}, 2, "--yes", id="no terminal to ask"),
        pytest.param("status pi-1", {}, 0, "", id="a node that is well"),
        pytest.param("status", {}, 4, "", id="a critical node"),
        pytest.param("status", NO_BROKER, 5, "out of reach", id="no broker"),
        pytest.param("show pi-1", NO_BROKER, 5, "out of reach", id="no broker to show from"),
        pytest.param("command pi-1 ping", NO_BROKER, 5, "out of reach", id="no broker to ask"),
        pytest.param("alerts list", NO_BROKER, 5, "out of reach", id="no way to the alerts"),
        pytest.param("fleet diff fleet.toml", NO_BROKER, 5, "reach", id="no fleet in force"),
        pytest.param("prune --dry-run", NO_BROKER, 5, "out of reach", id="no way to the recorder"),
        pytest.param("lcd png glass.png", NO_BROKER, 5, "out of reach", id="nothing to draw"),
        pytest.param("history", NO_DATABASE, 5, "cannot be asked", id="no database"),
        pytest.param("export all.csv", NO_DATABASE, 5, "cannot be asked", id="none to export"),
        pytest.param("backup all.backup", NO_DATABASE, 5, "unable to open", id="none to back up"),
        pytest.param("status --config /dev/null/x", {}, 78, "Not a directory", id="no such file"),
        pytest.param("status --config fleet.toml", {}, 78, "unknown key", id="a wrong file"),
        pytest.param("status --config broken.toml", {}, 78, "is not TOML", id="a broken file"),
        pytest.param("fleet check broken.toml", {}, 78, "broken.toml", id="a broken document"),
        pytest.param("config check", {"ROLLCALL_BROKER__PORT": "x"}, 78, "integer", id="no port"),
    ],
)
def test_exit_codes_and_words_of_what_goes_wrong(
    cluster: SmallCluster,
    line: str,
    settings: Mapping[str, str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The sessions above start a process for each command; here it is the entry point itself.
    (cluster.folder / "broken.toml").write_text("[broker\n", "utf-8")
    monkeypatch.chdir(cluster.folder)
    monkeypatch.setattr(sys, "argv", ["rollcall", *shlex.split(line)])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name, value in {**cluster.environment, **settings}.items():
        monkeypatch.setenv(name, value)
    found = main()
    told = capsys.readouterr()
    words = told.err or told.out
    assert (found, said in words, "Traceback" in words) == (code, True, False), words
    if code in {1, 5} or (code == 78 and told.err):
        # Every error says what, why, and one thing to try.
        assert told.err.startswith("error: ")
        assert "\ntry: " in told.err


def test_a_file_that_may_not_be_read_is_said(cluster: SmallCluster) -> None:
    program = (
        "import os, sys\n"
        "from rollcall.console.__main__ import main\n"
        "import rollcall.console.app\n"
        "os.geteuid() or os.setuid(65534)\n"
        "sys.argv[1:] = ['status', '--config', 'secret.toml']\n"
        "sys.exit(main())\n"
    )
    secret = cluster.folder / "secret.toml"
    secret.write_text("", "utf-8")
    secret.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cluster.folder, env=cluster.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Permission denied" in done.stderr) == (78, True)


def test_top_in_a_pipe_tells_lines_until_it_is_interrupted(cluster: SmallCluster) -> None:
    for words, expected in (([], "nas-1"), (["--json"], '"source"')):
        output = cluster.folder / "top.out"
        with output.open("wb") as opened:
            top = subprocess.Popen(
                [sys.executable, "-m", "rollcall.console", "top", *words],
                cwd=cluster.folder, env={**cluster.environment, "PYTHONUNBUFFERED": "1"},
                stdout=opened, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            wait_until(lambda: expected in output.read_text("utf-8"), 20, what=expected)  # noqa: B023 - within
            top.send_signal(signal.SIGINT)
            assert top.wait(20) == 130


SAFE: Final = re.compile(
    r"(status|show|history|command|export|backup|config (show|check|explain)|dashboard link"
    r"|fleet (check|diff|show)|alerts (list|check|try|test)|service status)\b"
    r"|(restore|prune|db upgrade|service install|node remove|broker init)\b.* --dry-run\b"
    r"|(man|completion)\b"
)
DOCUMENTED: Final = [
    each for each in shown_everywhere() if not each.inline and SAFE.match(" ".join(each.words))
]


def in_the_small_cluster(shown: Shown) -> list[str]:
    """Give the words with the names of what is there in the place of those of the document."""
    names = {"demo-3": "pi-1", "pi-3": "pi-1", "/media/usb/rollcall.backup": "rollcall.backup"}
    words = [names.get(word, word) for word in shown.words]
    if "--config" in words:
        at = words.index("--config")
        words[at : at + 2] = []
    return [*words, *(["--yes"] if words[0] in {"export", "backup"} else [])]


def test_the_documents_show_enough_to_run() -> None:
    assert len(DOCUMENTED) > 20


@pytest.mark.parametrize("shown", DOCUMENTED, ids=str)
def test_what_the_documents_show_runs(
    cluster: SmallCluster,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = in_the_small_cluster(shown)
    if words[0] == "restore":
        cluster.run("backup", "rollcall.backup", "--yes")
    monkeypatch.chdir(cluster.folder)
    monkeypatch.setattr(sys, "argv", ["rollcall", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    code = main()
    told = capsys.readouterr()
    # 1 is for what is not on this machine, such as a broker of its own.
    assert code in {0, 1, 3, 4}, told.err
    assert "Traceback" not in told.err
    assert told.out or "\ntry: " in told.err
