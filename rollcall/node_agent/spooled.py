"""What the spool takes and gives: items and when they were taken, bounds, whose it is.

Values only.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from rollcall.node_agent.spans import Span


class Memory(StrEnum):
    """What a spool remembers of its host beside the reports.

    The boot it was last used in, and what the fleet document put into force.
    """

    BOOT = "boot"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for a receipt: bytes, a share of the free space, and seconds of age."""

    size_bytes: int = 256 * 1024 * 1024
    free_share: float = 0.1
    age_s: int = 14 * 86_400
    # Below this nothing is evicted for its size, however full the disk is.
    least_bytes: int = 512 * 1024

    def allowed_bytes(self, used_bytes: int, free_bytes: int) -> int:
        """Give how large the spool may be on a disk with `free_bytes` beside it."""
        share = int(self.free_share * (used_bytes + free_bytes))
        return max(self.least_bytes, min(self.size_bytes, share))


@dataclass(frozen=True, slots=True)
class Taken:
    """When something was taken: the boot, milliseconds since it, and Unix milliseconds.

    `synced`: whether the wall clock was right then.
    """

    boot: str
    boottime_ms: int
    wall_ms: int
    synced: bool = True

    def age_ms(self, now: "Taken", offset_ms: int | None = None) -> int | None:
        """Give the age; None when it is of an earlier boot and one of the clocks was wrong.

        `offset_ms` sets a wrong clock right: the wall clock at the start of that boot.
        """
        if self.boot == now.boot:
            return now.boottime_ms - self.boottime_ms
        if not now.synced or not (self.synced or offset_ms is not None):
            return None
        wall_ms = self.wall_ms if self.synced else self.boottime_ms + (offset_ms or 0)
        return now.wall_ms - wall_ms


@dataclass(frozen=True, slots=True)
class Item:
    """A report of collector `name`, or an event of kind `name`; `body` is JSON without number."""

    name: str
    body: str
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An item with its number, and when it was taken."""

    seq: int
    item: Item
    taken: Taken


@dataclass(frozen=True, slots=True)
class Renewal:
    """That there is another epoch, and why: `damaged copied reinstalled refused healed`.

    The file was damaged, copied from another machine, or left by another system on this one; or the
    disk refused, and later healed. `forsaken`
    are numbers of the epoch before that will never come: what they stood for has others now.
    """

    reason: str
    epoch_before: str | None
    forsaken: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one machine from another; what a host does not tell is empty.

    `boards` are names of the hardware, any of which may be replaced: a serial number, or the
    addresses of built-in network interfaces.
    """

    machine: str = ""
    boards: frozenset[str] = frozenset()

    def is_another_than(self, other: "Identity") -> bool:
        """Say whether the two are certainly two machines."""
        reinstalled = bool(self.machine and other.machine) and self.machine != other.machine
        moved = bool(self.boards and other.boards) and self.boards.isdisjoint(other.boards)
        return reinstalled or moved

    def is_on_the_board_of(self, other: "Identity") -> bool:
        """Say whether both are certainly on the same hardware."""
        return not self.boards.isdisjoint(other.boards)

    def text(self) -> str:
        """Write it for the file."""
        return json.dumps([self.machine, sorted(self.boards)])
