"""The findings of one batch into rows, within one transaction.

`take` goes through the findings in order and asks the ledger; `finish` writes what came together,
one statement for each table. The ledger makes it exactly once: what it holds is skipped.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.broker.messages import Online
from rollcall.recorder import (
    alert_changes,
    fleet_history,
    new_series,
    own_events,
    rejections,
    samples,
)
from rollcall.recorder.catalogue import UNMADE, Catalogue, KnownSeries
from rollcall.recorder.engine import Database, SampleRow
from rollcall.recorder.findings import (
    AlertFound,
    AlertOver,
    EventFound,
    Finding,
    FleetFound,
    InfoFound,
    NeverComes,
    Number,
    Refused,
    ReportFound,
    Seen,
    StatusFound,
)
from rollcall.recorder.ledger import Ledger
from rollcall.recorder.new_series import SeriesKey
from rollcall.recorder.own_events import CollectorError, OwnEvent
from rollcall.recorder.presence import Change, Presence, with_sign_of_life, with_status
from rollcall.recorder.units import Unit

Row = dict[str, Any]

_UNIT: Final = text(
    "UPDATE series_key SET unit = :unit, kind = :kind WHERE node_id = :node_id AND metric = :metric"
)
_INFO: Final = text(
    "UPDATE node SET address = :address, model = :model, os = :os, agent = :agent, "
    "description = :description, units = :units, labels = :labels WHERE node_id = :node_id"
)
_PRESENCE: Final = text(
    "INSERT INTO presence (node_id, state, reason, since_ts, last_seen_ts, epoch, session, "
    "interval_s, newest_seq) VALUES (:node_id, :state, :reason, :since_ts, :last_seen_ts, "
    ":epoch, :session, :interval_s, :newest_seq) ON CONFLICT (node_id) DO UPDATE SET "
    "state = excluded.state, reason = excluded.reason, since_ts = excluded.since_ts, "
    "last_seen_ts = excluded.last_seen_ts, epoch = excluded.epoch, session = excluded.session, "
    "interval_s = excluded.interval_s, newest_seq = excluded.newest_seq"
)
_CHANGE: Final = text(
    "INSERT INTO availability_change (node_id, ts, state, reason) "
    "VALUES (:node_id, :ts, :state, :reason) ON CONFLICT (node_id, ts) DO UPDATE SET "
    "state = excluded.state, reason = excluded.reason"
)
_EVENT: Final = text(
    "INSERT INTO event (node_id, ts, kind, source, detail) "
    "VALUES (:node_id, :ts, :kind, :source, :detail)"
)
_FAILS: Final = text(
    "INSERT INTO collector_error (node_id, collector, error, ts) "
    "VALUES (:node_id, :collector, :error, :ts) ON CONFLICT (node_id, collector) "
    "DO UPDATE SET error = excluded.error, ts = excluded.ts"
)
_WORKS: Final = text(
    "DELETE FROM collector_error WHERE node_id = :node_id AND collector = :collector"
)
_SPAN_GONE: Final = text("DELETE FROM ledger WHERE epoch_id = :epoch_id AND first_seq = :first_seq")
_SPAN: Final = text(
    "INSERT INTO ledger (epoch_id, first_seq, last_seq, reason) "
    "VALUES (:epoch_id, :first_seq, :last_seq, :reason) ON CONFLICT (epoch_id, first_seq) "
    "DO UPDATE SET last_seq = excluded.last_seq, reason = excluded.reason"
)


@dataclass(slots=True)
class Stored:
    """What a batch came to; `nodes` are those whose receipt should be said again."""

    reports: int = 0
    events: int = 0
    samples: int = 0
    duplicates: int = 0
    rejected: int = 0
    nodes: set[str] = field(default_factory=set)

    def add(self, other: "Stored") -> None:
        """Add the counts of another batch."""
        self.reports += other.reports
        self.events += other.events
        self.samples += other.samples
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        self.nodes |= other.nodes


class Transaction:
    """One batch on its way into `database`; changes `catalogue` as it goes."""

    def __init__(self, connection: Connection, catalogue: Catalogue, database: Database) -> None:
        self._connection = connection
        self._database = database
        self._catalogue = catalogue
        self._stored = Stored()
        self._samples: list[SampleRow] = []
        self._new_series: dict[SeriesKey, KnownSeries] = {}
        self._waiting: list[tuple[int, float, KnownSeries]] = []
        self._events: list[Row] = []
        self._refused: list[Refused] = []
        self._ledgers_before: dict[int, Ledger] = {}
        self._present: set[int] = set()

    def take(self, finding: Finding) -> None:
        """Take in one finding. Raises what the database raises."""
        match finding:
            case ReportFound():
                self._add_report(finding)
            case EventFound():
                self._add_event(finding)
            case Seen():
                self._see(finding)
            case StatusFound():
                self._change_status(finding)
            case InfoFound():
                self._learn(finding)
            case FleetFound():
                self._catalogue.fleet = fleet_history.write(self._connection, finding)
                self._regroup(self._catalogue.nodes)
            case NeverComes(node, epoch, first, last, reason):
                self._ledger(node, epoch).add(first, last, reason)
            case AlertFound() | AlertOver():
                alert_changes.write(self._connection, self._node_id(finding.node), finding)
            case Refused():
                self._refuse(finding)

    def finish(self) -> Stored:
        """Write what came together. Raises what the database raises."""
        if self._new_series:
            new_series.make(self._connection, self._new_series, self._catalogue.units)
            self._samples += [(ts, value, made.series_id) for ts, value, made in self._waiting]
        if self._samples:
            self._stored.samples = samples.write(self._connection, self._database, self._samples)
        if self._events:
            self._connection.execute(_EVENT, self._events)
        if self._refused:
            self._stored.rejected = len(self._refused)
            self._catalogue.rejections = rejections.write(
                self._connection, self._refused, self._catalogue.rejections
            )
        self._regroup(self._catalogue.new_nodes)
        self._catalogue.new_nodes.clear()
        self._write_presences()
        for epoch_id, before in self._ledgers_before.items():
            self._write_ledger(epoch_id, before, self._catalogue.ledgers[epoch_id])
        return self._stored

    def _node_id(self, name: str) -> int:
        return self._catalogue.node_id(self._connection, name)

    def _presence(self, node_id: int) -> Presence:
        return self._catalogue.presences.get(node_id) or Presence()

    def _remember(self, node_id: int, presence: Presence) -> None:
        self._catalogue.presences[node_id] = presence
        self._present.add(node_id)

    def _ledger(self, node: str, epoch: str) -> Ledger:
        node_id = self._node_id(node)
        epoch_id = self._catalogue.epoch_id(self._connection, node_id, epoch)
        ledger = self._catalogue.ledgers[epoch_id]
        if epoch_id not in self._ledgers_before:
            self._ledgers_before[epoch_id] = ledger.copy()
            self._stored.nodes.add(node)
        return ledger

    def _is_new(self, number: Number) -> bool:
        is_new = self._ledger(number.node, number.epoch).take(number.seq)
        self._stored.duplicates += not is_new
        return is_new

    def _refuse(self, refused: Refused) -> None:
        if refused.number is None or self._is_new(refused.number):
            self._refused.append(refused)

    def _add_report(self, report: ReportFound) -> None:
        if self._is_new(report.number):
            self._stored.reports += 1
            node_id = self._node_id(report.number.node)
            self._add_samples(node_id, report)
            self._note(node_id, report)

    def _add_samples(self, node_id: int, report: ReportFound) -> None:
        known, ts = self._catalogue.series, report.ts
        for metric, instance, value in report.samples:
            key = (node_id, metric, instance)
            series = known.get(key)
            if series is None:
                series = known[key] = self._new_series[key] = KnownSeries(UNMADE, ts)
            if series.series_id == UNMADE:
                series.first_ts = min(series.first_ts, ts)
                self._waiting.append((ts, value, series))
                continue
            if ts < series.first_ts:
                new_series.be_older(self._connection, series, ts)
            self._samples.append((ts, value, series.series_id))

    def _note(self, node_id: int, report: ReportFound) -> None:
        """Write down what a report says beside its numbers: an error, a wrong clock."""
        known = self._catalogue.errors.get((node_id, report.collector))
        event = own_events.of_collector(report.collector, known, report.error, report.ts)
        if event is not None:
            self._set_error(node_id, report)
            self._tell(node_id, event)
        told_ts = self._catalogue.clocks_told.get(node_id)
        event = own_events.of_clock(report.clock_off_ms, told_ts, report.ts)
        if event is not None:
            self._catalogue.clocks_told[node_id] = event.ts
            self._tell(node_id, event)

    def _set_error(self, node_id: int, report: ReportFound) -> None:
        key = (node_id, report.collector)
        values = {"node_id": node_id, "collector": report.collector, "ts": report.ts}
        if report.error is None:
            del self._catalogue.errors[key]
            self._connection.execute(_WORKS, values)
        else:
            self._catalogue.errors[key] = CollectorError(report.error, report.ts)
            self._connection.execute(_FAILS, {**values, "error": report.error})

    def _tell(self, node_id: int, event: OwnEvent) -> None:
        detail = json.dumps(event.detail, separators=(",", ":"))
        row = {"node_id": node_id, "ts": event.ts, "kind": event.kind, "detail": detail}
        self._events.append({**row, "source": own_events.SOURCE})

    def _add_event(self, event: EventFound) -> None:
        if not self._is_new(event.number):
            return
        self._stored.events += 1
        self._events.append(
            {
                "node_id": self._node_id(event.number.node),
                "ts": event.ts,
                "kind": event.kind,
                "source": event.source,
                "detail": event.detail,
            }
        )

    def _see(self, seen: Seen) -> None:
        node_id = self._node_id(seen.node)
        presence, changes = with_sign_of_life(self._presence(node_id), seen)
        self._remember(node_id, presence)
        self._write_changes(node_id, changes)

    def _regroup(self, nodes: Iterable[str]) -> None:
        labels_of = {node: self._catalogue.labels.get(node, {}) for node in nodes}
        if labels_of:
            known = self._catalogue
            fleet_history.write_groups(self._connection, known.fleet, labels_of, known.nodes)

    def _change_status(self, found: StatusFound) -> None:
        node_id = self._node_id(found.node)
        presence, changes = with_status(self._presence(node_id), found)
        self._remember(node_id, presence)
        if isinstance(found.status, Online):
            # A new epoch has a receipt from its birth on: nothing is held yet.
            self._ledger(found.node, found.status.epoch)
        self._write_changes(node_id, changes)

    def _write_changes(self, node_id: int, changes: Iterable[Change]) -> None:
        for change in changes:
            self._connection.execute(_CHANGE, {"node_id": node_id, **change._asdict()})

    def _learn(self, info: InfoFound) -> None:
        node_id = self._node_id(info.node)
        known = self._catalogue.units.get(node_id, {})
        for metric, unit in info.units.items():
            if known.get(metric) != unit:
                self._set_unit(node_id, metric, unit)
        self._catalogue.units[node_id] = dict(info.units)
        values = {
            "node_id": node_id,
            "address": info.address,
            "model": info.model,
            "os": info.os,
            "agent": info.agent,
            "description": info.description,
            "units": json.dumps(dict(info.units)),
            "labels": json.dumps(dict(info.labels)),
        }
        self._connection.execute(_INFO, values)
        if self._catalogue.labels.get(info.node) != info.labels:
            self._catalogue.labels[info.node] = dict(info.labels)
            self._regroup([info.node])

    def _set_unit(self, node_id: int, metric: str, unit: Unit) -> None:
        values = {"node_id": node_id, "metric": metric, "unit": unit.name, "kind": unit.kind}
        self._connection.execute(_UNIT, values)

    def _write_presences(self) -> None:
        rows = []
        for node_id in self._present:
            known = self._catalogue.presences[node_id]
            values = {name: getattr(known, name) for name in Presence.__dataclass_fields__}
            rows.append({"node_id": node_id, **values})
        if rows:
            self._connection.execute(_PRESENCE, rows)

    def _write_ledger(self, epoch_id: int, before: Ledger, after: Ledger) -> None:
        changed = set(after.intervals) - set(before.intervals)
        kept = {span.first for span in after.intervals}
        gone = [span.first for span in before.intervals if span.first not in kept]
        if gone:
            rows = [{"epoch_id": epoch_id, "first_seq": first} for first in gone]
            self._connection.execute(_SPAN_GONE, rows)
        if changed:
            spans = [
                {
                    "epoch_id": epoch_id,
                    "first_seq": span.first,
                    "last_seq": span.last,
                    "reason": span.reason,
                }
                for span in changed
            ]
            self._connection.execute(_SPAN, spans)
