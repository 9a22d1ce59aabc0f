"""A host made of texts, changed between two readings."""

from pathlib import Path

from rollcall.node_agent.host import LinuxHost


class HostOfFiles(LinuxHost):
    """A host below a folder, with clocks moved by hand. What is `refused` fails when it is read."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        super().__init__(folder)
        self.folder = folder
        self.at_s = 1000.0
        self.refused: set[str] = set()
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

    def later(self, seconds: float, files: dict[str, str] | None = None) -> "HostOfFiles":
        self.at_s += seconds
        self.write(files or {})
        return self
