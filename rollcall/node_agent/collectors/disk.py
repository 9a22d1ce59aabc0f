"""File systems: how full they are; see proc_pid_mountinfo(5) and statvfs(3).

Only what lies on a device of this host: no memory, images or overlays; network shares on request,
as they belong to somebody else. The root is always among them, whatever it is. One entry for each
device, under its shortest mount point.

Each file system is asked on a thread of its own: one whose device or server does not answer is left
out, named in the error, and not asked again until it has answered; the others are reported.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from rollcall.node_agent.blocking import BlockingCall, StillRunningError, TimedOut
from rollcall.node_agent.collectors.declaration import (
    Declaration,
    Found,
    Number,
    UnsupportedError,
    gauge,
    state,
)
from rollcall.node_agent.host import FileSystem, Host
from rollcall.node_agent.options import BlockingOptions, Patterns, fits

_IMAGES: Final = frozenset({"squashfs", "iso9660", "udf", "erofs"})
_WITHOUT_DEVICE_BUT_LOCAL: Final = frozenset({"zfs"})
_REMOTE: Final = ("nfs", "nfs4", "cifs", "smb3", "fuse.*")
# All of them together stay within the time of the collector.
_SHARE_OF_TIMEOUT: Final = 0.5
_PATIENCE_S: Final = 1.0


class DiskOptions(BlockingOptions):
    """Which file systems."""

    exclude: Patterns = Field(
        (), description="file systems to leave out: patterns on the type or the mount point"
    )
    remote: bool = Field(False, strict=True, description="network shares and fuse.* too")


class Disk:
    """Sizes as `df` counts them."""

    declaration = Declaration(
        "disk",
        "File systems on devices of this host",
        instance="mount point",
        instance_fields=(
            gauge("total_bytes", "size"),
            gauge("used_bytes", "taken"),
            gauge("free_bytes", "what users without privilege can still take"),
            gauge("used_percent", "used / (used + free), as `df` shows it"),
            gauge("total_inodes", "files it can hold; absent where there is no limit"),
            gauge("free_inodes", "files it can still hold"),
            gauge("used_inodes_percent", "share of inodes in use"),
            state("read_only", "whether the file system itself is read-only: dying SD cards are"),
        ),
        at_least_s=60,
        blocks=True,
        options=DiskOptions,
    )

    def __init__(self, options: DiskOptions) -> None:
        self._options = options
        self._hanging: dict[str, _Call] = {}

    def collect(self, host: Host) -> Found:
        """Ask each file system. One that fails is left out and counted, the first one named.

        Raises UnsupportedError when there is none, OSError.
        """
        mounts, unread = parse_mounts(host.read("/proc/self/mountinfo"))
        types = parse_types(host.read("/proc/filesystems"))
        chosen = choose(mounts, types, exclude=self._options.exclude, remote=self._options.remote)
        if not chosen:
            raise UnsupportedError("no file system lies on a device of this host")
        instances = {}
        errors = []
        until_s = host.boottime_s() + self._options.timeout_s * _SHARE_OF_TIMEOUT
        for mount in chosen:
            patience_s = min(_PATIENCE_S, max(0.0, until_s - host.boottime_s()))
            answer = self._ask(host, mount.point, patience_s)
            if isinstance(answer, FileSystem):
                if answer.total_bytes:
                    instances[mount.point] = measures(answer, read_only=mount.read_only)
            else:
                errors.append(answer)
        points = {mount.point for mount in chosen}
        self._hanging = {at: call for at, call in self._hanging.items() if at in points}
        return Found(
            instances=instances,
            error=errors[0] if errors else None,
            dropped_values=len(errors) + unread,
        )

    def _ask(self, host: Host, point: str, patience_s: float) -> FileSystem | str:
        """Give the sizes of a file system, or the text of an error."""
        call = self._hanging.pop(point, None) or BlockingCall(f"statvfs {point}")
        try:
            call.start(lambda: _sizes(host, point), 0.0, patience_s)
        except StillRunningError:
            self._hanging[point] = call
            return f"timeout: {point} still does not answer"
        answer = call.poll(patience_s, patience_s)
        if answer is None or isinstance(answer, TimedOut):
            self._hanging[point] = call
            return f"timeout: {point} does not answer"
        if isinstance(answer, OSError):
            kind = "denied" if isinstance(answer, PermissionError) else "failed"
            return f"{kind}: {point}: {answer.strerror}"
        return answer


_Call = BlockingCall[FileSystem | OSError]


def _sizes(host: Host, point: str) -> FileSystem | OSError:
    try:
        return host.file_system(point)
    except OSError as error:
        return error


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo; `whole`: it shows the file system from its root on."""

    device: str
    point: str
    whole: bool
    fstype: str
    read_only: bool


def parse_mounts(text: str) -> tuple[list[Mount], int]:
    """Take mountinfo apart; give the mounts, and how many lines could not be read.

    A later mount on the same point hides the earlier.
    """
    mounts = {}
    unread = 0
    # Not splitlines: mount points may hold characters at which Python would break a line.
    for line in filter(None, text.split("\n")):
        try:
            before, after = line.split(" - ", 1)
            _, _, device, root, point, *_ = before.split(" ")
            fstype, _, superblock = after.split(" ", 2)
        except ValueError:
            unread += 1
            continue
        point = _unescaped(point)
        # The mount's own options would call everything read-only inside a sandboxed service.
        options = superblock.rsplit(" ", 1)[-1].split(",")
        mounts[point] = Mount(device, point, root == "/", fstype, "ro" in options)
    return list(mounts.values()), unread


def parse_types(text: str) -> frozenset[str]:
    """Give the file system types of `/proc/filesystems` that lie on a device."""
    return frozenset(line.strip() for line in text.splitlines() if not line.startswith("nodev"))


def choose(
    mounts: Iterable[Mount],
    on_device: frozenset[str],
    *,
    exclude: Patterns = (),
    remote: bool = False,
) -> list[Mount]:
    """Choose one mount of each local file system, ordered by mount point; the root always.

    With `remote`, network shares too. `exclude` has patterns on types and mount points.
    """
    kinds = (on_device | _WITHOUT_DEVICE_BUT_LOCAL) - _IMAGES

    def is_meant(mount: Mount) -> bool:
        if mount.point == "/":
            return True
        if fits(mount.fstype, exclude) or fits(mount.point, exclude):
            return False
        far = fits(mount.fstype, _REMOTE)
        return remote if far else mount.fstype in kinds

    chosen: dict[str, Mount] = {}
    for mount in sorted(mounts, key=lambda mount: (not mount.whole, len(mount.point), mount.point)):
        if is_meant(mount):
            chosen.setdefault(mount.device, mount)
    return sorted(chosen.values(), key=lambda mount: mount.point)


def measures(found: FileSystem, *, read_only: bool) -> dict[str, Number]:
    """Make fields of what statvfs told."""
    used = found.total_bytes - found.free_bytes
    reachable = used + found.available_bytes
    fields: dict[str, Number] = {
        "total_bytes": found.total_bytes,
        "used_bytes": used,
        "free_bytes": found.available_bytes,
        "read_only": int(read_only),
    }
    if reachable:
        fields["used_percent"] = 100 * used / reachable
    if found.inodes:
        fields |= {
            "total_inodes": found.inodes,
            "free_inodes": found.free_inodes,
            "used_inodes_percent": 100 * (found.inodes - found.free_inodes) / found.inodes,
        }
    return fields


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
