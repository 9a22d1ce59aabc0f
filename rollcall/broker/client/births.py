"""When the birth is due again. Pure: times are arguments, in monotonic seconds."""

from typing import Final

_REPEAT_S: Final = 60.0
_HEAL_AT_MOST_EVERY_S: Final = 5.0


class Births:
    """The times of the birth: once a minute, and sooner where something in it has changed."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._due_s = 0.0

    def said(self, now_s: float) -> None:
        """Note that it was published."""
        self._last_s = now_s
        self._due_s = now_s + _REPEAT_S

    def hurry(self) -> None:
        """Let it be due now."""
        self._due_s = 0.0

    def heal(self) -> bool:
        """Let it be due soon, as somebody has denied it; say whether that is sooner than it was."""
        soonest_s = self._last_s + _HEAL_AT_MOST_EVERY_S
        sooner = soonest_s < self._due_s
        if sooner:
            self._due_s = soonest_s
        return sooner

    def is_due(self, now_s: float) -> bool:
        """Say whether it is due."""
        return now_s >= self._due_s
