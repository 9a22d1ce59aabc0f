"""What is shown when: alerts before everything else, then one page after another.

Times are monotonic seconds, given from outside.

* While something urgent calls (critical, and nobody has taken it on), its pages take turns, 4 s
  each, and every fourth turn is the overview. A new call is shown at once, or after the overview
  whose turn it is. A call that has stood unchanged for 10 min is urgent no longer: it has been
  seen, or nobody is there.
* Else pages rotate, 5 s each, 60 s for a cycle at most. A page with more parts than its share
  goes on in the next cycle. What calls but is not urgent has one turn a cycle, in rotation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rollcall.lcd_display.attention import Call, CallKey

OVERVIEW: Final = "overview"
ALERT: Final = "alert"
URGENT_FOR_S: Final = 600.0
ALERT_TURN_S: Final = 4.0
INFO_TURN_S: Final = 5.0
TURNS_IN_A_CYCLE: Final = 12
_OVERVIEW_EVERY: Final = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """What is on the glass: a part of a page, or the page of a call."""

    page: str
    part: int = 0
    call: CallKey | None = None


def shares(parts: Sequence[int], turns: int) -> list[int]:
    """Give each page its number of turns in a cycle: one, then evenly up to what it has parts."""
    given = [min(count, 1) for count in parts]
    while sum(given) < turns and given != list(parts):
        for place, count in enumerate(parts):
            if given[place] < count and sum(given) < turns:
                given[place] += 1
    return given


def cycle_of(pages: Mapping[str, int], notices: Sequence[Call], cycle: int) -> list[Turn]:
    """Give the turns of the cycle with this number; `pages` are names and numbers of parts."""
    turns = []
    room = TURNS_IN_A_CYCLE - bool(notices)
    for (name, parts), share in zip(pages.items(), shares(list(pages.values()), room), strict=True):
        first = cycle * share % parts if share < parts else 0
        turns += [Turn(name, (first + step) % parts) for step in range(share)]
    if notices:
        turns.append(Turn(ALERT, call=notices[cycle % len(notices)].key))
    return turns or [Turn(OVERVIEW)]


class Carousel:
    """Remembers whose turn it is, and since when each call is known.

    `alerting` is whether pages of urgent calls take turns now.
    """

    def __init__(self) -> None:
        self._seen_s: dict[CallKey, float] = {}
        self._turn = Turn(OVERVIEW)
        self._last_call: CallKey | None = None
        self._next_call: CallKey | None = None
        self._until_s = float("-inf")
        self.alerting = False
        self._place = 0
        self._cycle = 0

    def turn(self, calls: Sequence[Call], pages: Mapping[str, int], now_s: float) -> Turn:
        """Give what is due; `pages` are the names of pages and how many parts each has."""
        known = self._seen_s
        self._seen_s = {call.key: known.get(call.key, now_s) for call in calls}
        urgent = [call for call in calls if self._is_urgent(call, now_s)]
        if urgent:
            new = next((call for call in urgent if call.key not in known), None)
            self._among_alerts(urgent, new, now_s)
        else:
            notices = [call for call in calls if not self._is_urgent(call, now_s)]
            self._among_pages(lambda cycle: cycle_of(pages, notices, cycle), now_s)
        return self._turn

    def _is_urgent(self, call: Call, now_s: float) -> bool:
        return call.is_urgent and now_s - self._seen_s[call.key] < URGENT_FOR_S

    def _among_alerts(self, urgent: Sequence[Call], new: Call | None, now_s: float) -> None:
        keys = [call.key for call in urgent]
        began = not self.alerting
        if began:
            self.alerting, self._place, self._last_call = True, -1, None
        if new is not None:
            self._next_call = new.key
        gone = self._turn.page == ALERT and self._turn.call not in keys
        # Calls that come one after another must not keep the overview from its turn.
        cuts_in = new is not None and self._turn.page == ALERT
        if began or gone or cuts_in or now_s >= self._until_s:
            self._place += 1
            is_overview = self._place % _OVERVIEW_EVERY == _OVERVIEW_EVERY - 1
            turn = Turn(OVERVIEW) if is_overview else Turn(ALERT, call=self._following(keys))
            self._show(turn, now_s, ALERT_TURN_S)

    def _following(self, keys: Sequence[CallKey]) -> CallKey:
        """Give the call that is new, else the one after the last that was shown."""
        new, self._next_call = self._next_call, None
        if new is not None and new in keys:
            return new
        place = keys.index(self._last_call) + 1 if self._last_call in keys else 0
        return keys[place % len(keys)]

    def _among_pages(self, turns_of: Callable[[int], list[Turn]], now_s: float) -> None:
        turns = turns_of(self._cycle)
        if self.alerting:
            self.alerting, self._place = False, 0
            self._show(turns[0], now_s, INFO_TURN_S)
            return
        if now_s >= self._until_s:
            began = self._until_s == float("-inf")
            place = turns.index(self._turn) if self._turn in turns else self._place
            self._place = 0 if began else place + 1
            if self._place >= len(turns):
                self._place, self._cycle = 0, self._cycle + 1
                turns = turns_of(self._cycle)
            self._show(turns[self._place], now_s, INFO_TURN_S)
        elif self._turn not in turns:
            self._place = min(self._place, len(turns) - 1)
            self._show(turns[self._place], now_s, INFO_TURN_S)

    def _show(self, turn: Turn, now_s: float, for_s: float) -> None:
        self._turn, self._until_s = turn, now_s + for_s
        self._last_call = turn.call or self._last_call
