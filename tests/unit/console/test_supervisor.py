"""Children: started, started again after a moment, heard, and stopped in order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.console.supervisor import Program, Supervisor
from tests.support.waiting import wait_until

TALKS = "import time; print('hello', flush=True); time.sleep(60)"
SLEEPS = "import time; time.sleep(60)"


def program(name: str, code: str, tmp_path: Path, *, talks: bool = False) -> Program:
    return Program(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", talks=talks)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.long
def test_a_program_that_dies_is_said_aloud_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor([[program("agent", SLEEPS, tmp_path)]], said.append)
    supervisor.start_group(0)
    child = supervisor._groups[0][0]
    assert child.process is not None
    child.process.kill()

    def looked(word: str) -> bool:
        supervisor.look_after()
        return any(word in line for line in said)

    wait_until(lambda: looked("was killed (SIGKILL)"), what="its death being said")
    wait_until(lambda: looked("started again"), what="its new start")
    supervisor.stop()


def test_whole_lines_of_a_talking_program_are_heard(tmp_path: Path) -> None:
    supervisor = Supervisor([[program("lcd", TALKS, tmp_path, talks=True)]], print)
    supervisor.start_group(0)
    assert wait_until(supervisor.lines) == ["hello"]
    supervisor.stop()


def test_after_stop_nothing_is_left_running(tmp_path: Path) -> None:
    groups = [[program(f"p{n}", SLEEPS, tmp_path)] for n in range(2)]
    supervisor = Supervisor(groups, print)
    supervisor.start_group(0)
    supervisor.start_group(1)
    pids = [group[0].process.pid for group in supervisor._groups if group[0].process]
    supervisor.stop()
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


@pytest.mark.long
def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from rollcall.console.supervisor import Program, Supervisor\n"
        "log = pathlib.Path(sys.argv[1]) / 'log'\n"
        f"program = Program('x', [sys.executable, '-c', {SLEEPS!r}], log)\n"
        "supervisor = Supervisor([[program]], print)\n"
        "supervisor.start_group(0)\n"
        "print(supervisor._groups[0][0].process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not alive(pid), what="the child's death")
