"""A host made of texts, changed between two readings."""

from collections.abc import Sequence
from pathlib import Path

from rollcall.node_agent.host import LinuxHost


class HostOfFiles(LinuxHost):
    """A host below a folder, with clocks moved by hand. What is `refused` fails when it is read.

    Programs are what `answers` says by their names.
    """

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        super().__init__(folder)
        self.folder = folder
        self.at_s = 1000.0
        self.refused: set[str] = set()
        self.answers: dict[str, str] = {}
        self.write(files)

    @property
    def ticks_per_second(self) -> int:
        return 100

    @property
    def page_bytes(self) -> int:
        return 4096

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            at = self.folder / path.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text, "utf-8", "surrogateescape")

    def remove(self, path: str) -> None:
        (self.folder / path.lstrip("/")).unlink()

    def read(self, path: str) -> str:
        if path in self.refused:
            raise OSError(5, "Input/output error", path)
        return super().read(path)

    def boottime_s(self) -> float:
        return self.at_s

    def ask(self, command: Sequence[str], timeout_s: float) -> str:  # noqa: ARG002 - see Host
        answer = self.answers.get(command[0])
        if answer is None:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        return answer

    def later(self, seconds: float, files: dict[str, str] | None = None) -> "HostOfFiles":
        self.at_s += seconds
        self.write(files or {})
        return self
