"""Go to the broker once, and hear what it retains and, where that matters, what comes live."""

import contextlib
import datetime as dt
import re
import shlex
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rollcall import __version__
from rollcall.broker import broker_check
from rollcall.broker.client.probe import Door, Heard, Probe, knock
from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import RECEIPT, Receipt, ServiceOnline
from rollcall.broker.node_view import NodeState, Now
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import ANNOUNCED, Kind, Role, TopicError, Topics, role_of
from rollcall.console.doctor.broker_checks import BrokerSeen, Failure, Junk, Validity
from rollcall.console.doctor.node_checks import NodesSeen, needs_listening
from rollcall.console.gather import now
from rollcall.console.identity import identity_of, may_read_answers
from rollcall.service.settings import Broker

ANSWERS_WITHIN_S: Final = 5.0
LISTENS_S: Final = 12.0
_POLL_S: Final = 0.2
_RECEIPTED_WITHIN_S: Final = 5.0
_VERSION_TOPIC: Final = "$SYS/broker/version"
_NUMBERS: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_BESIDE_NODES: Final = (Kind.FLEET, Kind.RECEIPT, Kind.ALERT, Kind.SERVICE_STATUS)
_CREDENTIALS: Final = "rollcall config check"


@dataclass(slots=True)
class Listened:
    """What was heard up to `now`; `junk` is retained and of no use.

    `receipts` are by node, with their arrival in monotonic seconds; None: retained.
    """

    cluster: Cluster
    now: Now
    receipts: dict[str, tuple[Receipt, float | None]] = field(default_factory=dict)
    junk: list[Junk] = field(default_factory=list)
    version: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to the broker: as `broker` says, under the name `identity`.

    `is_free`: nobody who is connected under this name would be thrown out. `configured` is the way
    that is configured, where we do not go it ourselves; None: it is the same, or nobody's.
    """

    broker: Broker
    identity: str | None
    is_free: bool = True
    configured: Broker | None = None


def is_taken(identity: str | None, broker: Broker, node: str | None) -> bool:
    """Say whether another program is likely to be connected under our name, and would be ended.

    Our own brokers make the user name the client id: of nodes and of services that is.
    """
    if identity is None or role_of(identity) is Role.ADMIN:
        return False
    bound = broker.certificate_file is not None or identity == node
    return bound or role_of(identity) in ANNOUNCED


def hear(
    way: Way,
    seen: BrokerSeen,
    start: str,
    *,
    only: str | None = None,
    wait: Callable[[str], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> tuple[BrokerSeen, Listened | None]:
    """Go there; give what is now known of the broker, and what was heard, None for nothing.

    `only` is a node to be heard live, whatever is retained of it. `wait` gets the reason for which
    it listens on. Never raises for what can go wrong at the broker.
    """
    try:
        outside, door = door_of(way.configured or way.broker), door_of(way.broker)
    except (OSError, ValueError) as error:
        text = f"the credentials for {seen.where} cannot be read: {error}"
        return replace(seen, failure=Failure(text, _CREDENTIALS)), None
    try:
        seen = replace(seen, server=_validity(knock(outside, ANSWERS_WITHIN_S)))
        if not way.is_free:
            return replace(seen, unasked=way.identity or ""), None
        with Probe(door, timeout_s=ANSWERS_WITHIN_S) as probe:
            limits = broker_check.too_small(probe.granted_limits, way.broker.keep_alive)
            listened = _listened(probe, way, only, wait)
    except OSError as error:
        failed = BrokerError(f"{seen.where}: {error}")
        failed.__cause__ = error
        return replace(seen, failure=_failure(failed, outside, seen.init, start)), None
    except BrokerError as error:
        return replace(seen, failure=_failure(error, outside, seen.init, start)), None
    is_open = way.identity is None and not door.tls and not door.socket
    seen = replace(seen, version=listened.version, too_small=limits, is_open=is_open)
    return seen, listened


def door_of(broker: Broker) -> Door:
    """Give the way in that the configuration means. Raises OSError, ssl.SSLError, ValueError."""
    if broker.host.startswith("/"):
        door = Door(socket=Path(broker.host))
    else:
        door = Door(host=broker.host, port=broker.port)
    if broker.username:
        file = broker.password_file
        password = file.read_text("utf-8").rstrip("\r\n") if file else None
        door = replace(door, username=broker.username, password=password)
    if broker.ca_file is None:
        return door
    context = ssl.create_default_context(cafile=str(broker.ca_file))
    if broker.certificate_file:
        context.load_cert_chain(broker.certificate_file, broker.key_file)
    return replace(door, tls=context)


def _failure(error: BrokerError, door: Door, init: str, start: str) -> Failure:
    found = broker_check.explained(error, door, init=init, start=start)
    return Failure(found.text, found.remedy)


def _validity(peer: object) -> Validity | None:
    end = peer.get("notAfter") if isinstance(peer, dict) else None
    if not isinstance(end, str):
        return None
    return Validity("", dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(end), dt.UTC))


def _listened(
    probe: Probe,
    way: Way,
    only: str | None,
    wait: Callable[[str], contextlib.AbstractContextManager[object]],
) -> Listened:
    topics = Topics(way.broker.prefix)
    cluster = Cluster(hears_answers=may_read_answers(way.identity))
    listened = Listened(cluster, now())
    folding = _Folding(topics, listened, way.broker)
    filters = [topics.topic_filter(kind, *["+"] * topics.places(kind)) for kind in _BESIDE_NODES]
    probe.subscribe(_VERSION_TOPIC, topics.nodes_filter, *filters)
    folding.take(probe.heard())
    listened.now = now()
    awaited = needs_listening(NodesSeen(cluster, listened.now, __version__))
    if only is not None:
        view = cluster.node(only, listened.now)
        awaited = [only] if view and view.state in {NodeState.ONLINE, NodeState.STALE} else []
    if awaited:
        with wait(f"listening to {', '.join(awaited[:3])} for up to {LISTENS_S:.0f} s"):
            _listen_on(probe, folding, only)
    folding.find_nodes_without_status()
    return listened


def _listen_on(probe: Probe, folding: "_Folding", only: str | None) -> None:
    listened = folding.listened
    until_s = time.monotonic() + LISTENS_S
    while time.monotonic() < until_s and not probe.lost.is_set():
        time.sleep(_POLL_S)
        folding.take(probe.heard())
        listened.now = now()
        seen = NodesSeen(listened.cluster, listened.now, __version__)
        if only is None and not needs_listening(seen):
            return
        if only is not None and _has_come(listened, only):
            return


def _has_come(listened: Listened, node: str) -> bool:
    """Say whether a report of `node` was heard live, and its receipt if one is to be expected."""
    view = listened.cluster.node(node, listened.now)
    live = [
        (held.arrived_s, held.report.seq)
        for held in (view.reports.values() if view else ())
        if held.arrived_s is not None
    ]
    if not live:
        return False
    receipt, _ = listened.receipts.get(node, (None, None))
    services = listened.cluster.services.items()
    stores = any(
        isinstance(status, ServiceOnline) and role_of(name) is Role.RECORDER
        for name, status in services
    )
    newest_seq = max(seq for _, seq in live)
    is_receipted = receipt is not None and receipt.through >= newest_seq
    patience_is_over = listened.now.monotonic_s - min(live)[0] > _RECEIPTED_WITHIN_S
    return is_receipted or not stores or patience_is_over


class _Folding:
    """Takes messages into what was heard, and notes those that nobody can use."""

    def __init__(self, topics: Topics, listened: Listened, broker: Broker) -> None:
        self.listened = listened
        self._topics = topics
        self._broker = broker

    def take(self, messages: Sequence[Heard]) -> None:
        for message in messages:
            if message.topic == _VERSION_TOPIC:
                numbers = _NUMBERS.search(message.payload.decode("utf-8", "replace"))
                self.listened.version = tuple(map(int, numbers.groups())) if numbers else None
                continue
            try:
                self._fold(message)
            except TopicError:
                if message.retained:
                    self._note(message.topic, "nobody knows this topic")
            except DecodeError as error:
                if message.retained:
                    self._note(message.topic, f"cannot be read: {error}")

    def find_nodes_without_status(self) -> None:
        """Note what is retained of nodes that never said that they live."""
        for view in self.listened.cluster.nodes(self.listened.now):
            if view.state is not NodeState.UNKNOWN:
                continue
            kinds = [(Kind.METRICS, name) for name in sorted(view.reports)]
            kinds += [(Kind.INFO, "")] if view.info else []
            kinds += [(Kind.APPLIED, "")] if view.applied else []
            for kind, name in kinds:
                topic = self._topics.topic(kind, view.name, *filter(None, [name]))
                self._note(topic, f"{view.name} never said that it lives")

    def _fold(self, message: Heard) -> None:
        address = self._topics.parse(message.topic)
        if address.kind is Kind.RECEIPT:
            if message.payload:
                arrived_s = None if message.retained else time.monotonic()
                found = RECEIPT.decode(message.payload)
                self.listened.receipts[address.name] = (found, arrived_s)
            return
        cluster = self.listened.cluster
        cluster.fold(address, message.payload, replayed=message.retained, now=now())

    def _note(self, topic: str, why: str) -> None:
        remedy = " ".join([*_publishing(self._broker), "-r -n -t", shlex.quote(topic)])
        self.listened.junk.append(Junk(topic, why, remedy))


def _publishing(broker: Broker) -> Iterator[str]:
    """Give the words of a `mosquitto_pub` that gets in as we do."""
    yield "mosquitto_pub"
    if broker.host.startswith("/"):
        yield f"--unix {shlex.quote(broker.host)}"
    else:
        yield f"-h {shlex.quote(broker.host)} -p {broker.port}"
    for option, file in (
        ("--cafile", broker.ca_file),
        ("--cert", broker.certificate_file),
        ("--key", broker.key_file),
    ):
        if file is not None:
            yield f"{option} {shlex.quote(str(file))}"
    if broker.username and broker.password_file:
        secret = shlex.quote(str(broker.password_file))
        yield f'-u {shlex.quote(broker.username)} -P "$(cat {secret})"'


def way_of(broker: Broker, operator: Broker | None, node: str | None) -> Way:
    """Choose the way in: the operator's where there is one, else the configured one."""
    if operator is not None:
        is_configured = bool(broker.model_fields_set - {"prefix"})
        configured = broker if is_configured else None
        return Way(operator, operator.username, configured=configured)
    identity = identity_of(broker)
    return Way(broker, identity, is_free=not is_taken(identity, broker, node))
