"""The loop: messages in, alerts judged, alert topics and mails out. Runs on the main thread.

While we are blind (our own way to the broker is closed, or brings nothing back) nothing is judged
and all clocks pause.
"""

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from rollcall.alerts import blindness
from rollcall.alerts.alert_topics import AlertTopics
from rollcall.alerts.assembly import Telling
from rollcall.alerts.blindness import Blindness
from rollcall.alerts.broker_uptime import BrokerUptime
from rollcall.alerts.delivery import DeliveryQueue
from rollcall.alerts.engine import Engine
from rollcall.alerts.evaluation import STOOD_STILL_S
from rollcall.alerts.fleet_in_force import FleetInForce
from rollcall.alerts.health import Health, account_of
from rollcall.alerts.inhibition import Inhibition
from rollcall.alerts.listing import listing
from rollcall.alerts.notice import Shared, Trend
from rollcall.alerts.notifier import Scene
from rollcall.alerts.outbox import Outbox, Stored
from rollcall.alerts.rules import Rule, blindness_rule
from rollcall.alerts.shared_label import shared_by
from rollcall.alerts.shown_alerts import in_words, shown_alerts
from rollcall.alerts.snapshots import EXPIRES_S
from rollcall.alerts.state import AlertState, Change, Key
from rollcall.alerts.trends import Trends
from rollcall.broker import messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.node_view import NodeState, NodeView, Now
from rollcall.broker.session import Arrived, Item, Lost, Ready
from rollcall.broker.topics import Address, Kind, TopicError, Topics

_log = logging.getLogger(__name__)

SERVICE: Final = "alerts"
_RECEIVE_TIMEOUT_S: Final = 0.2
_AT_ONCE: Final = 500
_TICK_S: Final = 1.0
_CHECKPOINT_S: Final = 10.0
_ANNOUNCE_S: Final = 15.0
_UPTIME: Final = "$SYS/broker/uptime"

