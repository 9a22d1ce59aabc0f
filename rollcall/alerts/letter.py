"""A notice as a letter: what is said, in which order, in words; not yet text or HTML."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from rollcall.alerts import rule_words, wording
from rollcall.alerts.grouping import MailKind, Member, scope_of
from rollcall.alerts.headline import headline
from rollcall.alerts.notice import Notice, ProcessList, Trend
from rollcall.alerts.rules import BLIND, Rule
from rollcall.broker.node_view import NodeView, Now

MAX_ROWS: Final = 50
_MAX_CHARTS: Final = 3
_MAX_NAMED: Final = 5
_MAX_RULE: Final = 40
_SEVERAL: Final = "several rules"

Tone = Literal["critical", "warning", "info", "over"]


@dataclass(frozen=True, slots=True)
class Row:
    """One alert: when, where, what."""

    time: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled list of alerts; `more` were left out."""

    title: str
    rows: tuple[Row, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """The way a value has gone; `words` says from what to what."""

    place: str
    trend: Trend
    words: str


@dataclass(frozen=True, slots=True)
class Processes:
    """The top processes of one node, as cells of text."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. `commands` are (what for, command line)."""

    state: str
    tone: Tone
    title: str
    headline: str
    remarks: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    charts: tuple[Chart, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    processes: tuple[Processes, ...] = ()
    commands: tuple[tuple[str, str], ...] = field(default=())


def letter_of(notice: Notice, *, unsent_since: float | None = None) -> Letter:
    """Write the letter; `unsent_since` (Unix seconds) if no mail of the incident got out since."""
    incident = notice.incident
    shown = told_members(notice)
    is_over = notice.kind.closes
    rows = _rows(notice, incident.ended if is_over else shown)
    back = [] if is_over else [member for member in incident.ended if member.is_news]
    return Letter(
        state=state_of(notice, late=unsent_since is not None),
        tone="over" if is_over else incident.severity,
        title=f"{title_of(notice)} on {scope(notice)}",
        headline=headline(notice, shown),
        remarks=tuple(_remarks(notice, unsent_since)),
        sections=tuple(
            section
            for section in (
                _section("Since (UTC)", rows) if len(rows) > 1 else None,
                _section("Over", _rows(notice, back))
                if back and len(shown) + len(back) > 1
                else None,
            )
            if section is not None
        ),
        charts=tuple(_charts(notice, shown)),
        facts=tuple(_facts(notice, shown or incident.ended)),
        processes=tuple(_processes(notice, shown)),
        commands=() if is_over else tuple(_commands(notice, shown)),
    )


def told_members(notice: Notice) -> list[Member]:
    """Give the members that fire and are to be told of."""
    return [member for member in notice.incident.firing if member.key not in notice.suppressed]


def title_of(notice: Notice) -> str:
    """Name the rule, or "several rules", as the first mail named it."""
    return wording.shortened(notice.incident.rule, _MAX_RULE)


def scope(notice: Notice) -> str:
    """Say where, as the first mail said it."""
    if notice.incident.scope:
        return wording.clean(notice.incident.scope)
    if notice.shared is not None:
        return wording.clean(notice.shared.label)
    return wording.clean(scope_of(told_members(notice) or notice.incident.firing))


def state_of(notice: Notice, *, late: bool = False) -> str:
    """Say the state in the words of the subject's bracket."""
    incident = notice.incident
    if notice.kind is MailKind.CLOSED:
        state = "CLOSED"
    elif notice.kind is MailKind.END:
        recovered = all(member.reason == "recovered" for member in incident.ended)
        state = "RESOLVED" if recovered else "CLOSED"
    elif notice.kind is MailKind.FLAPPING:
        state = "FLAPPING"
    else:
        count = len(told_members(notice))
        back = sum(member.is_news for member in incident.ended)
        state = f"FIRING {count}" if count > 1 or back else "FIRING"
        state += f", {back} back" if back else ""
    if not late:
        return state
    return "LATE, over" if notice.kind.closes else f"LATE, {state.lower()}"


def _remarks(notice: Notice, unsent_since: float | None) -> Iterable[str]:
    if unsent_since is not None:
        yield f"No mail got out since {wording.moment(unsent_since)}."
    if notice.shared is not None and not notice.kind.closes:
        up = _named(notice.shared.up)
        yield f"All have {wording.clean(notice.shared.label)}. " + (f"Up: {up}." if up else "")
    if notice.held:
        count = len(notice.held)
        yield f"{count} alerts on them are held back." if count > 1 else "1 alert is held back."
    hidden = len(notice.incident.firing) - len(told_members(notice))
    if hidden:
        yield f"{hidden} more {'is' if hidden == 1 else 'are'} silenced or held back."


def _section(title: str, rows: Sequence[Row]) -> Section:
    return Section(title, tuple(rows[:MAX_ROWS]), max(len(rows) - MAX_ROWS, 0))


def _rows(notice: Notice, members: Iterable[Member]) -> list[Row]:
    found = []
    for member in members:
        text = wording.printable(member.summary)
        if member.value is None:
            # Thirty times the same sentence hides what differs.
            text = "last will" if "last will" in text else text.partition(":")[0]
        if member.ended_at is not None:
            text = f"{text}; {ending(member, notice.at)}"
        elif member.value is None:
            text += _last_cpu(notice, member)
        place = f"{member.key.node} {wording.clean(member.key.instance)}".rstrip()
        if len({key.rule for key in notice.incident.members}) > 1:
            place += f" {member.key.rule}"
        found.append(Row(wording.clock(member.since, notice.at), place, text))
    return found


def ending(member: Member, at: float) -> str:
    """Say when and after how long a member ended, and why if it did not recover."""
    ended_at = member.since if member.ended_at is None else member.ended_at
    lasted = wording.duration(ended_at - member.since)
    if member.reason == "recovered":
        return f"over at {wording.clock(ended_at, at)}, after {lasted}"
    why = wording.closing(member.reason)
    return f"closed at {wording.clock(ended_at, at)}, after {lasted}: {why}"


def _last_cpu(notice: Notice, member: Member) -> str:
    """Say how busy a node was when it was last heard: a hint at why it went."""
    view = notice.views.get(member.key.node)
    value = view and view.value("cpu.percent", Now(notice.at, 0.0))
    return f", cpu was {wording.quantity(value.number, 'cpu.percent')}" if value else ""


def _charts(notice: Notice, members: Sequence[Member]) -> Iterable[Chart]:
    several = len(members) > 1
    for member in members[:_MAX_CHARTS]:
        trend = notice.trends.get(member.key)
        rule = notice.rules.get(member.key.rule)
        known = [value for value in trend.values if value is not None] if trend else []
        if trend is None or rule is None or rule.metric is None or len(known) < 2:  # noqa: PLR2004 - one point is no way
            continue
        first, last = (wording.quantity(value, rule.metric) for value in (known[0], known[-1]))
        span = wording.duration(trend.step_s * len(trend.values))
        place = f"{member.key.node} {wording.clean(member.key.instance)}".rstrip()
        yield Chart(place if several else "", trend, f"{first} to {last} in {span}")


def _facts(notice: Notice, members: Sequence[Member]) -> Iterable[tuple[str, str]]:
    is_blind = notice.incident.rule == BLIND
    if len({member.key.node for member in members}) == 1 and not is_blind:
        yield "Node", _host(members[0].key.node, notice.views.get(members[0].key.node))
    if len(members) == 1:
        member = members[0]
        since = wording.moment(member.since)
        ago = wording.duration(notice.at - member.since)
        yield "Since", since if member.ended_at is not None else f"{since}, {ago} ago"
    names = [] if is_blind else list(dict.fromkeys(member.key.rule for member in members))
    for name in names[:_MAX_NAMED]:
        rule = notice.rules.get(name)
        words = rule_words.rule_in_words(rule) if rule else "no longer among the rules"
        yield "Rule", f"{name} ({notice.incident.severity}): {words}"
        stands = ", ".join(part for part in (notice.source, notice.places.get(name, "")) if part)
        if stands:
            yield "", wording.clean(stands)
    yield "Next", _next(notice)
    yield "Incident", notice.incident.id


def _next(notice: Notice) -> str:
    if notice.kind.closes:
        return "nothing to do; this incident is closed"
    if notice.kind is MailKind.FLAPPING:
        return "a mail when it has settled"
    rule: Rule | None = next(iter(notice.rules.values()), None)
    if rule is None:
        return "a mail when it is over"
    told = "a mail when it is over" if rule.send_resolved else "no mail when it is over"
    if rule.timing.group_interval_s:
        told += f"; on change, at most one in {wording.duration(rule.timing.group_interval_s)}"
    if rule.timing.repeat_interval_s:
        told += f"; unchanged, again in {wording.duration(rule.timing.repeat_interval_s)}"
    return told


def _host(node: str, view: NodeView | None) -> str:
    info = view.info if view else None
    known = (*info.addresses[:1], info.model, info.description) if info else ()
    return ", ".join((node, *(wording.clean(fact) for fact in known if fact)))


def _processes(notice: Notice, members: Sequence[Member]) -> Iterable[Processes]:
    for node in list(dict.fromkeys(member.key.node for member in members))[:_MAX_CHARTS]:
        found = notice.processes.get(node)
        if found is not None and found.processes:
            at = wording.clock(found.at, notice.at)
            yield Processes(f"Top processes of {node} by {found.by} at {at}", _cells(found))


def _cells(found: ProcessList) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            wording.clean(process.name),
            str(process.pid),
            wording.clean(process.user or "-"),
            "-" if process.cpu_percent is None else f"{process.cpu_percent:.1f} %",
            "-"
            if process.memory_bytes is None
            else wording.quantity(process.memory_bytes, "process.memory_bytes"),
        )
        for process in found.processes
    )


def _commands(notice: Notice, members: Sequence[Member]) -> Iterable[tuple[str, str]]:
    nodes = list(dict.fromkeys(member.key.node for member in members))
    if notice.incident.rule == BLIND:
        return
    rule = "" if notice.incident.rule == _SEVERAL else f" --rule {notice.incident.rule}"
    yield "Silence it", f"rollcall alerts silence {_pattern(notice, nodes)}{rule} --for 1h"
    yield "I know", f"rollcall alerts ack {notice.incident.id}"
    yield "Look", f"rollcall status {' '.join(nodes[:_MAX_NAMED])}"


def _pattern(notice: Notice, nodes: Sequence[str]) -> str:
    """Give what means these nodes: their names, the label they share, or a common beginning."""
    if len(nodes) <= _MAX_NAMED:
        return " ".join(nodes)
    if notice.shared is not None:
        return shlex.quote(f"label:{notice.shared.label}")
    first, last = min(nodes), max(nodes)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return shlex.quote(f"{first[:length]}*")


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
