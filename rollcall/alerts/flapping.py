"""Which alerts come and go so often that each coming and going is no news.

Counted are the transitions into firing and into over, younger than the rule's `window`: from
`start` on an alert flaps, and it has settled when they are down to `stop`. Times are Unix seconds,
so that they survive a restart.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rollcall.alerts.rules import Flap
from rollcall.alerts.state import Change, Key

FlapOf = Callable[[Key], Flap]


@dataclass(frozen=True, slots=True)
class Turns:
    """The transitions of one alert (Unix seconds), and whether it flaps."""

    key: Key
    at: tuple[float, ...] = ()
    flaps: bool = False


class Flapping:
    """Remembers the transitions of every alert; `changed` collects what is to be stored."""

    def __init__(self) -> None:
        self._turns: dict[Key, Turns] = {}
        self.changed: dict[Key, Turns | None] = {}

    def restore(self, turns: Iterable[Turns]) -> None:
        """Take up what was known before a restart."""
        self._turns = {each.key: each for each in turns}

    def flaps(self, key: Key) -> bool:
        """Say whether an alert flaps."""
        return key in self._turns and self._turns[key].flaps

    def note(self, change: Change, wall_s: float) -> None:
        """Count a change that is a turn: into firing from below, or from firing to over."""
        was = change.before is not None and change.before.is_told
        now = change.after is not None and change.after.is_told
        if was is now or (was and change.reason != "recovered"):
            return
        turns = self._turns.get(change.key, Turns(change.key))
        self._put(Turns(change.key, (*turns.at, wall_s), turns.flaps))

    def step(self, flap_of: FlapOf, wall_s: float) -> list[tuple[Key, bool]]:
        """Let time pass; give the alerts that have begun to flap, or have settled."""
        turned = []
        for key, turns in list(self._turns.items()):
            flap = flap_of(key)
            # A clock that was set back must not keep a turn of the future for ever.
            young = tuple(at for at in turns.at if abs(wall_s - at) < flap.window_s)
            flaps = len(young) > flap.stop if turns.flaps else len(young) >= flap.start
            if flaps is not turns.flaps:
                turned.append((key, flaps))
            if young != turns.at or flaps is not turns.flaps:
                self._put(Turns(key, young, flaps))
        return turned

    def _put(self, turns: Turns) -> None:
        if turns.at or turns.flaps:
            self._turns[turns.key] = turns
            self.changed[turns.key] = turns
        else:
            self._turns.pop(turns.key, None)
            self.changed[turns.key] = None
