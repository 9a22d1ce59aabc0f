"""A whole cluster as its users run it: real programs, one configuration file, a real broker."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from rollcall.lcd_display.charset import NOTATION
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until

MODULES = {
    "agent": "rollcall.node_agent",
    "recorder": "rollcall.recorder",
    "alerts": "rollcall.alerts",
    "lcd": "rollcall.lcd_display",
    "dashboard": "rollcall.dashboard",
}


class ClusterUnderTest:
    """Programs by name, in one folder, on one broker. `mail` is the `[mail]` section."""

    def __init__(
        self, folder: Path, broker: BrokerUnderTest, mail: Mapping[str, Any], opened: ExitStack
    ) -> None:
        self.broker = broker
        self.folder = folder
        self.file = folder / "rollcall.toml"
        self.database = folder / "rollcall.db"
        self._opened = opened
        self._programs: dict[str, ProgramUnderTest] = {}
        sections = {
            "cluster": {"name": "test"},
            "broker": {"port": broker.port},
            "agent": {"node": "pi-1", "interval": 1, "state_dir": str(folder / "agent")},
            "recorder": {"database": f"sqlite:///{self.database}"},
            "alerts": {"state_dir": str(folder / "alerts")},
            "mail": dict(mail),
            "lcd": {"pages": ["overview"]},
        }
        self.file.write_text(tomli_w.dumps(sections), "utf-8")

    def start(self, *names: str) -> None:
        for name in names:
            if name not in self._programs:
                arguments = ["--config", str(self.file), *(["--emulate"] if name == "lcd" else [])]
                program = ProgramUnderTest(MODULES[name], self.folder, arguments=arguments)
                self._programs[name] = self._opened.enter_context(program)
            else:
                self._programs[name].launch()

    def kill(self, name: str) -> None:
        """SIGKILL, and the corpse is collected."""
        self._programs[name].kill()

    def stop(self, name: str) -> int:
        """SIGTERM; give the exit code."""
        return self._programs[name].stop()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database as a person would: another process, read-only."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def glass(self) -> list[str]:
        """The rows that the emulated display shows now, in ASCII: `^` up, `x` lost."""
        lines = self._programs["lcd"].output.read_text("utf-8").splitlines()
        rows: list[str] = json.loads(lines[-1])["rows"] if lines else []
        return [row.translate(NOTATION) for row in rows]

    def status(self, topic: str = "node/pi-1/status") -> dict[str, Any]:
        """What `mosquitto_sub` finds retained on a topic below the root."""
        found = self.broker.subscribe_for(f"rollcall/v1/{topic}")
        decoded: dict[str, Any] = json.loads(found[0][1]) if found else {}
        return decoded

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `rollcall` as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "rollcall.console", "--config", str(self.file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )

    def wait_for(self, query: str, timeout_s: float = 15) -> list[tuple[Any, ...]]:
        """Wait until a query has an answer."""
        return wait_until(lambda: self.ask(query), timeout_s, what=query)


@contextmanager
def cluster_under_test(
    folder: Path, broker: BrokerUnderTest, mail: Mapping[str, Any]
) -> Iterator[ClusterUnderTest]:
    """Give a cluster; whatever happens, nothing of it is left running."""
    with ExitStack() as opened:
        yield ClusterUnderTest(folder, broker, mail, opened)
