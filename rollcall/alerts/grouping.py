"""Who is told when: alerts of one rule that are open together are one incident, one mail thread.

An incident knows of each member what was last told of it. A mail is due when that differs from how
the member stands now, and the waiting that spares people is over. One pure function, `due`, answers
whether and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from rollcall.alerts.rules import Rule, Timing
from rollcall.alerts.state import Change, Key
from rollcall.broker.cluster import Now
from rollcall.broker.messages import Number, Severity

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH: Final = 6
ID_BITS: Final = 5 * _ID_LENGTH
_WAIT_PER_MEMBER_S: Final = 5.0


class Told(StrEnum):
    """What people were last told of a member."""

    NOTHING = "nothing"
    FIRING = "firing"
    ENDED = "ended"


class MailKind(StrEnum):
    """What a mail is for."""

    FIRE = "fire"
    UPDATE = "update"
    END = "end"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class Member:
    """An alert within an incident: how it stands and what was told of it; times in Unix seconds."""

    key: Key
    since: float
    value: Number | None
    summary: str
    told: Told = Told.NOTHING
    ended_at: float | None = None
    reason: str = ""

    @property
    def fires(self) -> bool:
        """Whether it still fires."""
        return self.ended_at is None

    @property
    def is_news(self) -> bool:
        """Whether it stands otherwise than people were told; what ended untold is no news."""
        if self.fires:
            return self.told is not Told.FIRING
        return self.told is Told.FIRING


@dataclass(frozen=True, slots=True)
class Incident:
    """The open alerts of one rule, told in one thread of mails.

    `mails` counts the mails so far; `scope` is fixed by the first. `opened_at`, `told_at` are Unix
    seconds for people; `opened_s`, `told_s` the same moments on the monotonic clock.
    """

    id: str
    rule: str
    severity: Severity
    opened_at: float
    opened_s: float
    members: Mapping[Key, Member] = field(default_factory=dict)
    scope: str = ""
    mails: int = 0
    told_at: float | None = None
    told_s: float | None = None

    @property
    def firing(self) -> list[Member]:
        """The members that still fire, by node and instance."""
        return sorted((m for m in self.members.values() if m.fires), key=_place)

    @property
    def ended(self) -> list[Member]:
        """The members that are over and were told of, by node and instance."""
        over = (m for m in self.members.values() if not m.fires and m.told is not Told.NOTHING)
        return sorted(over, key=_place)

    @property
    def is_over_untold(self) -> bool:
        """Whether everything ended before the first mail: nobody needs to hear of it."""
        return self.mails == 0 and not self.firing

    def with_change(self, change: Change, now: Now) -> "Incident":
        """Take in what happened to an alert; one that is pending does not join."""
        member = self.members.get(change.key)
        alert = change.after
        if alert is not None and alert.is_told:
            told = member.told if member else Told.NOTHING
            member = Member(change.key, alert.since, alert.value, alert.summary, told)
        elif alert is None and member is not None and member.fires:
            member = replace(
                member, ended_at=now.wall_s, reason=change.reason, summary=change.last_words
            )
        else:
            return self
        return replace(self, members={**self.members, change.key: member})

    def with_mail(self, now: Now) -> "Incident":
        """Note that a mail has told how everything stands."""
        members = {
            key: replace(member, told=Told.FIRING if member.fires else Told.ENDED)
            for key, member in self.members.items()
            if member.fires or member.told is not Told.NOTHING
        }
        return replace(
            self,
            members=members,
            scope=self.scope or scope_of(self.firing),
            mails=self.mails + 1,
            told_at=now.wall_s,
            told_s=now.monotonic_s,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a mail is due, of what kind, and why or why not."""

    kind: MailKind | None
    reason: str


def due(incident: Incident, timing: Timing, now_s: float) -> Decision:
    """Decide whether people are to be told now; `now_s` is monotonic seconds."""
    if incident.mails == 0:
        return _first(incident, timing, now_s)
    if not incident.firing:
        return Decision(MailKind.END, "the last one is over")
    told_s = incident.opened_s if incident.told_s is None else incident.told_s
    quiet_s = now_s - told_s
    if any(member.is_news for member in incident.members.values()):
        if quiet_s < timing.group_interval_s:
            return Decision(None, f"the last mail was {quiet_s:.0f} s ago: group_interval")
        return Decision(MailKind.UPDATE, "something has changed")
    if timing.repeat_interval_s and quiet_s >= timing.repeat_interval_s:
        return Decision(MailKind.REMINDER, "nothing has changed for repeat_interval")
    return Decision(None, "nothing has changed")


def _first(incident: Incident, timing: Timing, now_s: float) -> Decision:
    if not incident.firing:
        return Decision(None, "over before the first mail")
    wait_s = min(
        timing.group_wait_s + _WAIT_PER_MEMBER_S * (len(incident.members) - 1),
        max(timing.group_wait_s, timing.group_wait_max_s),
    )
    if now_s - incident.opened_s < wait_s:
        return Decision(None, "waiting for more of the same: group_wait")
    return Decision(MailKind.FIRE, "fires")


def opened(rule: Rule, identity: int, now: Now) -> Incident:
    """Open an incident of `rule`; `identity` is a number of `ID_BITS` random bits."""
    return Incident(
        id=incident_id(identity),
        rule=rule.name,
        severity=rule.severity,
        opened_at=now.wall_s,
        opened_s=now.monotonic_s,
    )


def incident_id(bits: int) -> str:
    """Write a number as six characters of Crockford's base32, which people can read aloud."""
    return "".join(_CROCKFORD[bits >> 5 * i & 31] for i in reversed(range(_ID_LENGTH)))


def scope_of(members: list[Member]) -> str:
    """Name what an incident is about: node and instance, the node, or "several nodes"."""
    nodes = {member.key.node for member in members}
    if len(nodes) != 1:
        return "several nodes"
    (node,) = nodes
    instance = members[0].key.instance
    return f"{node} {instance}" if len(members) == 1 and instance else node


def _place(member: Member) -> tuple[str, str]:
    return member.key.node, member.key.instance
