"""File systems: how full they are; see proc_pid_mountinfo(5) and statvfs(3).

Only what lies on a device of this host: no memory, images, overlays or network shares, which may
hang or belong to somebody else. The root is always among them, whatever it is. One entry for each
device, under its shortest mount point.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rollcall.node_agent.collectors.declaration import (
    Declaration,
    Found,
    Number,
    UnsupportedError,
    gauge,
    state,
)
from rollcall.node_agent.host import FileSystem, Host

_IMAGES: Final = frozenset({"squashfs", "iso9660", "udf", "erofs"})
_WITHOUT_DEVICE_BUT_LOCAL: Final = frozenset({"zfs"})


class Disk:
    """Sizes as `df` counts them. Runs on a thread of its own: a dying device can hang it."""

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
    )

    def collect(self, host: Host) -> Found:
        """Ask each file system. One that fails is left out, and named in the error.

        Raises UnsupportedError when there is none, OSError.
        """
        mounts = parse_mounts(host.read("/proc/self/mountinfo"))
        chosen = choose(mounts, parse_types(host.read("/proc/filesystems")))
        if not chosen:
            raise UnsupportedError("no file system lies on a device of this host")
        instances = {}
        errors = []
        for mount in chosen:
            try:
                found = host.file_system(mount.point)
            except OSError as error:
                kind = "denied" if isinstance(error, PermissionError) else "failed"
                errors.append(f"{kind}: {mount.point}: {error.strerror}")
                continue
            if found.total_bytes:
                instances[mount.point] = measures(found, read_only=mount.read_only)
        return Found(instances=instances, error=errors[0] if errors else None)


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo; `whole`: it shows the file system from its root on."""

    device: str
    point: str
    whole: bool
    fstype: str
    read_only: bool


def parse_mounts(text: str) -> list[Mount]:
    """Take mountinfo apart; a later mount on the same point hides the earlier."""
    mounts = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, root, point, *_ = before.split(" ")
        fstype, _, superblock = after.split(" ", 2)
        point = _unescaped(point)
        # The mount's own options would call everything read-only inside a sandboxed service.
        options = superblock.rsplit(" ", 1)[-1].split(",")
        mounts[point] = Mount(device, point, root == "/", fstype, "ro" in options)
    return list(mounts.values())


def parse_types(text: str) -> frozenset[str]:
    """Give the file system types of `/proc/filesystems` that lie on a device."""
    return frozenset(line.strip() for line in text.splitlines() if not line.startswith("nodev"))


def choose(mounts: Iterable[Mount], on_device: frozenset[str]) -> list[Mount]:
    """Choose one mount of each local file system, ordered by mount point."""
    kinds = (on_device | _WITHOUT_DEVICE_BUT_LOCAL) - _IMAGES
    chosen: dict[str, Mount] = {}
    for mount in sorted(mounts, key=lambda mount: (not mount.whole, len(mount.point), mount.point)):
        if mount.point == "/" or mount.fstype in kinds:
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
