"""The loop: messages in, alerts judged, alert topics and mails out. Runs on the main thread.

While our own way to the broker is closed, nothing is judged and all clocks pause.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from rollcall.alerts.alert_topics import AlertTopics, Pair, alert_message
from rollcall.alerts.delivery import DeliveryQueue
from rollcall.alerts.engine import Engine
from rollcall.alerts.evaluation import STOOD_STILL_S
from rollcall.alerts.health import Health, account_of
from rollcall.alerts.notifier import Notifier
from rollcall.alerts.outbox import Outbox, Stored
from rollcall.alerts.rules import Rule
from rollcall.alerts.state import AlertState, Change
from rollcall.broker import fleet, messages
from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster, NodeState, NodeView, Now, stale_after_s
from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.broker.messages import Info
from rollcall.broker.session import Arrived, Item, Lost, Ready
from rollcall.broker.topics import Address, Kind, TopicError, Topics

_log = logging.getLogger(__name__)

_RECEIVE_TIMEOUT_S: Final = 0.2
_AT_ONCE: Final = 500
_TICK_S: Final = 1.0
_CHECKPOINT_S: Final = 10.0
_BUILT_IN: Final = "built-in rules"

Clock = Callable[[], Now]


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
    ]


class Alerter:
    """Judges the cluster by the rules, and tells; `client` is subscribed to `subscriptions`."""

    def __init__(
        self,
        *,
        client: BrokerClient,
        topics: Topics,
        outbox: Outbox,
        notifier: Notifier,
        queue: DeliveryQueue,
        health: Health,
        clock: Clock,
    ) -> None:
        self._client = client
        self._topics = topics
        self._outbox = outbox
        self._notifier = notifier
        self._queue = queue
        self._health = health
        self._clock = clock
        self._cluster = Cluster()
        self._engine = Engine(fleet.built_in())
        self._alert_topics = AlertTopics(topics, self._publish)
        self._in_force = b""
        self._source = _BUILT_IN
        self._fleet_faults: list[str] = []
        self._unused: list[str] = []
        self._linked = False
        self._ticked_s = self._checkpoint_s = clock().monotonic_s
        self._refused = 0
        self._last_refusal = ""

    def restore(self, stored: Stored) -> None:
        """Take up the alerts, incidents and mails of before a restart."""
        if stored.fleet:
            self._replace_fleet(stored.fleet, self._clock())
        self._notifier.restore(stored)
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
            self._judge_presence(now)
            self._ticked_s = now.monotonic_s
        if now.monotonic_s - self._checkpoint_s >= _CHECKPOINT_S:
            self._checkpoint_s = now.monotonic_s
            self._put_running_clocks()
        self._outbox.commit(now)
        if self._linked:
            self._alert_topics.sync(self._alert_messages(now))
        self._notifier.tick(self._engine.rules, self._info_of, self._source, now)
        self._account(now)

    # Messages in

    def _take(self, item: Item) -> None:
        match item:
            case Ready():
                self._linked = True
                self._cluster.connected(self._clock())
                self._alert_topics.reconnected()
                # The birth of this connection was written before we knew how we fare.
                self._client.announce()
            case Lost():
                self._linked = False
                self._engine.pause()
            case Arrived():
                try:
                    self._take_message(item, self._time_of(item))
                except (DecodeError, TopicError) as error:
                    self._refuse(item.topic, str(error))
                except Exception:  # noqa: BLE001 - one message is this thread's unit of work
                    _log.exception("fault while taking a message on %s", item.topic)
                    self._refused += 1

    def _take_message(self, item: Arrived, now: Now) -> None:
        address = self._topics.parse(item.topic)
        match address.kind:
            case Kind.FLEET:
                self._replace_fleet(item.payload, now)
                return
            case Kind.ALERT:
                if item.replayed and item.payload:
                    self._alert_topics.found(address.leaf, address.name)
                return
        self._cluster.fold(address, item.payload, replayed=item.replayed, now=now)
        if address.kind is Kind.METRICS and item.payload:
            self._take_report(address, replayed=item.replayed, now=now)
        elif address.kind is Kind.STATUS and not item.payload:
            self._apply(self._engine.remove_node(address.name), now)

    def _take_report(self, address: Address, *, replayed: bool, now: Now) -> None:
        view = self._cluster.node(address.name, now)
        if view is not None:
            changes = self._engine.take_report(view, address.leaf, replayed=replayed, now=now)
            self._apply(changes, now)

    def _replace_fleet(self, payload: bytes, now: Now) -> None:
        """Put a document into force; a bad one changes nothing and is shown as a problem."""
        self._fleet_faults = []
        if payload == self._in_force:
            return
        try:
            adopted, source = _read_fleet(payload)
        except (DecodeError, FleetError) as error:
            found = error.problems if isinstance(error, FleetError) else [str(error)]
            self._fleet_faults = [f"fleet document refused: {problem}" for problem in found]
            self._refuse(self._topics.topic(Kind.FLEET), str(error))
            return
        self._in_force, self._source = payload, source
        self._unused = [
            f"rule {name} holds nowhere: no template or node names it"
            for name in adopted.unused_rules()
        ]
        self._apply(self._engine.adopt(adopted), now)
        self._outbox.put_fleet(payload)
        _log.info("in force: %s, %d rules", source, len(self._engine.rules))

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

    def _judge_presence(self, now: Now) -> None:
        if now.monotonic_s - self._ticked_s > STOOD_STILL_S:
            self._engine.pause()
        if self._linked:
            self._apply(self._engine.tick(self._cluster.nodes(now), now), now)

    def _apply(self, changes: list[Change], now: Now) -> None:
        self._notifier.take(changes, self._engine.rules, now)
        for change in changes:
            if change.is_transition:
                _log.info("%s", _told(change))
            rule, node, _ = change.key
            if change.after is None and not self._engine.alerts_of(rule, node):
                told = change.before is not None and change.before.is_told
                incident = self._notifier.incident_of(rule) if told else None
                self._alert_topics.ended(change, incident, now.wall_s)

    def _put_running_clocks(self) -> None:
        for alert in self._engine:
            if alert.state in {AlertState.PENDING, AlertState.RECOVERING}:
                self._outbox.put_alert(alert.key, alert)

    def _alert_messages(self, now: Now) -> dict[Pair, messages.Alert]:
        found = {}
        for name, node in self._engine.active:
            rule = self._engine.rules[name]
            stale = _is_stale(rule, self._cluster.node(node, now), now)
            alerts = self._engine.alerts_of(name, node)
            incident = self._notifier.incident_of(name)
            found[name, node] = alert_message(rule, alerts, incident, stale=stale)
        return found

    def _publish(self, topic: str, payload: bytes, retained: bool) -> bool:  # noqa: FBT001 - a Publish
        return self._client.publish(topic, payload, retain=retained)

    def _info_of(self, node: str) -> Info | None:
        view = self._cluster.node(node, self._clock())
        return view.info if view else None

    def _account(self, now: Now) -> None:
        account = account_of(
            queue=self._queue,
            alerts=self._engine,
            rules=len(self._engine.rules),
            rules_from=self._source,
            problems=[*self._fleet_faults, *self._unused, self._outbox.fault],
            refused=self._refused,
            dropped=self._client.dropped,
            wall_s=now.wall_s,
        )
        if self._health.update(account):
            self._client.announce()


def _read_fleet(payload: bytes) -> tuple[Fleet, str]:
    if not payload:
        return fleet.built_in(), _BUILT_IN
    message = messages.FLEET.decode(payload)
    return fleet.read(message.document), f"fleet revision {message.revision}"


def _is_stale(rule: Rule, view: NodeView | None, now: Now) -> bool:
    """Say whether no fresh report backs a metric alert; presence is never stale."""
    if rule.limit is None:
        return False
    held = view.reports.get(rule.limit.collector) if view else None
    if view is None or held is None or view.state is not NodeState.ONLINE:
        return True
    age_s = held.age_s(now)
    return age_s is None or age_s > stale_after_s(held.report.interval)


def _told(change: Change) -> str:
    rule, node, instance = change.key
    subject = f"{rule} on {node} {instance}".rstrip()
    if change.after is None:
        return f"{subject}: over ({change.reason})"
    return f"{subject}: {change.after.state}: {change.after.summary}"
