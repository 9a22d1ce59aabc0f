"""Programs as collectors: real ones, the well-behaved and all the others."""

import time
from pathlib import Path

import pytest

from rollcall.node_agent.collectors.declaration import Found
from rollcall.node_agent.collectors.exec import Exec, parse
from rollcall.node_agent.host import LinuxHost
from rollcall.node_agent.options import BlockingOptions
from tests.support.waiting import wait_until


def run(script: str, timeout_s: float = 5.0, shell: str = "sh") -> Found:
    options = BlockingOptions(interval=10, timeout=timeout_s)
    return Exec("mine", [shell, "-c", script], options).collect(LinuxHost())


def is_alive(pid: int) -> bool:
    """Say whether a process runs; what has ended and nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_lines_of_name_and_value_are_fields() -> None:
    assert run("echo users 3; echo; echo load1 0.25; echo size_bytes 1e3").fields == {
        "users": 3,
        "load1": 0.25,
        "size_bytes": 1000.0,
    }


def test_json_has_fields_and_instances() -> None:
    found = parse('{"fields": {"jobs": 2}, "instances": {"a b": {"age_seconds": 1.5}}}')
    assert found == Found({"jobs": 2}, {"a b": {"age_seconds": 1.5}})


@pytest.mark.parametrize(
    ("text", "fields", "dropped"),
    [
        pytest.param("a 1\nnonsense\nb two\nc nan\nd inf\ne 1_0\n", {"a": 1}, 5, id="lines"),
        pytest.param("a 1 # no comments\nb 2", {"b": 2}, 1, id="more on a line"),
        pytest.param('{"fields": {"a": 1, "b": "x", "c": null, "d": []}}', {"a": 1}, 3, id="JSON"),
        pytest.param('{"fields": {"a": 1}, "instances": 7}', {"a": 1}, 1, id="no instances"),
        pytest.param('{"fields": {"a": 1}, "instances": {"x": 7}}', {"a": 1}, 1, id="no numbers"),
        pytest.param("a 99999999999999999999", {"a": 1e20}, 0, id="beyond any integer"),
    ],
)
def test_what_cannot_be_used_is_dropped_and_counted(
    text: str, fields: dict[str, float], dropped: int
) -> None:
    found = parse(text)
    assert (found.fields, found.dropped_values, found.error) == (fields, dropped, None)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param("true", "failed: the program printed nothing", id="nothing"),
        pytest.param("echo hello world", "failed: the program printed nothing to be used", id="no"),
        pytest.param(
            r"printf '\377\376\001 \002\n\200%.0s' 1 2 3", "failed: the program printed", id="noise"
        ),
        pytest.param("printf '{\"fields\":'", "failed: the program printed no JSON", id="half"),
        pytest.param(
            "printf '{%070000d'", "failed: the program printed over 65536 bytes", id="70k"
        ),
        pytest.param("yes '[' | tr -d '\\n' | head -c 60000", "failed: the program", id="deep"),
        pytest.param("echo no disk >&2; echo a 1; exit 3", "failed: no disk", id="exit code"),
        pytest.param("exit 3", "failed: exit code 3", id="exit code without a word"),
        pytest.param("kill -9 $$", "failed: signal 9", id="killed by itself"),
        pytest.param("yes a 1", "failed: the program printed over 65536 bytes", id="endless"),
        pytest.param("yes no >&2 & yes no >&2", "timeout: ", id="endless complaints"),
        pytest.param("exec >&- 2>&-; sleep 60", "timeout: ", id="closes its pipes and hangs"),
        pytest.param("trap '' TERM; while :; do sleep 1; done", "timeout: ", id="ignores TERM"),
    ],
)
def test_a_program_that_misbehaves_is_an_error_soon(script: str, error: str) -> None:
    began_s = time.monotonic()
    found = run(script, timeout_s=0.3)
    assert found.error is not None
    assert found.error.startswith(error)
    assert found.fields is None
    assert time.monotonic() - began_s < 2.5


def test_deep_json_is_an_error() -> None:
    found = parse('{"fields":' + "[" * 60_000)
    assert found.error is not None
    assert found.error.startswith("failed: the program printed no JSON")


def test_control_characters_neither_break_the_report_nor_the_error() -> None:
    found = run("printf 'a\\033[2J 1\\nb 2\\n'")
    assert found.fields == {"a\x1b[2J": 1, "b": 2}
    assert run("printf 'bad \\033[2J\\n' >&2; exit 1").error == "failed: bad \x1b[2J"


def test_a_program_that_forks_and_hangs_holds_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began_s = time.monotonic()
    found = run(f"sleep 60 & echo $! > {pids}; echo a 1", timeout_s=5)
    assert found.fields == {"a": 1}
    assert time.monotonic() - began_s < 1
    left = int(pids.read_text())
    wait_until(lambda: not is_alive(left), 2.0)


@pytest.mark.long
def test_at_the_end_of_its_time_the_whole_group_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; (trap '' TERM; sleep 60) & echo $! > {pids}; sleep 60"
    assert run(script, timeout_s=0.3).error == "timeout: the program did not end within 0.3 s"
    left = int(pids.read_text())
    wait_until(lambda: not is_alive(left), 2.0)


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for script in ("echo a 1", "exit 1", "sleep 60"):
        run(script, timeout_s=0.1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_it_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_BROKER__PASSWORD_FILE", "/secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    assert run("echo set $(env | grep -c -e ROLLCALL -e CREDENTIALS)").fields == {"set": 0}


def test_there_is_no_shell_and_no_input() -> None:
    options = BlockingOptions(interval=10)
    found = Exec("mine", ["echo", "a", "1; touch /tmp/x"], options).collect(LinuxHost())
    assert found.error == "failed: the program printed nothing to be used"
    assert run("read line && echo a 1 || echo b 2").fields == {"b": 2}


def test_a_program_that_is_not_there_is_an_error_of_the_reading() -> None:
    with pytest.raises(FileNotFoundError):
        Exec("mine", ["/nowhere/at/all"], BlockingOptions(interval=10)).collect(LinuxHost())
