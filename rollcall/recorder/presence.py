"""Whether a node is there: what its status messages and signs of life change.

A node says `online` and `offline`. That it is `stale` is computed when somebody asks, and becomes a
row when it is over: then it is known how long the silence was. An `offline` of another epoch than
that of the newest `online`, or of the same epoch with a lower session, is the will of a connection
that has been replaced.

The states begin when the node says, where that can be true: not before the state it replaces, not
after the message came, and not at a time that only an unset clock shows. The last will cannot know
when; the node was lost when it was last seen.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from rollcall.broker.cluster import HOLD_DOWN_S
from rollcall.broker.messages import Offline, Online
from rollcall.recorder.findings import Seen, StatusFound

# 2020-01-01; hosts without a clock chip wake up in 1970 or where they fell asleep.
_CLOCKS_SET_SINCE_MS: Final = 1_577_836_800_000
_AT_ONCE_MS: Final = 250


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of a node; times in milliseconds, None: never heard."""

    state: str | None = None
    reason: str | None = None
    since_ts: int | None = None
    last_seen_ts: int | None = None
    epoch: str | None = None
    session: int = 0
    interval_s: float | None = None
    newest_seq: int = 0

    @property
    def stale_after_ms(self) -> float:
        """After how much silence a node that says it is online is believed no more."""
        return max(45_000, 3_000 * (self.interval_s or 0))


class Change(NamedTuple):
    """A node became `state` at `ts`."""

    ts: int
    state: str
    reason: str | None


def with_status(presence: Presence, found: StatusFound) -> tuple[Presence, list[Change]]:
    """Take in a status message; give the change it makes, if it makes one.

    Before it stands the period of silence that a goodbye ends, if it was a long one.
    """
    status = found.status
    if isinstance(status, Online):
        known = replace(
            presence,
            epoch=status.epoch,
            session=status.session,
            interval_s=float(status.interval),
            newest_seq=status.seq,
        )
        return _changed(known, found, None)
    if is_of_replaced_connection(presence, status):
        return presence, []
    return _changed(presence, found, status.reason)


def with_sign_of_life(presence: Presence, seen: Seen) -> tuple[Presence, list[Change]]:
    """Take in a sign of life; give the period of silence that it ends, if it was a long one.

    While nobody was listening, nobody was silent: what happened meanwhile is not known. Of signs
    that come within a quarter of a second the first is kept.
    """
    last_ms = presence.last_seen_ts
    if last_ms is not None and 0 <= seen.ts - last_ms < _AT_ONCE_MS:
        return presence, []
    known = replace(presence, last_seen_ts=max(seen.ts, presence.last_seen_ts or 0))
    silence = _silence(presence, seen.ts, seen.listening_since_ms)
    if silence is None:
        return known, []
    return replace(known, since_ts=seen.ts), [silence, Change(seen.ts, "online", None)]


def is_of_replaced_connection(presence: Presence, status: Offline) -> bool:
    """Say whether an `offline` speaks of an older connection than the newest birth."""
    if presence.epoch is None:
        return False
    return status.epoch != presence.epoch or status.session < presence.session


def _silence(presence: Presence, until_ms: int, listening_since_ms: int | None) -> Change | None:
    """Give the silence up to `until_ms` of a node that said it was online, if it was a long one."""
    if presence.state != "online" or listening_since_ms is None:
        return None
    heard_ms = max(presence.last_seen_ts or presence.since_ts or 0, listening_since_ms)
    if until_ms - heard_ms <= presence.stale_after_ms:
        return None
    return Change(heard_ms, "stale", None)


def _changed(
    presence: Presence, found: StatusFound, reason: str | None
) -> tuple[Presence, list[Change]]:
    if presence.state == found.status.state:
        return presence, []
    change = Change(_began(presence, found), found.status.state, reason)
    known = replace(presence, state=change.state, reason=reason, since_ts=change.ts)
    silence = _silence(presence, change.ts, found.listening_since_ms)
    return known, [change] if silence is None else [silence, change]


def _began(presence: Presence, found: StatusFound) -> int:
    earliest = max(presence.since_ts or 0, _CLOCKS_SET_SINCE_MS)
    claimed = presence.last_seen_ts
    if found.status.since is not None:
        claimed = round(found.status.since * 1000)
    if claimed is not None and earliest <= claimed <= found.received_ms:
        return claimed
    return max(found.received_ms, presence.since_ts or 0)


class HoldDown:
    """Holds "lost" back for a minute after connecting, for nodes not heard alive since.

    A broker that restarts has published the will of every node; most of them are back at once.
    Seconds are monotonic.
    """

    def __init__(self) -> None:
        self._until_s = float("-inf")
        self._heard: set[str] = set()
        self._held: dict[str, StatusFound] = {}

    def connected(self, now_s: float) -> None:
        """Note that our own connection was made."""
        self._until_s = now_s + HOLD_DOWN_S
        self._heard.clear()

    def heard(self, node: str) -> None:
        """Note a sign of life."""
        self._heard.add(node)

    def holds(self, found: StatusFound, now_s: float) -> bool:
        """Say whether the message is kept here for now; a later one of the node replaces it."""
        self._held.pop(found.node, None)
        status = found.status
        lost = isinstance(status, Offline) and status.reason == "lost"
        if not lost or now_s >= self._until_s or found.node in self._heard:
            return False
        self._held[found.node] = found
        return True

    def released(self, now_s: float) -> list[StatusFound]:
        """Give what was held back and turned out true, once."""
        if now_s < self._until_s:
            return []
        released = list(self._held.values())
        self._held.clear()
        return released
