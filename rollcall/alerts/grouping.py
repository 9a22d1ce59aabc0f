"""Who is told when: alerts that are open together and belong together are one incident, one thread.

What belongs together a rule says by `group_by` and `receivers`. An incident knows of each member
what was last told of it. A mail is due when that differs from how the member stands now, nothing
holds the member back, and the waiting that spares people is over. One pure function, `due`, answers
whether and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from rollcall.alerts.rules import Rule, Timing
from rollcall.alerts.state import Change, Key
from rollcall.broker.messages import Number, Severity
from rollcall.broker.node_view import Now

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH: Final = 6
ID_BITS: Final = 5 * _ID_LENGTH
_WAIT_PER_MEMBER_S: Final = 5.0
_RANK: Final[Mapping[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}
_LABEL: Final = "label:"

NOTHING_HELD: Final[Mapping[Key, str]] = {}


class Told(StrEnum):
    """What people were last told of a member."""

    NOTHING = "nothing"
    FIRING = "firing"
    ENDED = "ended"


class MailKind(StrEnum):
    """What a mail is for."""

    FIRE = "fire"
    UPDATE = "partial"
    END = "end"
    CLOSED = "closed"
    REMINDER = "reminder"
    FLAPPING = "flapping"
    SETTLED = "settled"

    @property
    def closes(self) -> bool:
        """Whether nothing of the incident fires any more."""
        return self in {MailKind.END, MailKind.CLOSED}


class Group(NamedTuple):
    """What the members of an incident share: receivers, and the values that `group_by` names.

    `is_info`: they are told in the daily digest only.
    """

    receivers: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    is_info: bool = False


NO_GROUP: Final = Group(("default",), ())


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has taken the incident on; `at` in Unix seconds."""

    at: float
    by: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An alert within an incident: how it stands and what was told of it; times in Unix seconds.

    `flaps`: it comes and goes; `told_flapping`: people were told so. `tells_its_end` is the rule's
    `send_resolved`.
    """

    key: Key
    since: float
    value: Number | None
    summary: str
    told: Told = Told.NOTHING
    ended_at: float | None = None
    reason: str = ""
    flaps: bool = False
    told_flapping: bool = False
    tells_its_end: bool = True

    @property
    def fires(self) -> bool:
        """Whether it still fires."""
        return self.ended_at is None

    @property
    def is_muted(self) -> bool:
        """Whether it flaps and people know."""
        return self.flaps and self.told_flapping

    @property
    def has_settled(self) -> bool:
        """Whether people were told that it flaps, and it no longer does."""
        return self.told_flapping and not self.flaps

    @property
    def is_news(self) -> bool:
        """Whether it stands otherwise than people were told; what ended untold is no news."""
        if self.is_muted:
            return False
        if self.has_settled or (self.flaps and not self.told_flapping and self.is_known):
            return True
        if self.fires:
            return self.told is not Told.FIRING
        return self.told is Told.FIRING and self.tells_its_end

    @property
    def is_known(self) -> bool:
        """Whether people have to do with it: it fires, or flaps, or they were told."""
        return self.fires or self.flaps or self.told is not Told.NOTHING


@dataclass(frozen=True, slots=True)
class Incident:
    """Open alerts that belong together, told in one thread of mails.

    `mails` counts the mails so far; `scope` and `rule` (its name, or "several rules") are fixed by
    the first. `opened_at`, `told_at` are Unix seconds for people; `opened_s`, `told_s` the same
    moments on the monotonic clock.
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
    group: Group = NO_GROUP
    acknowledged: Acknowledgement | None = None

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who is told."""
        return self.group.receivers

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
        """Whether everything is over and nobody needs to hear of it (any more)."""
        return not any(
            member.fires or member.is_news or member.is_muted for member in self.members.values()
        )

    def with_change(self, change: Change, now: Now, rule: Rule | None = None) -> "Incident":
        """Take in what happened to an alert; one that is pending does not join.

        A member that is new ends an acknowledgement.
        """
        member = self.members.get(change.key)
        alert = change.after
        if alert is not None and alert.is_told:
            is_new = member is None or not member.fires
            joined = replace(
                member or Member(change.key, alert.since, alert.value, alert.summary),
                since=alert.since,
                value=alert.value,
                summary=alert.summary,
                ended_at=None,
                reason="",
                tells_its_end=rule.send_resolved if rule else True,
            )
            grown = replace(self, members={**self.members, change.key: joined})
            if not is_new:
                return grown
            severity = rule.severity if rule else self.severity
            worst = max(self.severity, severity, key=_RANK.__getitem__)
            return replace(grown, severity=worst, acknowledged=None)
        if alert is None and member is not None and member.fires:
            over = replace(
                member, ended_at=now.wall_s, reason=change.reason, summary=change.last_words
            )
            return replace(self, members={**self.members, change.key: over})
        return self

    def with_flapping(self, key: Key, *, flaps: bool) -> "Incident":
        """Note that a member has begun to come and go, or has settled."""
        member = self.members.get(key)
        if member is None or member.flaps is flaps:
            return self
        return replace(self, members={**self.members, key: replace(member, flaps=flaps)})

    def with_mail(
        self, now: Now, held: Mapping[Key, str] = NOTHING_HELD, scope: str | None = None
    ) -> "Incident":
        """Note that a mail has told how everything stands, but for what is `held` back."""
        visible = [member for key, member in self.members.items() if key not in held]
        members = {
            member.key: replace(
                member,
                told=Told.FIRING if member.fires else Told.ENDED,
                told_flapping=member.flaps,
            )
            for member in visible
            if member.is_known
        }
        members |= {key: member for key, member in self.members.items() if key in held}
        rules = {key.rule for key in members} or {self.rule}
        first_scope = scope or scope_of([member for member in visible if member.fires])
        return replace(
            self,
            members=members,
            scope=self.scope or first_scope,
            rule=self.rule if self.mails or len(rules) == 1 else "several rules",
            mails=self.mails + 1,
            told_at=now.wall_s,
            told_s=now.monotonic_s,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a mail is due, of what kind, and why or why not."""

    kind: MailKind | None
    reason: str


