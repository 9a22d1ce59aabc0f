"""Stories of alerts as data, told to the real core on a held clock.

A series is written `V` (a value), `VxN` (V and N more), `_`, `null`, `error`, `gone` (no report, no
number, a failed report, the instance not in it), each `xN` being N of them. The first comes at 0 s.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rollcall.alerts.engine import Engine
from rollcall.alerts.flapping import Turns
from rollcall.alerts.grouping import Incident, MailKind
from rollcall.alerts.grouping import Told as AlertTold
from rollcall.alerts.incidents import Incidents
from rollcall.alerts.inhibition import Inhibition
from rollcall.alerts.rules import Rule
from rollcall.alerts.state import Change, Key
from rollcall.broker import fleet, messages
from rollcall.broker.cluster import Cluster
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind

START = 1_767_571_200.0  # Monday 2026-01-05 00:00 UTC
EPOCH = "9f3c21d07a5be4c8"
NODE = "pi-3"

Told = tuple[float, MailKind, str]


def steps(series: str) -> Iterator[str]:
    for word in series.split():
        what, _, count = word.partition("x")
        is_value = re.fullmatch(r"-?[0-9.]+", what) is not None
        yield from [what] * (int(count or (0 if is_value else 1)) + is_value)


class Story:
    """Nodes and one held clock; `told` collects the mails as (seconds, kind, incident).

    `said` is what people were told of each alert, each time that it was something else.
    `wall_ahead_s` is how far a step of our own wall clock has put it off; `silenced` are alerts
    that somebody has silenced.
    """

    def __init__(
        self, document: Mapping[str, Any], *, interval_s: int = 10, everywhere: bool = True
    ) -> None:
        self.fleet = fleet.read(document, everywhere=everywhere)
        self.engine = Engine(self.fleet)
        self.cluster = Cluster()
        self.inhibition = Inhibition()
        self.drawn = 0
        self.incidents = Incidents(self._draw)
        self.interval_s = interval_s
        self.at_s = 0.0
        self.seq = 0
        self.session = 1
        self.fired: list[float] = []
        self.ended: list[tuple[float, str]] = []
        self.told: list[Told] = []
        self.silenced: dict[Key, str] = {}
        self.stored_turns: dict[Key, Turns | None] = {}
        self.said: dict[Key, list[AlertTold]] = {}
        self.clock_behind_s = 0.0
        self.clock_marked = False
        self.wall_ahead_s = 0.0
        self._rebooted_s = 5000.0

    @property
    def now(self) -> Now:
        return Now(START + self.at_s + self.wall_ahead_s, self._rebooted_s + self.at_s)

    @property
    def mails(self) -> list[tuple[float, str]]:
        return [(at, kind.value) for at, kind, _ in self.told]

    def _draw(self, _bits: int) -> int:
        self.drawn += 1
        return self.drawn

    def online(
        self, node: str = NODE, session: int | None = None, *, replayed: bool = False
    ) -> None:
        birth = messages.Online(
            since=START,
            session=self.session if session is None else session,
            epoch=EPOCH,
            interval=self.interval_s,
            seq=self.seq,
        )
        self.fold(Address(Kind.STATUS, node), messages.encode(birth), replayed=replayed)

    def offline(
        self,
        reason: messages.Interrupted = "lost",
        node: str = NODE,
        session: int | None = None,
        *,
        replayed: bool = False,
    ) -> None:
        number = self.session if session is None else session
        will = messages.Offline(reason=reason, session=number, epoch=EPOCH)
        self.fold(Address(Kind.STATUS, node), messages.encode(will), replayed=replayed)

    def announce(self, labels: Mapping[str, str], node: str = NODE) -> None:
        info = messages.Info(
            hostname=node, agent="1.0.0", interval=self.interval_s, labels=dict(labels)
        )
        self.fold(Address(Kind.INFO, node), messages.encode(info))

    def fold(self, address: Address, payload: bytes, *, replayed: bool = False) -> None:
        self.cluster.fold(address, payload, replayed=replayed, now=self.now)

    def report(
        self,
        step: str,
        *,
        instance: str = "",
        replayed: bool = False,
        node: str = NODE,
        metric: str = "cpu.percent",
        seq: int | None = None,
    ) -> None:
        """Bring one report of one field."""
        self.seq += 1
        collector, _, field = metric.partition(".")
        number: float | None = float(step) if re.fullmatch(r"-?[0-9.]+", step) else None
        fields: dict[str, Any] = {field: number}
        body: dict[str, Any] = {"fields": fields}
        if instance:
            body = {"instances": {instance: fields}}
        if step == "gone":
            body = {"instances": {}} if instance else {"fields": {}}
        elif step == "error":
            body = {"error": "failed: no reading"}
        report = messages.Report.model_validate(
            {
                "epoch": EPOCH,
                "seq": seq or self.seq,
                "time": START + self.at_s - self.clock_behind_s,
                "interval": self.interval_s,
                "clock": "unsynchronized" if self.clock_marked else None,
                **body,
            }
        )
        address = Address(Kind.METRICS, node, collector)
        self.fold(address, messages.encode(report), replayed=replayed)
        view = self.cluster.node(node, self.now)
        assert view is not None
        self.apply(self.engine.take_report(view, collector, replayed=replayed, now=self.now))

    def apply(self, changes: list[Change]) -> None:
        for change in changes:
            was = change.before is not None and change.before.is_told
            now = change.after is not None and change.after.is_told
            if now and not was:
                self.fired.append(self.at_s)
            elif was and not now:
                self.ended.append((self.at_s, change.reason))
        self.incidents.take(changes, self.rule_of, self.labels_of, self.now)

    def rule_of(self, key: Key) -> Rule | None:
        return self.engine.rule_for(key)

    def labels_of(self, node: str) -> Mapping[str, str]:
        view = self.cluster.node(node, self.now)
        return view.info.labels if view and view.info else {}

    def adopt(self, document: Mapping[str, Any], *, everywhere: bool = True) -> list[Change]:
        self.fleet = fleet.read(document, everywhere=everywhere)
        changes = self.engine.adopt(self.fleet)
        self.apply(changes)
        return changes

    def play(self, series: str, *, instance: str = "", metric: str = "cpu.percent") -> None:
        """Report by report, with the seconds between them passing tick by tick."""
        for step in steps(series):
            if step != "_":
                self.online()
                self.report(step, instance=instance, metric=metric)
            self.tell()
            self.pass_time(self.interval_s)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.at_s += 1
            self.tick()

    def tick(self) -> None:
        self.apply(self.engine.tick(self.cluster.nodes(self.now), self.now))
        self.tell()

    def tell(self) -> None:
        held = {**self.inhibition.step(self.engine, self.rule_of), **self.silenced}
        for incident, decision in self.incidents.due(self.rule_of, held, self.now):
            assert decision.kind is not None
            self.told.append((self.at_s, decision.kind, incident.id))
            after = self.incidents.told(incident, self.now, held)
            for key, member in after.members.items():
                if member.told is not incident.members[key].told:
                    self.said.setdefault(key, []).append(member.told)

    def restart(self, down_s: float) -> None:
        """Lose everything but what the database keeps, on a host whose monotonic clock restarts."""
        kept = [replace(alert, counted_s=None, missing_s=None) for alert in self.engine]
        self.stored_turns.update(self.incidents.changed_turns())
        turns = [turns for turns in self.stored_turns.values() if turns]
        self.engine = Engine(self.fleet)
        self.at_s += down_s
        self._rebooted_s -= down_s + 4000
        incidents = [self._as_stored(incident) for incident in self.incidents.open]
        self.incidents = Incidents(self._draw)
        self.incidents.restore(incidents, turns)
        self.inhibition = Inhibition()
        self.cluster = Cluster()
        self.apply(self.engine.restore(kept))

    def _as_stored(self, incident: Incident) -> Incident:
        told_s = None
        if incident.told_at is not None:
            told_s = self.now.monotonic_s - (self.now.wall_s - incident.told_at)
        return replace(incident, opened_s=self.now.monotonic_s, told_s=told_s)
