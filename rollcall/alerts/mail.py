"""A notification as a finished mail: what, where, since when, against which limit, and what next.

All mails of an incident hang together in one thread: the subject changes in its bracket only, and
every later mail refers to the first. The Message-ID depends on incident and sequence alone, so that
a mail that is sent twice is recognised as one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.grouping import Incident, MailKind, Member, scope_of
from rollcall.alerts.rules import Rule
from rollcall.broker.messages import Info

_MAX_SUBJECT: Final = 120
_MAX_RULE: Final = 40
_MAX_CLUSTER: Final = 24
_MAX_MESSAGE_ID: Final = 70
_MAX_ROWS: Final = 50
_RECEIVER: Final = "default"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What is the same in all mails; `install` tells two installations apart."""

    cluster: str
    sender: str
    to: tuple[str, ...]
    install: str


@dataclass(frozen=True, slots=True)
class Notification:
    """What is to be told: the incident as it stands, before this mail is noted in it.

    `rule` is None when it is gone; `nodes` holds what is known of the members' hosts; `source`
    says where the rules come from.
    """

    kind: MailKind
    incident: Incident
    rule: Rule | None
    nodes: Mapping[str, Info | None]
    source: str
    at: float


def compose(notification: Notification, head: Letterhead) -> EmailMessage:
    """Write the mail. Headers cannot be forged by any name in it."""
    incident = notification.incident
    sequence = incident.mails + 1
    mail = EmailMessage(policy=SMTP)
    mail["From"] = head.sender
    mail["To"] = ", ".join(head.to)
    mail["Subject"] = _subject(notification, head)
    mail["Date"] = format_datetime(datetime.fromtimestamp(int(notification.at), UTC))
    mail["Message-ID"] = message_id(incident.id, sequence, head)
    if sequence > 1:
        first = message_id(incident.id, 1, head)
        previous = message_id(incident.id, sequence - 1, head)
        mail["In-Reply-To"] = first
        mail["References"] = first if previous == first else f"{first} {previous}"
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Id"] = f"<{_slug(head.cluster)}.rollcall.{_domain(head.sender)}>"
    mail.set_content(_body(notification), cte="quoted-printable")
    return mail


def message_id(incident: str, sequence: int, head: Letterhead) -> str:
    """Give the Message-ID of an incident's mail, at most 70 characters.

    From 78 on Python's email package folds ids, and no mail program finds the thread.
    """
    local = f"{incident.lower()}.{sequence}.{_RECEIVER}.{head.install}"
    room = _MAX_MESSAGE_ID - len(local) - 3
    return f"<{local}@{_domain(head.sender)[-room:].lstrip('.-')}>"


def _subject(notification: Notification, head: Letterhead) -> str:
    incident = notification.incident
    scope = wording.clean(incident.scope or scope_of(incident.firing))
    rule = wording.shortened(incident.rule, _MAX_RULE)
    cluster = wording.shortened(wording.clean(head.cluster), _MAX_CLUSTER)
    # The scope gives way, by the same amount in every mail of the thread.
    room = _MAX_SUBJECT - len(f"[FIRING 9999, 9999 back] {rule} on  - {cluster} {incident.id}")
    scope = wording.shortened(scope, room)
    return f"[{_state(notification)}] {rule} on {scope} - {cluster} {incident.id}"


def _state(notification: Notification) -> str:
    incident = notification.incident
    if notification.kind is MailKind.END:
        return "RESOLVED" if _recovered(incident) else "CLOSED"
    count = len(incident.firing)
    back = sum(member.is_news for member in incident.ended)
    if back:
        return f"FIRING {count}, {back} back"
    return f"FIRING {count}" if count > 1 else "FIRING"


def _recovered(incident: Incident) -> bool:
    return all(member.reason == "recovered" for member in incident.ended)


def _body(notification: Notification) -> str:
    firing, ended = notification.incident.firing, notification.incident.ended
    if notification.kind is MailKind.END:
        told = _end(ended)
    elif len(firing) == 1 and not ended:
        told = _opening(notification.kind, firing[0])
    else:
        told = _several(notification.kind, firing, ended)
    table = "\n".join(f"{name:<9} {value}" for name, value in _table(notification))
    return f"{told}\n\n{table}\n"


