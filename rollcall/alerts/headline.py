"""The first sentence of a mail: the one that is read at night."""

from collections.abc import Sequence
from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.grouping import MailKind, Member
from rollcall.alerts.notice import Notice
from rollcall.alerts.rules import BLIND

_MAX_NAMED: Final = 5


def headline(notice: Notice, firing: Sequence[Member]) -> str:
    """Say what is the case; `firing` are the members to be told of."""
    ended = notice.incident.ended
    if any(key.rule == BLIND for key in notice.incident.members):
        return _blind(notice)
    match notice.kind:
        case MailKind.END | MailKind.CLOSED:
            told = _all_over(notice, ended)
        case MailKind.FLAPPING:
            told = f"{_names(firing or ended)} changes again and again. Quiet until it settles."
        case MailKind.REMINDER:
            told = f"Still: {_firing(notice, firing)}"
        case MailKind.SETTLED:
            told = f"It has settled: {_firing(notice, firing) if firing else 'over.'}"
        case MailKind.UPDATE:
            told = _update(notice, firing)
        case _:
            told = _firing(notice, firing)
    return told


def _firing(notice: Notice, firing: Sequence[Member]) -> str:
    if len(firing) == 1:
        return _sentence(firing[0])
    nodes = len({member.key.node for member in firing})
    if not all(member.value is None for member in firing):
        where = "one node" if nodes == 1 else f"{nodes} nodes"
        return f"{len(firing)} alerts fire on {where}: {_names(firing)}."
    of = f" of {len(notice.views)}" if len(notice.views) >= nodes else ""
    since = [member.since for member in firing]
    within = wording.duration(max(since) - min(since))
    return f"{nodes}{of} nodes went offline within {within}."


def _update(notice: Notice, firing: Sequence[Member]) -> str:
    back = [member for member in notice.incident.ended if member.is_news]
    new = [member for member in firing if member.is_news]
    told = []
    if back:
        one = len(back) == 1
        name = _place(back[0]) if one else str(len(back))
        told.append(f"{name} {'is' if one else 'are'} {_back(back)}.")
    if new and len(new) < len(firing):
        told.append(f"{len(new)} more: {_names(new)}.")
    still = "offline" if all(member.value is None for member in firing) else "firing"
    if back or len(new) < len(firing):
        told.append(f"Still {still}: {_names(firing)}.")
    return " ".join(told) or _firing(notice, firing)


def _all_over(notice: Notice, ended: Sequence[Member]) -> str:
    if len(ended) == 1:
        return f"{_sentence(ended[0], over=True)} {_history(notice, ended[0])}"
    closed = [member for member in ended if member.reason != "recovered"]
    last = max(member.ended_at or member.since for member in ended)
    longest = max(ended, key=lambda member: (member.ended_at or member.since) - member.since)
    lasted = wording.duration((longest.ended_at or longest.since) - longest.since)
    told = f"All {len(ended)} are {_back(ended)}, {wording.clock(last, notice.at)} UTC."
    told += f" Longest: {_place(longest)}, {lasted}."
    if closed:
        told += f" {len(closed)} of them closed: {wording.closing(closed[0].reason)}."
    return told


def _history(notice: Notice, member: Member) -> str:
    """Say in one sentence when it fired, with what, and when it ended."""
    rule = notice.rules.get(member.key.rule)
    value = ""
    if rule is not None and rule.metric is not None and member.value is not None:
        value = f" ({wording.quantity(member.value, rule.metric)})"
    ended_at = member.since if member.ended_at is None else member.ended_at
    lasted = wording.duration(ended_at - member.since)
    began, over = (wording.clock(time, notice.at) for time in (member.since, ended_at))
    if member.reason == "recovered":
        return f"It began at {began}{value} and was over at {over} UTC, after {lasted}."
    why = wording.closing(member.reason)
    return f"It began at {began}{value} and was closed at {over} UTC, after {lasted}: {why}."


def _blind(notice: Notice) -> str:
    members = list(notice.incident.members.values())
    why = wording.printable(members[0].summary)
    if notice.kind in {MailKind.END, MailKind.CLOSED}:
        ended_at = members[0].ended_at or notice.at
        lasted = wording.duration(ended_at - members[0].since)
        return f"Rollcall sees the cluster again. It was blind for {lasted}."
    return f"Monitoring is blind: {why}. Until this is over nobody is told of anything new."


def _sentence(member: Member, *, over: bool = False) -> str:
    summary = wording.printable(member.summary)
    if member.value is None and not over:
        return f"{member.key.node} is {summary}."
    if over and member.value is None:
        return f"{member.key.node}: {summary}."
    return f"{member.key.node}: {summary}."


def _back(members: Sequence[Member]) -> str:
    return "back" if all(member.value is None for member in members) else "over"


def _place(member: Member) -> str:
    return f"{member.key.node} {wording.clean(member.key.instance)}".rstrip()


def _names(members: Sequence[Member]) -> str:
    names = list(dict.fromkeys(_place(member) for member in members))
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
