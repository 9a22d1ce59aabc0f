"""One of our programs as a process of its own: started, killed, stopped, and never left running."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class ProgramUnderTest:
    """`python -m MODULE ARGUMENTS`, with nobody's own configuration; a context manager.

    `settings` are environment variables. Standard error and output go to files beside each other.
    """

    def __init__(
        self,
        module: str,
        folder: Path,
        *,
        arguments: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        name = module.rpartition(".")[2]
        self.log = folder / f"{name}.log"
        self.output = folder / f"{name}.out"
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            **{key: str(value) for key, value in (settings or {}).items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.log.exists():  # pytest shows it with a failure
            sys.stderr.write(f"--- {self.log.name}\n{self.log.read_text('utf-8')[-3000:]}\n")
        if self.is_running():
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start it, and do not wait for anything."""
        with self.log.open("ab") as log, self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL, and the corpse is collected."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; give the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; give the exit code."""
        assert self._process is not None
        return self._process.wait(15)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None