Clock = Callable[[], Now]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait, in seconds.

    After `blind_after_s` without a working link that is told; for `quiet_s` after a new one nothing
    else is.
    """

    blind_after_s: float = 60.0
    quiet_s: float = 15.0


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """Give the (topic filter, QoS) pairs of the alert service.

    Metrics come at QoS 0: at QoS 1 a broker with default limits hands out 1020 retained ones.
    """
    return [
        (topics.topic_filter(Kind.STATUS, "+"), 1),
        (topics.topic_filter(Kind.INFO, "+"), 1),
        (topics.topic_filter(Kind.METRICS, "+", "+"), 0),
        (topics.topic_filter(Kind.SERVICE_STATUS, "+"), 1),
        (topics.topic_filter(Kind.ALERT, "+", "+"), 1),
        (topics.topic(Kind.FLEET), 1),
        (topics.topic(Kind.COMMAND, SERVICE), 1),
        (topics.topic_filter(Kind.NODE_REPLY, "+", "+"), 1),
        (_UPTIME, 0),
    ]


class Alerter:
    """Judges the cluster by the rules, and tells; `client` is subscribed to `subscriptions`."""

    def __init__(
        self,
        *,
        client: BrokerClient,
        topics: Topics,
        outbox: Outbox,
        telling: Telling,
        queue: DeliveryQueue,
        health: Health,
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._outbox = outbox
        self._notifier = telling.notifier
        self._commands = telling.commands
        self._patience = patience or Patience()
        self._snapshots = telling.snapshots
        self._trends = Trends()
        self._queue = queue
        self._health = health
        self._clock = clock
        self._cluster = Cluster()
        self._in_force = FleetInForce()
        self._engine = Engine(self._in_force.fleet)
        self._trends.watch(rule.metric for rule in self._engine.rules.values())
        self._inhibition = Inhibition()
        self._blindness = Blindness(blindness_rule(self._patience.blind_after_s))
        self._uptime = BrokerUptime()
        self._alert_topics = AlertTopics(topics, self._publish)
        self._own_status = topics.topic(Kind.SERVICE_STATUS, SERVICE)
        self._is_quiet_at_start = False
        self._quiet_until_s = -math.inf
        self._ticked_s = self._checkpoint_s = self._announced_s = clock().monotonic_s
        self._is_stirred = True
        self._refused = 0
        self._last_refusal = ""

    def restore(self, stored: Stored) -> None:
        """Take up the alerts, incidents and mails of before a restart."""
        if stored.fleet:
            self._replace_fleet(stored.fleet, self._clock())
        self._notifier.restore(stored, self._clock())
        self._is_quiet_at_start = bool(stored.incidents)
        blind = self._notifier.incident_of(blindness.KEY)
        if blind is not None:
            self._blindness.restore(blind.opened_at)
        self._engine.lookback.restore(stored.means)
        self._apply(self._engine.restore(stored.alerts), self._clock())

    def run(self, stop: threading.Event) -> None:
        """Run until told to stop; then wait ten seconds at most for a mail under way."""
        try:
            while not stop.is_set():
                self.step()
        finally:
            self._notifier.finish(self._clock())

    def step(self) -> None:
        """Take what has come, and do what is due."""
        item = self._client.receive(_RECEIVE_TIMEOUT_S)
        for _ in range(_AT_ONCE):
            if item is None:
                break
            self._take(item)
            item = self._client.receive(0)
        else:
            if item is not None:
                self._take(item)
        now = self._clock()
        if now.monotonic_s - self._ticked_s >= _TICK_S:
            self._judge_what_time_decides(now)
            self._ticked_s = now.monotonic_s
            self._is_stirred = True
        if now.monotonic_s - self._checkpoint_s >= _CHECKPOINT_S:
            self._checkpoint_s = now.monotonic_s
            self._put_running_clocks()
        # Values that follow the samples can wait for the next second.
        if self._is_stirred or self._notifier.has_outcomes:
            self._is_stirred = False
            self._tell(now)
        for reply in self._commands.replies():
            self._reply(reply)
        if now.monotonic_s - self._announced_s >= _ANNOUNCE_S:
            # What comes back of it shows that the broker hands on what it takes.
            self._announced_s = now.monotonic_s
            self._client.announce()

    def _tell(self, now: Now) -> None:
        """Tell people and the broker how things stand; what is told is on disk before."""
        scene = self._scene(now)
        self._notifier.tick(scene, now)
        if self._client.ready:
            shown = shown_alerts(self._engine, self._cluster, self._notifier, scene, now)
            self._alert_topics.sync(shown)
        self._account(now)

    # Messages in

    def _take(self, item: Item) -> None:
        match item:
            case Ready():
                now = self._clock()
                self._blindness.linked(now)
                self._begin_hold_down(now, quiet=self._is_quiet_at_start)
                self._is_quiet_at_start = True
                self._alert_topics.reconnected()
                self._is_stirred = True
                # The birth of this connection was written before we knew how we fare.
                self._client.announce()
            case Lost():
                self._blindness.lost()
                self._engine.pause()
            case Arrived():
                try:
                    self._take_message(item, self._time_of(item))
                except (DecodeError, TopicError) as error:
                    self._refuse(item.topic, str(error))
                except Exception:  # noqa: BLE001 - one message is this thread's unit of work
                    _log.exception("fault while taking a message on %s", item.topic)
                    self._refused += 1

    def _begin_hold_down(self, now: Now, *, quiet: bool) -> None:
        """Take "down" for an echo for a while: a broker that restarts declares everybody lost."""
        self._cluster.connected(now)
        self._engine.connected(now)
        if quiet:
            self._quiet_until_s = now.monotonic_s + self._patience.quiet_s

    def _take_message(self, item: Arrived, now: Now) -> None:
        if item.topic == _UPTIME:
            if self._uptime.has_fallen(item.payload, now):
                self._begin_hold_down(now, quiet=True)
            return
        if item.topic == self._own_status and not item.replayed:
            self._blindness.echoed(now)
        address = self._topics.parse(item.topic)
        if self._is_for_us(address, item, now):
            return
        self._cluster.fold(address, item.payload, replayed=item.replayed, now=now)
        if address.kind is Kind.METRICS and item.payload:
            self._take_report(address, replayed=item.replayed, now=now)
        elif address.kind is Kind.STATUS and not item.payload:
            self._apply(self._engine.remove_node(address.name), now)
            self._trends.forget(address.name)

    def _is_for_us(self, address: Address, item: Arrived, now: Now) -> bool:
        """Take what is no news of the cluster's state; say whether it was that."""
        match address.kind:
            case Kind.FLEET:
                self._replace_fleet(item.payload, now)
            case Kind.ALERT:
                if item.replayed and item.payload:
                    self._alert_topics.found(address.leaf, address.name)
            case Kind.COMMAND:
                self._carry_out(item, now)
            case Kind.NODE_REPLY:
                self._snapshots.take_reply(address.name, address.leaf, item.payload, now)
            case _:
                return False
        return True

    def _carry_out(self, item: Arrived, now: Now) -> None:
        def listed(everything: bool) -> JsonValue:  # noqa: FBT001 - a Listing
            notifier = self._notifier
            held = notifier.held(self._scene(now), now)
            known = (self._engine, notifier.incidents, self._rule_of, held, now)
            return listing(*known, undelivered=notifier.undelivered, everything=everything)

        self._is_stirred = True
        reply = self._commands.take(item.payload, listed, now, replayed=item.replayed)
        if reply is not None:
            self._reply(reply)

    def _reply(self, reply: messages.Reply) -> None:
        topic = self._topics.topic(Kind.SERVICE_REPLY, SERVICE, reply.id)
        self._client.publish(topic, messages.encode(reply))

    def _take_report(self, address: Address, *, replayed: bool, now: Now) -> None:
        view = self._cluster.node(address.name, now)
        # What is replayed comes before we are told that the link is made.
        if view is None:
            return
        held = view.reports.get(address.leaf)
        if held is not None and not replayed:
            self._trends.note(view.name, address.leaf, held.report, now)
        if replayed or self._blindness.sees(now):
            changes = self._engine.take_report(view, address.leaf, replayed=replayed, now=now)
            self._apply(changes, now)

    def _replace_fleet(self, payload: bytes, now: Now) -> None:
        """Put a document into force; a bad one changes nothing and is shown as a problem."""
        in_force = self._in_force
        if in_force.take(payload):
            self._apply(self._engine.adopt(in_force.fleet), now)
            self._outbox.put_fleet(payload)
            self._trends.watch(rule.metric for rule in self._engine.rules.values())
            _log.info("in force: %s, %d rules", in_force.source, len(self._engine.rules))
        elif in_force.faults:
            self._refuse(self._topics.topic(Kind.FLEET), "; ".join(in_force.faults))

    def _refuse(self, topic: str, why: str) -> None:
        self._refused += 1
        refusal = f"{topic}: {why}"
        if refusal != self._last_refusal:
            self._last_refusal = refusal
            _log.warning("refused a message on %s", refusal)

    def _time_of(self, item: Arrived) -> Now:
        now = self._clock()
        return Now(now.wall_s - (now.monotonic_s - item.at_s), item.at_s)

    # What follows from them

    def _judge_what_time_decides(self, now: Now) -> None:
        if now.monotonic_s - self._ticked_s > STOOD_STILL_S or not self._blindness.sees(now):
            self._engine.pause()
        self._apply(self._blindness.step(now), now)
        if self._blindness.sees(now):
            self._apply(self._engine.tick(self._cluster.nodes(now), now), now)

    def _apply(self, changes: list[Change], now: Now) -> None:
        self._notifier.take(changes, self._rule_of, self._labels_of, now)
        self._ask_for_processes(changes, now)
        for change in changes:
            if change.is_transition:
                self._is_stirred = True
                _log.info("%s", in_words(change))
            rule, node, _ = change.key
            is_over = change.after is None and change.key != blindness.KEY
            if is_over and not self._engine.alerts_of(rule, node):
                told = change.before is not None and change.before.is_told
                incident = self._notifier.incident_of(change.key) if told else None
                self._alert_topics.ended(change, incident.id if incident else None, now.wall_s)

    def _ask_for_processes(self, changes: list[Change], now: Now) -> None:
        def is_online(node: str) -> bool:
            view = self._cluster.node(node, now)
            return view is not None and view.state is NodeState.ONLINE

        for asked in self._snapshots.questions(changes, self._rule_of, is_online, now):
            topic = self._topics.topic(Kind.COMMAND, asked.node)
            self._client.publish(topic, messages.encode(asked.command), expiry_s=EXPIRES_S)

    def _put_running_clocks(self) -> None:
        for alert in self._engine:
            if alert.state in {AlertState.PENDING, AlertState.RECOVERING}:
                self._outbox.put_alert(alert.key, alert)
        self._outbox.put_means(self._engine.lookback.closed())

    def _rule_of(self, key: Key) -> Rule | None:
        return self._blindness.rule if key == blindness.KEY else self._engine.rule_for(key)

    def _labels_of(self, node: str) -> Mapping[str, str]:
        view = self._cluster.node(node, self._clock())
        return view.info.labels if view and view.info else {}

    def _in_group(self, group: str, node: str) -> bool:
        return group in self._in_force.fleet.groups_of(node, self._labels_of(node))

    def _scene(self, now: Now) -> Scene:
        def views() -> dict[str, NodeView]:
            return {view.name: view for view in self._cluster.nodes(now)}

        def shared(nodes: Sequence[str], known: Mapping[str, NodeView]) -> Shared | None:
            return shared_by(nodes, known, self._in_force.fleet.groups_of)

        def trend_of(key: Key) -> Trend | None:
            rule = self._rule_of(key)
            metric = rule.metric if rule else None
            return self._trends.of(key.node, metric, key.instance, now) if metric else None

        return Scene(
            rule_of=self._rule_of,
            labels_of=self._labels_of,
            in_group=self._in_group,
            inhibited=self._inhibition.step(self._engine, self._engine.rule_for),
            views=views,
            shared=shared,
            trend_of=trend_of,
            processes_of=lambda node: self._snapshots.of(node, now),
            source=self._in_force.source,
            places=self._in_force.places,
            quiet=now.monotonic_s < self._quiet_until_s,
        )

    def _publish(self, topic: str, payload: bytes, retained: bool) -> bool:  # noqa: FBT001 - a Publish
        return self._client.publish(topic, payload, retain=retained)

    def _account(self, now: Now) -> None:
        account = account_of(
            queue=self._queue,
            alerts=self._engine,
            rules=len(self._engine.rules),
            rules_from=self._in_force.source,
            problems=[
                *self._in_force.faults,
                *self._in_force.remarks,
                *self._engine.conflicts,
                self._outbox.fault,
            ],
            lost={"refused": self._refused, "dropped": self._client.dropped},
            wall_s=now.wall_s,
            blind=not self._blindness.sees(now),
        )
        if self._health.update(account):
            self._client.announce()
