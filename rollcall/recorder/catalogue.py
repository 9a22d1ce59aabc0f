"""What the database knows, in memory: identifiers by name, ledgers, who is there.

Loaded within a transaction, kept in step by the one writer, and thrown away whenever a
transaction fails.
"""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sqlalchemy import text
from sqlalchemy.engine import Connection

from rollcall.broker.fleet import Fleet
from rollcall.recorder import fleet_history
from rollcall.recorder.ledger import Interval, Ledger
from rollcall.recorder.own_events import CollectorError
from rollcall.recorder.presence import Presence
from rollcall.recorder.units import Unit

_NEW_NODE: Final = text("INSERT INTO node (name) VALUES (:name) RETURNING node_id")
_NEW_EPOCH: Final = text(
    "INSERT INTO epoch (node_id, epoch) VALUES (:node_id, :epoch) RETURNING epoch_id"
)
_NODES: Final = "SELECT node_id, name, units, labels FROM node"
_ERRORS: Final = "SELECT node_id, collector, error, ts FROM collector_error"
_EPOCHS: Final = "SELECT epoch_id, node_id, epoch FROM epoch"
_LEDGERS: Final = "SELECT epoch_id, first_seq, last_seq, reason FROM ledger"
_PRESENCES: Final = (
    "SELECT node_id, state, reason, since_ts, last_seen_ts, epoch, session, interval_s, "
    "newest_seq FROM presence"
)
_CHOSEN: Final = " WHERE node_id IN (SELECT node_id FROM node WHERE name = ANY(:nodes))"
_OF_NODES: Final = " WHERE epoch_id IN (SELECT epoch_id FROM epoch{})"


# The key of a series that the present transaction has still to make.
UNMADE: Final = 0


@dataclass(slots=True)
class KnownSeries:
    """A series: its key in the database and the time of its oldest sample."""

    series_id: int
    first_ts: int


@dataclass
class Catalogue:
    """All names and ledgers of one database."""

    nodes: dict[str, int] = field(default_factory=dict)
    epochs: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    series: dict[tuple[int, str, str], KnownSeries] = field(default_factory=dict)
    units: dict[int, dict[str, Unit]] = field(default_factory=dict)
    ledgers: dict[int, Ledger] = field(default_factory=lambda: defaultdict(Ledger))
    presences: dict[int, Presence] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: dict[tuple[int, str], CollectorError] = field(default_factory=dict)
    clocks_told: dict[int, int] = field(default_factory=dict)
    fleet: Fleet | None = None
    new_nodes: set[str] = field(default_factory=set)
    rejections: int = 0

    @classmethod
    def load(cls, connection: Connection) -> Self:
        """Read everything within the transaction of `connection`."""
        made = cls()
        made._read_nodes(connection, "", {})
        query = "SELECT series_id, node_id, metric, instance, first_ts FROM series_key"
        for row in connection.execute(text(query)):
            key = (row.node_id, row.metric, row.instance)
            made.series[key] = KnownSeries(row.series_id, row.first_ts)
        count = connection.execute(text("SELECT count(*) FROM rejection")).scalar_one()
        made.rejections = count
        made.fleet = fleet_history.newest(connection)
        return made

    def refresh(self, connection: Connection, nodes: Collection[str]) -> None:
        """Read anew what another recorder may have written of these nodes, on PostgreSQL."""
        for epochs in (self.epochs[self.nodes[name]] for name in nodes if name in self.nodes):
            for epoch_id in epochs.values():
                self.ledgers.pop(epoch_id, None)
        self._read_nodes(connection, _CHOSEN, {"nodes": sorted(nodes)})

    def node_id(self, connection: Connection, name: str) -> int:
        """Give the key of a node, made when it is new."""
        known = self.nodes.get(name)
        if known is None:
            known = int(connection.execute(_NEW_NODE, {"name": name}).scalar_one())
            self.nodes[name] = known
            self.labels[name] = {}
            self.new_nodes.add(name)
        return known

    def epoch_id(self, connection: Connection, node_id: int, epoch: str) -> int:
        """Give the key of a node's epoch, made when it is new."""
        known = self.epochs[node_id].get(epoch)
        if known is None:
            values = {"node_id": node_id, "epoch": epoch}
            known = int(connection.execute(_NEW_EPOCH, values).scalar_one())
            self.epochs[node_id][epoch] = known
        return known

    def current_epoch(self, name: str) -> tuple[str, Ledger] | None:
        """Give the epoch a node lives in, with its ledger; None while none is known.

        That of its newest birth, else the newest one that was ever heard of.
        """
        node_id = self.nodes.get(name)
        if node_id is None or not self.epochs[node_id]:
            return None
        epochs = self.epochs[node_id]
        born = self.presences.get(node_id, Presence()).epoch
        epoch = born if born in epochs else max(epochs, key=epochs.__getitem__)
        return epoch, self.ledgers[epochs[epoch]]

    def _read_nodes(self, connection: Connection, chosen: str, values: dict[str, Any]) -> None:
        for row in connection.execute(text(_NODES + chosen), values):
            self.nodes[row.name] = row.node_id
            told = json.loads(row.units or "{}")
            self.units[row.node_id] = {metric: Unit(*unit) for metric, unit in told.items()}
            self.labels[row.name] = json.loads(row.labels or "{}")
        for row in connection.execute(text(_EPOCHS + chosen), values):
            self.epochs[row.node_id][row.epoch] = row.epoch_id
        self._read_ledgers(connection, chosen, values)
        for row in connection.execute(text(_PRESENCES + chosen), values):
            node_id, *known = row
            self.presences[node_id] = Presence(*known)
        for row in connection.execute(text(_ERRORS + chosen), values):
            self.errors[row.node_id, row.collector] = CollectorError(row.error, row.ts)

    def _read_ledgers(self, connection: Connection, chosen: str, values: dict[str, Any]) -> None:
        intervals: dict[int, list[Interval]] = defaultdict(list)
        of_nodes = _OF_NODES.format(chosen) if chosen else ""
        for row in connection.execute(text(_LEDGERS + of_nodes), values):
            intervals[row.epoch_id].append(Interval(row.first_seq, row.last_seq, row.reason))
        self.ledgers.update({key: Ledger(found) for key, found in intervals.items()})
