"""Stories of alerts as data, told to the real core on a held clock.

A series is written `V` (a value), `VxN` (V and N more), `_`, `null`, `error`, `gone` (no report, no
number, a failed report, the instance not in it), each `xN` being N of them. The first comes at 0 s.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rollcall.alerts.engine import Engine
from rollcall.alerts.grouping import Incident, MailKind, due, opened
from rollcall.alerts.state import Change
from rollcall.broker import fleet, messages
from rollcall.broker.cluster import Cluster, Now
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
    """One node, one held clock; `told` collects the mails as (seconds, kind, incident)."""

    def __init__(self, document: Mapping[str, Any], *, interval_s: int = 10) -> None:
        self.fleet = fleet.read(document, everywhere=True)
        self.engine = Engine(self.fleet)
        self.cluster = Cluster()
        self.incidents: dict[str, Incident] = {}
        self.interval_s = interval_s
        self.at_s = 0.0
        self.seq = 0
        self.fired: list[float] = []
        self.ended: list[tuple[float, str]] = []
        self.told: list[Told] = []
        self.clock_behind_s = 0.0
        self.clock_marked = False
        self._rebooted_s = 5000.0

    @property
    def now(self) -> Now:
        return Now(START + self.at_s, self._rebooted_s + self.at_s)

    def online(self) -> None:
        birth = messages.Online(
            since=START, session=1, epoch=EPOCH, interval=self.interval_s, seq=self.seq
        )
        self.fold(Address(Kind.STATUS, NODE), messages.encode(birth))

    def offline(self, reason: messages.Interrupted = "lost") -> None:
        will = messages.Offline(reason=reason, session=1, epoch=EPOCH)
        self.fold(Address(Kind.STATUS, NODE), messages.encode(will))

    def fold(self, address: Address, payload: bytes, *, replayed: bool = False) -> None:
        self.cluster.fold(address, payload, replayed=replayed, now=self.now)

    def report(self, step: str, *, instance: str = "", replayed: bool = False) -> None:
        """Bring one report; its collector and field are those of `cpu.percent`."""
        self.seq += 1
        number: float | None = float(step) if re.fullmatch(r"-?[0-9.]+", step) else None
        fields: dict[str, Any] = {"percent": number}
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
                "seq": self.seq,
                "time": START + self.at_s - self.clock_behind_s,
                "interval": self.interval_s,
                "clock": "unsynchronized" if self.clock_marked else None,
                **body,
            }
        )
        self.fold(Address(Kind.METRICS, NODE, "cpu"), messages.encode(report), replayed=replayed)
        view = self.cluster.node(NODE, self.now)
        assert view is not None
        self.apply(self.engine.take_report(view, "cpu", replayed=replayed, now=self.now))

    def apply(self, changes: list[Change]) -> None:
        for change in changes:
            was = change.before is not None and change.before.is_told
            now = change.after is not None and change.after.is_told
            if now and not was:
                self.fired.append(self.at_s)
            elif was and not now:
                self.ended.append((self.at_s, change.reason))
            if was or now:
                name = change.key.rule
                rule = self.engine.rules[name]
                held = self.incidents.get(name) or opened(rule, len(self.told) * 1000 + 1, self.now)
                self.incidents[name] = held.with_change(change, self.now)

    def play(self, series: str, *, instance: str = "") -> None:
        """Report by report, with the seconds between them passing tick by tick."""
        for step in steps(series):
            if step != "_":
                self.online()
                self.report(step, instance=instance)
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
        for name, incident in list(self.incidents.items()):
            decision = due(incident, self.engine.rules[name].timing, self.now.monotonic_s)
            if incident.is_over_untold:
                del self.incidents[name]
            elif decision.kind is not None:
                self.told.append((self.at_s, decision.kind, incident.id))
                self.incidents[name] = incident.with_mail(self.now)
                if decision.kind is MailKind.END:
                    del self.incidents[name]

    def restart(self, down_s: float) -> None:
        """Lose everything but what the database keeps, on a host whose monotonic clock restarts."""
        kept = [replace(alert, counted_s=None, missing_s=None) for alert in self.engine]
        self.engine = Engine(self.fleet)
        self.at_s += down_s
        self._rebooted_s -= down_s + 4000
        self.incidents = {
            name: replace(
                incident,
                opened_s=self.now.monotonic_s,
                told_s=None
                if incident.told_at is None
                else self.now.monotonic_s - (self.now.wall_s - incident.told_at),
            )
            for name, incident in self.incidents.items()
        }
        self.cluster = Cluster()
        self.apply(self.engine.restore(kept))
