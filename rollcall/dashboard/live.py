"""The cluster as browsers see it: messages in, frames out.

A frame is a `snapshot` (everything) or a `delta` (what changed since the viewer's last frame). For
each viewer only the names of what changed are kept, never a queue: a slow browser gets fewer, but
complete frames, in bounded memory. Each node is written as JSON once a tick, however many look.
Pure: the caller gives messages and times.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from rollcall.broker.cluster import SEVERITIES, Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import Alert, Report, ServiceOnline, Severity
from rollcall.broker.node_view import NodeView, Now, urgency_rank
from rollcall.broker.session import Arrived, Item, Lost, Ready
from rollcall.broker.topics import Address, Kind, TopicError, Topics
from rollcall.dashboard import cards
from rollcall.dashboard.trend import TREND, Trend

_COLLECTOR, _, _FIELD = TREND.partition(".")
_OF_NODES: Final = frozenset({Kind.STATUS, Kind.INFO, Kind.METRICS, Kind.APPLIED, Kind.ALERT})


@dataclass(eq=False, slots=True)
class Viewer:
    """One browser: the nodes that changed since its last frame, and whether what is around did."""

    changed: set[str] = field(default_factory=set)
    trends: set[str] = field(default_factory=set)
    surroundings: bool = False


class Live:
    """Folds what the broker says, and writes frames for viewers; `now` is the time of the start."""

    def __init__(self, topics: Topics, *, cluster_name: str, now: Now) -> None:
        self.cluster = Cluster()
        self.rejected = 0
        self._topics = topics
        self._name = cluster_name
        self._link: dict[str, JsonValue] = {"state": "connecting", "since": now.wall_s}
        self._alerts: dict[str, dict[str, Alert]] = {}
        self._trends: dict[str, Trend] = {}
        self._cards: dict[str, str] = {}
        self._standing: dict[str, tuple[object, ...]] = {}
        self._dirty: set[str] = set()
        self._seeded: set[str] = set()
        self._surroundings = True
        self._lost_at: dict[str, float] = {}
        self._viewers: set[Viewer] = set()

    @property
    def viewers(self) -> int:
        """How many browsers look."""
        return len(self._viewers)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._link["state"] == "connected"

    # Messages in

    def take(self, item: Item, now: Now) -> None:
        """Take in what the broker client has; what cannot be read is counted and passed over."""
        match item:
            case Ready():
                self.cluster.connected(now)
                self._note_link({"state": "connected", "since": now.wall_s})
            case Lost(reason):
                since = self._link["since"] if self._link["state"] == "lost" else now.wall_s
                self._note_link({"state": "lost", "since": since, "reason": reason})
            case Arrived():
                heard = Now(now.wall_s - (now.monotonic_s - item.at_s), item.at_s)
                try:
                    self._fold(item, heard)
                except (DecodeError, TopicError):
                    self.rejected += 1

    def _fold(self, arrived: Arrived, now: Now) -> None:
        address = self._topics.parse(arrived.topic)
        self.cluster.fold(address, arrived.payload, replayed=arrived.replayed, now=now)
        if address.kind in _OF_NODES:
            self._dirty.add(address.name)
        elif address.kind is Kind.SERVICE_STATUS:
            self._surroundings = True
            if arrived.replayed:
                self._lost_at.pop(address.name, None)
            else:
                self._lost_at[address.name] = now.wall_s
        if address.kind is Kind.ALERT:
            self._index_alert(address)
        elif address.kind is Kind.METRICS and address.leaf == _COLLECTOR and not arrived.replayed:
            self._extend_trend(address.name, now)

    def _index_alert(self, address: Address) -> None:
        alert = self.cluster.alerts.get((address.name, address.leaf))
        of_node = self._alerts.setdefault(address.name, {})
        if alert is None:
            of_node.pop(address.leaf, None)
        else:
            of_node[address.leaf] = alert

    def _extend_trend(self, name: str, now: Now) -> None:
        view = self.cluster.node(name, now)
        report: Report | None = view.reports[_COLLECTOR].report if view else None
        number = (report.fields or {}).get(_FIELD) if report else None
        if number is not None:
            self._trends.setdefault(name, Trend()).take(number, now.wall_s)

    def seed(self, means: Mapping[str, Mapping[int, float]]) -> None:
        """Take in what was recorded of the last hour: by node, the means of minutes since 1970."""
        for name, of_node in means.items():
            self._trends.setdefault(name, Trend()).seed(of_node)
        self._seeded |= means.keys()

    def _note_link(self, link: dict[str, JsonValue]) -> None:
        self._link = link
        self._surroundings = True

    # Frames out

    def join(self, now: Now) -> tuple[Viewer, str]:
        """Add a viewer; give it, and its first frame."""
        self.tick(now)
        viewer = Viewer()
        self._viewers.add(viewer)
        return viewer, self.snapshot(now)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)

    def tick(self, now: Now) -> None:
        """Work out what changed, for all viewers at once; at most once a second is enough."""
        views = self.cluster.nodes(now)
        for view in views:
            standing = (view.state, view.reason, view.held_back)
            if self._standing.get(view.name) != standing:
                self._standing[view.name] = standing
                self._dirty.add(view.name)
        ended = {name for name, trend in self._trends.items() if trend.settle(now.wall_s)}
        ended |= self._seeded | {view.name for view in views if view.name not in self._cards}
        gone = self._cards.keys() - {view.name for view in views}
        for name in gone:
            del self._cards[name]
            self._trends.pop(name, None)
            self._standing.pop(name, None)
        for view in views:
            if view.name in self._dirty:
                self._cards[view.name] = json.dumps(self._card(view, now), separators=(",", ":"))
        for viewer in self._viewers:
            viewer.changed |= (self._dirty & self._cards.keys()) | gone
            viewer.trends |= ended & self._trends.keys() & self._cards.keys()
            viewer.surroundings |= self._surroundings
        self._dirty, self._seeded, self._surroundings = set(), set(), False

    def snapshot(self, now: Now) -> str:
        """Write everything as JSON."""
        trends = {
            name: self._points(name, now)
            for name in sorted(self._trends.keys() & self._cards.keys())
        }
        return self._frame(sorted(self._cards), trends, now, around=True)

    def delta(self, viewer: Viewer, now: Now) -> str | None:
        """Write what changed since the viewer's last frame as JSON; None when nothing did."""
        if not (viewer.changed or viewer.trends or viewer.surroundings):
            return None
        here = sorted(viewer.changed & self._cards.keys())
        gone = sorted(viewer.changed - self._cards.keys())
        trends = {name: self._points(name, now) for name in sorted(viewer.trends)}
        frame = self._frame(here, trends, now, around=viewer.surroundings, gone=gone)
        viewer.changed, viewer.trends, viewer.surroundings = set(), set(), False
        return frame

    def details(self, name: str, now: Now) -> cards.Card | None:
        """Give everything one node last said; None for a node that was never heard of."""
        view = self.cluster.node(name, now)
        if view is None:
            return None
        drift = self.cluster.drift(view)
        return {**self._card(view, now), **cards.details(view, drift, now)}

    def _frame(
        self,
        names: Iterable[str],
        trends: dict[str, list[int | None]],
        now: Now,
        *,
        around: bool,
        gone: Iterable[str] = (),
    ) -> str:
        parts = [
            f'"time":{now.wall_s:.3f}',
            f'"nodes":[{",".join(map(self._cards.__getitem__, names))}]',
        ]
        if gone:
            parts.append(f'"gone":{json.dumps(list(gone))}')
        if trends:
            parts.append(f'"trends":{json.dumps(trends, separators=(",", ":"))}')
        if around:
            parts.append(f'"around":{json.dumps(self._around(), separators=(",", ":"))}')
        return "{" + ",".join(parts) + "}"

    def _card(self, view: NodeView, now: Now) -> cards.Card:
        alerts = self._alerts.get(view.name, {})
        return cards.card(view, alerts, rank=urgency_rank(view, _worst(alerts)), now=now)

    def _points(self, name: str, now: Now) -> list[int | None]:
        trend = self._trends.get(name)
        return trend.points(now.wall_s) if trend else []

    def _around(self) -> dict[str, JsonValue]:
        return {
            "cluster": self._name,
            "broker": self._link,
            "services": {
                name: {
                    "state": status.state,
                    # A last will cannot know when; we heard it.
                    "since": self._lost_at.get(name) if status.since is None else status.since,
                    "health": status.health if isinstance(status, ServiceOnline) else {},
                    "reason": None if isinstance(status, ServiceOnline) else status.reason,
                }
                for name, status in sorted(self.cluster.services.items())
                if name != "dashboard"
            },
        }


def _worst(alerts: Mapping[str, Alert]) -> Severity | None:
    firing = {alert.severity for alert in alerts.values() if alert.state == "firing"}
    return next((severity for severity in SEVERITIES if severity in firing), None)