def _opening(kind: MailKind, member: Member) -> str:
    still = "Still: " if kind is MailKind.REMINDER else ""
    return f"{still}{_sentence(member)}"


def _end(ended: list[Member]) -> str:
    if len(ended) == 1:
        member = ended[0]
        return f"{_sentence(member)}\n{_ending(member)}"
    rows = [f"{_row(member)}\n    {_ending(member)}" for member in ended]
    return "\n".join((f"All {len(ended)} are over.", *_limited(rows)))


def _several(kind: MailKind, firing: list[Member], ended: list[Member]) -> str:
    news = sum(member.is_news for member in firing)
    if kind is MailKind.REMINDER or news == 0:
        told = f"Still firing: {len(firing)}."
    else:
        told = f"Firing: {len(firing)}" + (f", {news} of them new." if news < len(firing) else ".")
    lines = [told, *_limited([_row(member) for member in firing])]
    back = [member for member in ended if member.is_news]
    if back:
        lines += ["", f"Over: {len(back)}.", *_limited([_row(member) for member in back])]
    return "\n".join(lines)


def _table(notification: Notification) -> list[tuple[str, str]]:
    incident, rule = notification.incident, notification.rule
    firing = incident.firing
    shown = firing or incident.ended
    rows = []
    if len({member.key.node for member in shown}) == 1:
        rows.append(("Node", _host(shown[0].key.node, notification.nodes)))
    if len(shown) == 1:
        rows.append(("Since", _since(shown[0], notification.at)))
    words = wording.rule_in_words(rule) if rule else "no longer among the rules"
    rows.append(("Rule", f"{incident.rule} ({incident.severity}): {words}"))
    nodes = list(dict.fromkeys(member.key.node for member in shown))
    rows.append(("Look", f"rollcall status {' '.join(nodes[:5])}"))
    rows.append(("Next", _next(notification)))
    rows.append(("Incident", f"{incident.id}, {notification.source}"))
    return rows


def _next(notification: Notification) -> str:
    if notification.kind is MailKind.END or notification.rule is None:
        return "nothing to do; this incident is closed"
    timing = notification.rule.timing
    told = "a mail when it is over"
    if timing.group_interval_s:
        told += f"; on change at most one in {wording.duration(timing.group_interval_s)}"
    if timing.repeat_interval_s:
        told += f"; unchanged, again in {wording.duration(timing.repeat_interval_s)}"
    return told


def _host(node: str, nodes: Mapping[str, Info | None]) -> str:
    info = nodes.get(node)
    if info is None:
        return node
    known = (*info.addresses[:1], info.model, info.description)
    return ", ".join((node, *(wording.clean(fact) for fact in known if fact)))


def _since(member: Member, at: float) -> str:
    began = wording.moment(member.since)
    if member.ended_at is not None:
        return began
    return f"{began}, {wording.duration(at - member.since)} ago"


def _sentence(member: Member) -> str:
    # Only presence has no value; its summary goes on after "is".
    verb = " is" if member.value is None else ":"
    return f"{member.key.node}{verb} {_summary(member)}."


def _summary(member: Member) -> str:
    return "".join(c for c in member.summary if c.isprintable())


def _row(member: Member) -> str:
    return f"  {wording.moment(member.since)}  {member.key.node}  {_summary(member)}"


def _ending(member: Member) -> str:
    ended_at = member.since if member.ended_at is None else member.ended_at
    when = f"at {wording.moment(ended_at)}, after {wording.duration(ended_at - member.since)}"
    if member.reason == "recovered":
        return f"Over {when}."
    why = {
        "rule_removed": "the rule no longer holds there",
        "rule_changed": "the rule asks something else now",
        "node_removed": "the node was removed",
        "instance_gone": "no report mentions it any more",
    }.get(member.reason, member.reason)
    return f"Closed {when}: {why}."


def _limited(rows: list[str]) -> list[str]:
    if len(rows) <= _MAX_ROWS:
        return rows
    return [*rows[:_MAX_ROWS], f"  and {len(rows) - _MAX_ROWS} more"]


def _domain(sender: str) -> str:
    domain = parseaddr(sender)[1].rpartition("@")[2].lower()
    return re.sub(r"[^a-z0-9.-]+", "-", domain).strip(".-") or "localhost"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30] or "cluster"
