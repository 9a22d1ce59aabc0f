"""Metrics that other programs leave in files: a folder of `*.prom`, as for Prometheus.

The text format, without histograms and summaries; see the Prometheus documentation, "Exposition
formats". The labels of a sample become its instance, `device=sda,type=raw`. How old a file is, is
told always; what a file says, only while it is not too old. A file is written under another name
and renamed, so that nobody reads half of it.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field

from rollcall.node_agent.collectors.declaration import Declaration, Found, Number, gauge
from rollcall.node_agent.host import Host
from rollcall.node_agent.options import BlockingOptions, Seconds

_MAX_FILE_BYTES: Final = 1024 * 1024
_MAX_FILES: Final = 100
_SAMPLE: Final = re.compile(
    r"\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(?:\{(.*)\})?\s+([^\s{}]+)(?:\s+-?\d+)?\s*"
)
_LABEL: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_TYPE: Final = re.compile(r"#\s*TYPE\s+(\S+)\s+(\S+)\s*")
_ESCAPED: Final = re.compile(r"\\(.)")


class TextfileOptions(BlockingOptions):
    """What may be set for it; the folder stands in this host's own file alone."""

    max_age: Seconds = Field(3600.0, description="a file older than this is left out")


class Textfile:
    """Reads the files of one folder."""

    declaration = Declaration(
        "textfile",
        "What other programs leave in `*.prom` files of the folder `[agent] textfile_dir`",
        instance="file, and set of labels",
        instance_fields=(gauge("age_seconds", "time since the file was written"),),
        blocks=True,
        options=TextfileOptions,
    )

    def __init__(self, folder: Path, options: TextfileOptions) -> None:
        self._folder = folder
        self._max_age_s = options.max_age

    def collect(self, host: Host) -> Found:
        """Read all files; one that cannot be read is named in the error. Raises OSError."""
        names = sorted(path.name for path in self._folder.iterdir() if path.suffix == ".prom")
        gathered = _Gathered()
        errors = []
        if len(names) > _MAX_FILES:
            errors.append(f"failed: more than {_MAX_FILES} files in {self._folder}")
        for name in names[:_MAX_FILES]:
            try:
                age_s, text = self._read(name, host.wall_s())
            except PermissionError:
                errors.append(f"denied: {self._folder / name}")
            except (OSError, ValueError) as error:
                errors.append(f"failed: {name}: {error}")
            else:
                gathered.instances.setdefault(name, {})["age_seconds"] = max(0.0, age_s)
                if age_s <= self._max_age_s:
                    gathered.add(text)
        return Found(
            gathered.fields or None,
            gathered.instances,
            error=errors[0] if errors else None,
            dropped_values=gathered.dropped,
        )

    def _read(self, name: str, now_s: float) -> tuple[float, str]:
        # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
        descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            told = os.fstat(descriptor)
            if not stat.S_ISREG(told.st_mode):
                raise ValueError("is no file")
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"has more than {_MAX_FILE_BYTES} bytes")
        return now_s - told.st_mtime, content.decode(errors="replace")


@dataclass(slots=True)
class _Gathered:
    fields: dict[str, Number] = field(default_factory=dict)
    instances: dict[str, dict[str, Number]] = field(default_factory=dict)
    dropped: int = 0

    def add(self, text: str) -> None:
        """Add the samples of one file; of two for one series the first stays."""
        left_out = _distributions(text)
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _SAMPLE.fullmatch(line)
            labels = parse_labels(found[2] or "") if found else None
            if found is None or labels is None or found[1] in left_out:
                self.dropped += 1
                continue
            try:
                value = float(found[3])
            except ValueError:
                self.dropped += 1
                continue
            into = self.instances.setdefault(labels, {}) if labels else self.fields
            into.setdefault(found[1].replace(":", "_").lower(), value)


def parse_labels(text: str) -> str | None:
    """Give labels as the name of an instance, sorted; None when they cannot be read."""
    labels = dict(_labels(text))
    if None in labels.values():
        return None
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _labels(text: str) -> Iterator[tuple[str, str | None]]:
    at = 0
    while at < len(text.rstrip()):
        found = _LABEL.match(text, at)
        if found is None:
            yield "", None
            return
        yield found[1], _ESCAPED.sub(lambda c: "\n" if c[1] == "n" else c[1], found[2])
        at = found.end()


def _distributions(text: str) -> frozenset[str]:
    """Name the samples of histograms and summaries: they are no single numbers."""
    names = {name for name, kind in _TYPE.findall(text) if kind.lower() in {"histogram", "summary"}}
    endings = ("", "_bucket", "_sum", "_count")
    return frozenset(f"{name}{ending}" for name in names for ending in endings)
