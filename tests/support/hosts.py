"""Recorded hosts: files from a folder, and beside them what is no file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rollcall.node_agent.host import FileSystem, LinuxHost

HOSTS: Final = Path(__file__).parent.parent / "fixtures" / "hosts"


class RecordedHost(LinuxHost):
    """A host at one recorded moment, `t0` or `t1`."""

    def __init__(self, name: str, moment: str, hosts: Path = HOSTS) -> None:
        super().__init__(hosts / name / moment)
        told = (hosts / name / moment / "host.json").read_text("utf-8")
        self._told: dict[str, Any] = json.loads(told)

    @property
    def architecture(self) -> str:
        return str(self._told["architecture"])

    @property
    def page_bytes(self) -> int:
        return int(self._told["page_bytes"])

    @property
    def ticks_per_second(self) -> int:
        return int(self._told["ticks_per_second"])

    def link(self, path: str) -> str:
        try:
            return str(self._told["links"][path])
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def file_system(self, mount_point: str) -> FileSystem:
        try:
            return FileSystem(**self._told["file_systems"][mount_point])
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", mount_point) from None

    def ask(self, command: Sequence[str], timeout_s: float) -> str:  # noqa: ARG002 - see Host
        raise FileNotFoundError(2, "No such file or directory", command[0])

    def clock_error_s(self) -> float:
        return float(self._told["clock_error_s"])

    def wall_s(self) -> float:
        return float(self._told["wall_s"])

    def boottime_s(self) -> float:
        return float(self._told["boottime_s"])
