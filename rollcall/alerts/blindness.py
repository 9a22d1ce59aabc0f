"""Whether we see the cluster at all: one alert when we do not, and no other is judged meanwhile.

We are blind while our own link to the broker is down, or while what we publish does not come back
to us. Clocks freeze at once; people are told only after a while, since a broker that restarts is
back in seconds.
"""

from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.rules import BLIND, Rule
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now

KEY: Final = Key(BLIND, "rollcall")
ECHO_WITHIN_S: Final = 45.0


class Blindness:
    """Whether we see; `rule` says after how long it is told that we do not."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._linked = False
        self._echoed_s: float | None = None
        self._since: Now | None = None
        self._alert: Alert | None = None

    def restore(self, since: float) -> None:
        """Take up that people were told of it before a restart; `since` in Unix seconds."""
        self._alert = _alert(since, self._words())

    def linked(self, now: Now) -> None:
        """Note that our own connection was made."""
        self._linked = True
        self._echoed_s = now.monotonic_s

    def lost(self) -> None:
        """Note that our own connection is gone."""
        self._linked = False

    def echoed(self, now: Now) -> None:
        """Note that what we publish has come back to us."""
        self._echoed_s = now.monotonic_s

    def sees(self, now: Now) -> bool:
        """Say whether what we hear can be believed to be all there is."""
        echoed_s = self._echoed_s
        return self._linked and echoed_s is not None and now.monotonic_s - echoed_s < ECHO_WITHIN_S

    def step(self, now: Now) -> list[Change]:
        """Give what has become of the alert."""
        if self.sees(now):
            before, self._alert, self._since = self._alert, None, None
            if before is None:
                return []
            lasted = wording.duration(now.wall_s - before.since)
            return [Change(KEY, before, None, "recovered", f"it sees again, after {lasted}")]
        self._since = self._since or now
        if self._alert is not None:
            return []
        if now.monotonic_s - self._since.monotonic_s < self.rule.for_s:
            return []
        self._alert = _alert(self._since.wall_s, self._words())
        return [Change(KEY, None, self._alert)]

    def _words(self) -> str:
        if self._linked:
            return "blind: the broker takes what it publishes, and hands nothing back"
        return "blind: its connection to the broker is down"


def _alert(since: float, summary: str) -> Alert:
    return Alert(KEY, AlertState.FIRING, since, None, summary, since)
