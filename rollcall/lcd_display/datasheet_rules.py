"""What the datasheet forbids, and who broke it: the rules that the emulated display watches.

Codes V01 to V18. A warning is no breach: something that is bad manners, or that cannot be avoided
while nobody knows the state of the display.
"""

from dataclasses import dataclass, field
from typing import Final

_E_HIGH_US: Final = 0.45
_E_CYCLE_US: Final = 1.0
_RELEASED: Final = 0xF


class ViolationError(Exception):
    """A rule was broken while the rules were strict."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something the datasheet forbids: when (microseconds), which rule, in words."""

    at_us: float
    code: str
    text: str


@dataclass
class Record:
    """What was broken, and what was only not nice. `strict`: the former raises ViolationError."""

    strict: bool = False
    violations: list[Violation] = field(default_factory=list)
    warnings: list[Violation] = field(default_factory=list)

    def note(self, at_us: float, code: str, text: str, *, warning: bool = False) -> None:
        """Put it down."""
        noted = Violation(at_us, code, text)
        (self.warnings if warning else self.violations).append(noted)
        if self.strict and not warning:
            raise ViolationError(f"{code} at {at_us:.0f} us: {text}")


@dataclass(frozen=True, slots=True)
class Pins:
    """The lines from the expander to the controller; `data` is D7 to D4 as a nibble."""

    rs: bool
    rw: bool
    e: bool
    data: int


@dataclass
class Edges:
    """Watches how the lines change (p.49-52, 58): levels stable around E, E long enough."""

    record: Record
    _rose_us: float = float("-inf")

    def watch(self, before: Pins, after: Pins, now_us: float) -> None:
        """Note what is wrong with the step from `before` to `after`."""
        note = self.record.note
        selects_change = (before.rs, before.rw) != (after.rs, after.rw)
        if selects_change and after.e:
            code = "V04" if before.e else "V01"
            note(now_us, code, "RS or RW changes while E is high or rises")
        elif selects_change and before.e:
            note(now_us, "V02", "RS or RW changes in the byte that drops E")
        if before.e and not after.e and before.data != after.data:
            note(now_us, "V03", "data changes in the byte that drops E")
        if after.rw and after.e and after.data != _RELEASED:
            note(now_us, "V13", "a data line is held low while the controller drives it")
        if before.e != after.e:
            self._time(now_us, rising=after.e)

    def _time(self, now_us: float, *, rising: bool) -> None:
        since_us = now_us - self._rose_us
        if since_us < (_E_CYCLE_US if rising else _E_HIGH_US):
            self.record.note(now_us, "V14", f"E changes {since_us * 1000:.0f} ns after it rose")
        if rising:
            self._rose_us = now_us
