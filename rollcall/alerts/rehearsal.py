"""The core in virtual time: which mails there would have been, had this been seen.

What tries a rule over recorded data and what checks rules against tests drives the same engine,
the same incidents and the same decisions as the service; only the clock is told what time it is.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from rollcall.alerts.engine import Engine
from rollcall.alerts.grouping import MailKind
from rollcall.alerts.incidents import Incidents
from rollcall.alerts.inhibition import Inhibition
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.fleet import Fleet
from rollcall.broker.messages import Info, Number, Report
from rollcall.broker.node_view import HeldReport, NodeState, NodeView, Now

_EPOCH: Final = "0" * 16


@dataclass(frozen=True, slots=True)
class RehearsedMail:
    """A mail that would have been sent; `at` in Unix seconds."""

    at: float
    kind: MailKind
    incident: str
    rules: tuple[str, ...]
    members: tuple[Key, ...]


class Turn(NamedTuple):
    """A transition of an alert: when (Unix seconds), from which state to which, and its words."""

    at: float
    key: Key
    before: AlertState
    after: AlertState
    words: str


class Rehearsal:
    """Nodes, alerts and incidents in a time that only `advance` lets pass.

    Nodes are online until they are said not to be. `tick_s` is how finely time passes while
    something is going on; while nothing is, it is skipped.
    """

    def __init__(self, fleet: Fleet, begin: float, *, tick_s: float = 1.0) -> None:
        self._fleet = fleet
        self._engine = Engine(fleet)
        self._incidents = Incidents(self._draw)
        self._numbers = itertools.count(1)
        self._inhibition = Inhibition()
        self._views: dict[str, NodeView] = {}
        self._tick_s = tick_s
        self._minds_silence = any(
            getattr(rule, "no_data", "hold") != "hold" or rule.kind == "absence"
            for rule in fleet.rules.values()
        )
        self._seq = 0
        self.at = begin
        self.mails: list[RehearsedMail] = []
        self.turns: list[Turn] = []

    def node(self, name: str, labels: Mapping[str, str], interval_s: float) -> None:
        """Make a node known, online."""
        info = Info(hostname=name, agent="rehearsal", labels=dict(labels), interval=interval_s)
        self._views[name] = NodeView(
            name=name,
            state=NodeState.ONLINE,
            reason=None,
            since=self.at,
            age_s=0.0,
            held_back=False,
            interval_s=interval_s,
            info=info,
            reports={},
        )

    def status(self, node: str, state: NodeState, reason: str | None) -> None:
        """Say what a node is from now on."""
        view = self._views[node]
        self._views[node] = replace(view, state=state, reason=reason, since=self.at)
        self._judge_what_time_decides()

    def report(
        self,
        node: str,
        collector: str,
        interval_s: float,
        *,
        fields: dict[str, Number | None] | None = None,
        instances: dict[str, dict[str, Number | None]] | None = None,
        error: str | None = None,
    ) -> None:
        """Bring one report of a collector, now."""
        self._seq += 1
        # The recorder or the reader of a test has checked the numbers.
        report = Report.model_construct(
            time=self.at,
            interval=interval_s,
            fields=fields,
            instances=instances,
            error=error,
            clock=None,
            epoch=_EPOCH,
            seq=self._seq,
        )
        view = self._views[node]
        held = HeldReport(report, self._now.monotonic_s)
        view = self._views[node] = replace(view, reports={**view.reports, collector: held})
        changes = self._engine.take_report(view, collector, replayed=False, now=self._now)
        self._apply(changes)

    def advance(self, to: float) -> None:
        """Let time pass until `to` (Unix seconds); what is due in between is done on the way."""
        while self.at < to:
            if self._is_idle():
                self.at = to
                return
            self.at = min(self.at + self._tick_s, to)
            self._judge_what_time_decides()
            if self.at < to:
                self._tell()

    def settle(self) -> None:
        """Do what is due now, after everything that happens at this moment."""
        if not self._is_idle():
            self._judge_what_time_decides()
            self._tell()

    def alert(self, key: Key) -> Alert | None:
        """Give an alert as it stands; None while nothing is wrong."""
        return self._engine.alerts_of(key.rule, key.node).get(key.instance)

    @property
    def _now(self) -> Now:
        return Now(self.at, self.at)

    def _is_idle(self) -> bool:
        return not (self._minds_silence or self._incidents.open or any(True for _ in self._engine))

    def _judge_what_time_decides(self) -> None:
        self._apply(self._engine.tick(self._views.values(), self._now))

    def _apply(self, changes: Iterable[Change]) -> None:
        changes = list(changes)
        self._incidents.take(changes, self._engine.rule_for, self._labels_of, self._now)
        for change in changes:
            if change.is_transition:
                self.turns.append(_turn(change, self.at))

    def _tell(self) -> None:
        rule_of = self._engine.rule_for
        held = self._inhibition.step(self._engine, rule_of)
        for incident, decision in self._incidents.due(rule_of, held, self._now):
            after = self._incidents.told(incident, self._now, held)
            if decision.kind is None or incident.group.is_info:
                continue
            members = tuple(key for key in incident.members if key not in held)
            rules = tuple(sorted({key.rule for key in members}))
            mail = RehearsedMail(self.at, decision.kind, after.id, rules, members)
            self.mails.append(mail)

    def _labels_of(self, node: str) -> Mapping[str, str]:
        view = self._views.get(node)
        return view.info.labels if view and view.info else {}

    def _draw(self, _bits: int) -> int:
        return next(self._numbers)


def _turn(change: Change, at: float) -> Turn:
    before = change.before.state if change.before else AlertState.INACTIVE
    after = change.after.state if change.after else AlertState.INACTIVE
    words = change.after.summary if change.after else change.last_words
    return Turn(at, change.key, before, after, words)