def due(
    incident: Incident, timing: Timing, now: Now, held: Mapping[Key, str] = NOTHING_HELD
) -> Decision:
    """Decide whether people are to be told now; `held` are members not to be told of, and why."""
    visible = [member for key, member in incident.members.items() if key not in held]
    if incident.mails == 0:
        return _first(incident, visible, timing, now, held)
    news = [member for member in visible if member.is_news]
    if news and not incident.firing and not any(m.is_muted for m in incident.members.values()):
        return _last(news, held, incident)
    told_s = incident.opened_s if incident.told_s is None else incident.told_s
    quiet_s = now.monotonic_s - told_s
    if incident.acknowledged is None and news:
        return _change(news, timing, quiet_s)
    told = [member for member in visible if member.fires and not member.is_muted]
    is_long = timing.repeat_interval_s and quiet_s >= timing.repeat_interval_s
    if incident.acknowledged is None and told and is_long:
        return Decision(MailKind.REMINDER, "nothing has changed for repeat_interval")
    return Decision(None, _why_not(incident, held))


def _first(
    incident: Incident, visible: list[Member], timing: Timing, now: Now, held: Mapping[Key, str]
) -> Decision:
    firing = [member for member in visible if member.fires]
    flapping = [member for member in visible if member.flaps]
    if not firing and not flapping:
        return Decision(None, _why_held(incident, held) or "over before the first mail")
    wait_s = min(
        timing.group_wait_s + _WAIT_PER_MEMBER_S * (len(incident.members) - 1),
        max(timing.group_wait_s, timing.group_wait_max_s),
    )
    if now.monotonic_s - incident.opened_s < wait_s:
        return Decision(None, "waiting for more of the same: group_wait")
    if all(member.flaps for member in firing):
        return Decision(MailKind.FLAPPING, "comes and goes")
    return Decision(MailKind.FIRE, "fires")


def _last(news: list[Member], held: Mapping[Key, str], incident: Incident) -> Decision:
    if any(member.is_news for key, member in incident.members.items() if key in held):
        return Decision(None, _why_held(incident, held))
    if all(member.has_settled for member in news):
        return Decision(MailKind.SETTLED, "has settled, and is over")
    if all(member.reason == "recovered" for member in incident.ended):
        return Decision(MailKind.END, "the last one is over")
    return Decision(MailKind.CLOSED, "the last one is closed")


def _change(news: list[Member], timing: Timing, quiet_s: float) -> Decision:
    if quiet_s < timing.group_interval_s:
        return Decision(None, f"the last mail was {quiet_s:.0f} s ago: group_interval")
    if all(member.has_settled for member in news):
        return Decision(MailKind.SETTLED, "has settled, and fires")
    if all(member.flaps for member in news):
        return Decision(MailKind.FLAPPING, "comes and goes")
    return Decision(MailKind.UPDATE, "something has changed")


def _why_held(incident: Incident, held: Mapping[Key, str]) -> str:
    return next((held[key] for key in incident.members if key in held), "")


def _why_not(incident: Incident, held: Mapping[Key, str]) -> str:
    if incident.acknowledged is not None:
        by = incident.acknowledged.by
        return f"acknowledged by {by}" if by else "acknowledged"
    return _why_held(incident, held) or "nothing has changed"


def group_of(rule: Rule, key: Key, labels: Mapping[str, str]) -> Group:
    """Say which incident an alert belongs to; `labels` are those of its node."""
    values = []
    for name in rule.group_by:
        if name.startswith(_LABEL):
            value = labels.get(name.removeprefix(_LABEL), "")
        else:
            value = {"rule": rule.name, "node": key.node, "severity": rule.severity}[name]
        values.append((name, value))
    return Group(tuple(sorted(rule.receivers)), tuple(values), rule.severity == "info")


def opened(rule: Rule, identity: int, now: Now, group: Group | None = None) -> Incident:
    """Open an incident of `rule`; `identity` is a number of `ID_BITS` random bits."""
    return Incident(
        id=incident_id(identity),
        rule=rule.name,
        severity=rule.severity,
        opened_at=now.wall_s,
        opened_s=now.monotonic_s,
        group=group or group_of(rule, Key(rule.name, ""), {}),
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
