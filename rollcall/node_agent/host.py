"""How collectors see a host: files, file systems, clocks, and what its own programs say.

A real, a recorded and a simulated host look the same through it.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from rollcall.node_agent import clock
from rollcall.node_agent.schedule import Moment

_CHUNK_BYTES: Final = 64 * 1024
_MAX_ANSWER_BYTES: Final = 1024 * 1024
TIME_SERVICE_MARK: Final = "/run/systemd/timesync/synchronized"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What statvfs tells of a file system, sizes in bytes; `inodes` is 0 where it has none."""

    total_bytes: int
    free_bytes: int
    available_bytes: int
    inodes: int
    free_inodes: int


class Host(Protocol):
    """A Linux host. Every method that reads raises OSError as the host itself would."""

    @property
    def architecture(self) -> str:
        """The machine's architecture, such as `aarch64`."""

    @property
    def page_bytes(self) -> int:
        """The size of a memory page."""

    @property
    def ticks_per_second(self) -> int:
        """The unit of CPU times in `/proc`."""

    def read(self, path: str) -> str:
        """Give the text of a file; bytes that are not UTF-8 become surrogates."""

    def listing(self, folder: str) -> list[str]:
        """Give the names in a folder, sorted."""

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""

    def link(self, path: str) -> str:
        """Give the last part of what a symbolic link points to."""

    def file_system(self, mount_point: str) -> FileSystem:
        """Ask a mounted file system for its sizes; blocks while its device does."""

    def ask(self, command: Sequence[str], timeout_s: float) -> str:
        """Give what a program of the system prints; blocks while it runs, also raises TimeoutError.

        One that fails raises ChildProcessError with what it complained of.
        """

    def clock_error_s(self) -> float:
        """Give the largest error of the kernel's clock."""

    def wall_s(self) -> float:
        """Give the wall clock, in Unix seconds."""

    def boottime_s(self) -> float:
        """Give the seconds since boot, suspend included: only this measures durations."""


class LinuxHost:
    """The host this process runs on, or (for its files) a copy of one below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._prefix = str(root).rstrip("/")

    @property
    def architecture(self) -> str:
        """The machine's architecture, such as `aarch64`."""
        return os.uname().machine

    @property
    def page_bytes(self) -> int:
        """The size of a memory page."""
        return os.sysconf("SC_PAGESIZE")

    @property
    def ticks_per_second(self) -> int:
        """The unit of CPU times in `/proc`."""
        return os.sysconf("SC_CLK_TCK")

    def read(self, path: str) -> str:
        """Give the text of a file. Raises OSError."""
        # Not by pathlib and its text layer: hundreds of files are read each time, and this takes
        # less than half as long.
        descriptor = os.open(self._prefix + path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, _CHUNK_BYTES)
            # The kernel hands these out whole: no second read for their end.
            if not path.startswith("/sys/") and not _is_of_process(path):
                while part := os.read(descriptor, _CHUNK_BYTES):
                    text += part
        finally:
            os.close(descriptor)
        return text.decode("utf-8", "surrogateescape")

    def listing(self, folder: str) -> list[str]:
        """Give the names in a folder, sorted. Raises OSError."""
        return sorted(os.listdir(self._prefix + folder))  # noqa: PTH208 - see `read`

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return os.access(self._prefix + path, os.F_OK)

    def link(self, path: str) -> str:
        """Give the last part of what a symbolic link points to. Raises OSError."""
        return self._below_root(path).readlink().name

    def file_system(self, mount_point: str) -> FileSystem:
        """Ask statvfs. Raises OSError."""
        found = os.statvfs(self._below_root(mount_point))
        return FileSystem(
            total_bytes=found.f_blocks * found.f_frsize,
            free_bytes=found.f_bfree * found.f_frsize,
            available_bytes=found.f_bavail * found.f_frsize,
            inodes=found.f_files,
            free_inodes=found.f_ffree,
        )

    def ask(self, command: Sequence[str], timeout_s: float) -> str:
        """Run a program of the system. Raises OSError."""
        # Imported by those who run one: most hosts do not, and memory is dear.
        from rollcall.node_agent.collectors import exec as programs  # noqa: PLC0415 - see above

        ended = programs.run(command, timeout_s, _MAX_ANSWER_BYTES)
        if ended.printed_too_much:
            raise OSError(f"{command[0]} printed over {_MAX_ANSWER_BYTES} bytes")
        if ended.code is None:
            raise TimeoutError(f"{command[0]} did not end within {timeout_s:g} s")
        if ended.code != 0:
            raise ChildProcessError(f"{command[0]}: {ended.complaint or ended.code}")
        return ended.output.decode(errors="replace")

    def clock_error_s(self) -> float:
        """Ask the kernel. Raises OSError."""
        return clock.kernel_error_s()

    def wall_s(self) -> float:
        """Give the wall clock, in Unix seconds."""
        return time.time()

    def boottime_s(self) -> float:
        """Give CLOCK_BOOTTIME, in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def _below_root(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _is_of_process(path: str) -> bool:
    """Say whether this is `/proc/<pid>/stat`."""
    return path.endswith("/stat") and path != "/proc/stat"


def moment(host: Host) -> Moment:
    """Read both clocks of a host."""
    return Moment(round(host.wall_s() * 1000), round(host.boottime_s() * 1000))


def clock_is_synchronized(host: Host) -> bool:
    """Say whether the host's clock is disciplined."""
    try:
        error_s = host.clock_error_s()
    except OSError:
        error_s = None
    return clock.is_synchronized(
        error_s, marked=host.exists(TIME_SERVICE_MARK), wall_s=host.wall_s()
    )
