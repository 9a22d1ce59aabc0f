"""One MQTT 5 session that says the truth about itself.

paho's network thread does one thing: it puts what happened into an inbox. Everything else runs on
the one thread that calls `receive`, `publish` and `acknowledge`, at least once a second.

Birth, last will and goodbye go to one retained topic. After every CONNECT: subscribe, birth, and
only when the broker has acknowledged the birth `Ready`; until then `publish` refuses, because what
paho queues while offline is sent after the birth, and old state would overwrite new.
"""

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from rollcall.broker.announcement import Announcement
from rollcall.broker.client.births import Births
from rollcall.broker.client.ending import cut, said_goodbye
from rollcall.broker.client.paho_setup import (
    acknowledge,
    connect_properties,
    guarded,
    load_credentials,
    make,
    publish_properties,
    reload_credentials,
    spread_reconnects,
    subscribe,
    will_properties,
    without_delay,
)
from rollcall.broker.client.turning import TurningClient
from rollcall.broker.client.unanswered import Unanswered
from rollcall.broker.codec import MAX_PAYLOAD_BYTES
from rollcall.broker.session import Arrived, BrokerError, Endpoint, Item, Lost, Ready, Session

if TYPE_CHECKING:
    from ssl import SSLContext

_log = logging.getLogger(__name__)

_ACKNOWLEDGED_WITHIN_S: Final = 30.0
_GOODBYE_WITHIN_S: Final = 2.0
_REFUSED_RETRY_S: Final = 60
_MAX_UNACKNOWLEDGED: Final = 1000
# With TLS 1.3 a refused certificate shows as nothing else, and paho knows no reason.
_NO_ANSWER: Final = "the connection ended without an answer; is our certificate expired or revoked?"
_FENCE: Final = "rollcall/nobody/subscribes/to/this"


class BrokerClient:
    """A session with the broker, kept alive for ever; a context manager.

    `subscriptions` are (topic filter, QoS) pairs, renewed at every connection; to hear of its own
    status a client subscribes to it. `receive` calls `watchdog` whenever the network thread has
    moved since the last call; waiting to connect anew is moving. Entering raises BrokerError when
    credentials cannot be read; an unreachable broker is no error, it is tried again with jitter
    between 1 and 30 s.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        announcement: Announcement | None = None,
        session: Session | None = None,
        watchdog: Callable[[], None] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._session = session or Session()
        self._announcement = announcement
        self._watchdog = watchdog
        self._subscriptions = list(subscriptions)
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._unanswered = Unanswered()
        self._fence = threading.Lock()
        self._generation = 0
        self._connected = False
        self._resumed = False
        self._ready = False
        self._birth_mid = -1
        self._births = Births()
        self._progress_s = 0.0
        self._last_refusal = ""
        self._denied = False
        self.dropped = 0
        self.connections = 0
        self.attempts = 0
        self._waits_since_s = 0.0
        self._tls: SSLContext | None = None
        self._paho = self._make(client_id)

    def __enter__(self) -> Self:
        self._tls = load_credentials(self._paho, self._endpoint)
        self._paho.connect_async(
            self._endpoint.host,
            self._endpoint.port,
            keepalive=self._endpoint.keep_alive,
            clean_start=self._session.expiry_s == 0,
            properties=connect_properties(
                self._session,
                will_delay_s=self._endpoint.will_delay if self._announcement else None,
            ),
        )
        spread_reconnects(self._paho)
        self._paho.loop_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ready and said_goodbye(self._paho, self._announcement, _GOODBYE_WITHIN_S):
            self._paho.disconnect()
        else:
            cut(self._paho)
        self._paho.drop_out_messages()
        self._paho.loop_stop()

    @property
    def ready(self) -> bool:
        """Whether the broker has taken our birth on the present connection."""
        return self._ready

    @property
    def has_tried(self) -> bool:
        """Whether a first attempt to connect has come to its end, good or bad."""
        return self.connections > 0 or self._last_refusal != ""

    @property
    def next_attempt_s(self) -> float | None:
        """In how many seconds the next of `attempts` to connect is due; None when none is."""
        wait_s = self._paho._reconnect_delay  # noqa: SLF001 - paho keeps its wait to itself
        if self._connected or wait_s is None:
            return None
        return max(self._waits_since_s + wait_s - time.monotonic(), 0.0)

    @property
    def unacknowledged(self) -> int:
        """How many published messages the broker has not acknowledged yet."""
        self._unanswered.settle(self._generation)
        return len(self._unanswered)

    @property
    def publish_failures(self) -> int:
        """How many published messages the broker has refused."""
        return self._unanswered.refused

    def receive(self, timeout_s: float) -> Item | None:
        """Give the next item, or None after `timeout_s`. Looks after the session on the way.

        Whoever takes what is there, with a timeout of 0, has that done when nothing is left. Raises
        BrokerError when the network thread has died: the process should end and be started again.
        """
        if timeout_s == 0 and not self._inbox.empty():
            return self._taken()
        self._look_after_session()
        # Waiting to connect is moving, too.
        if self._watchdog is not None and (self._paho.has_turned() or self.next_attempt_s):
            self._watchdog()
        return self._taken(timeout_s)

    def wake(self) -> None:
        """Let `receive` give None at once, whoever calls and on which thread."""
        self._inbox.put(None)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        """Hand a QoS 1 message to the broker; False, and nothing kept, when it cannot go now.

        Raises ValueError for a payload the contract forbids: sent, it would end the connection.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")
        if not self._ready or self.unacknowledged >= _MAX_UNACKNOWLEDGED:
            return False
        return self._send(topic, payload, retain=retain, expiry_s=expiry_s)

    def subscribe(self, subscriptions: Sequence[tuple[str, int]], *, replay: bool = True) -> None:
        """Subscribe now, and again at every later connection.

        Without `replay` nothing that is retained comes now.
        """
        self._subscriptions.extend(subscriptions)
        if self._connected:
            subscribe(self._paho, subscriptions, replay=replay)

    def unsubscribe(self, subscriptions: Sequence[tuple[str, int]]) -> None:
        """Subscribe to these no more."""
        self._subscriptions = [each for each in self._subscriptions if each not in subscriptions]
        if self._connected:
            self._paho.unsubscribe([name for name, _ in subscriptions])

    def acknowledge(self, *arrived: Arrived) -> bool:
        """Acknowledge messages, only on the connection that brought them; say whether any went.

        paho's acknowledgements have no memory of the connection, and message ids are reused.
        """
        with self._fence:
            mine = [each for each in arrived if each.generation == self._generation]
            return acknowledge(self._paho, [each.mid for each in mine if each.qos])

    def announce(self) -> None:
        """Publish the birth again now, because something in it has changed."""
        self._births.hurry()

    def reconnect(self) -> None:
        """Connect anew now, because something in the last will has changed."""
        cut(self._paho)

    def _taken(self, timeout_s: float = 0) -> Item | None:
        try:
            item = self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None
        if item is not None:
            self._heal_status(item)
        return item

    def _look_after_session(self) -> None:
        thread = self._paho._thread  # noqa: SLF001 - paho tells nobody that its thread has died
        if thread is None or not thread.is_alive():
            raise BrokerError("the network thread has died; the service has to be started again")
        self._unanswered.settle(self._generation)
        now = time.monotonic()
        if self._ready and self._announcement and self._births.is_due(now):
            self._births.said(now)
            announcement = self._announcement
            self._send(announcement.topic, announcement.birth(), retain=True, expiry_s=None)
        waiting_since_s = self._unanswered.oldest_s(now) if self._ready else self._progress_s
        if self._connected and now - waiting_since_s > _ACKNOWLEDGED_WITHIN_S:
            _log.warning("the broker acknowledges nothing; connecting anew")
            cut(self._paho)

    def _heal_status(self, item: Item) -> None:
        mine = self._announcement
        if isinstance(item, Ready):
            self._unanswered.clear()
        elif (
            mine is not None
            and isinstance(item, Arrived)
            and not item.replayed  # what was there before our birth
            and item.topic == mine.topic
            and mine.is_denied_by(item.payload)
            and self._births.heal()
        ):
            _log.warning("our status topic says that we are not alive; saying that we are")

    def _send(self, topic: str, payload: bytes, *, retain: bool, expiry_s: int | None) -> bool:
        properties = publish_properties(expiry_s)
        info = self._paho.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._unanswered.sent(info.mid, time.monotonic())
        return True

    def _make(self, client_id: str) -> TurningClient:
        paho = make(client_id, self._endpoint, self._session)
        paho.max_queued_messages_set(_MAX_UNACKNOWLEDGED + 10)
        paho.on_pre_connect = guarded(self._on_pre_connect)
        paho.on_connect = guarded(self._on_connect)
        paho.on_connect_fail = guarded(self._on_connect_fail)
        paho.on_disconnect = guarded(self._on_disconnect)
        paho.on_message = guarded(self._on_message)
        paho.on_publish = guarded(self._on_publish)
        paho.on_subscribe = guarded(self._on_subscribe)
        paho.on_unsubscribe = guarded(self._on_unsubscribe)
        paho.on_socket_open = guarded(without_delay)
        return paho

    def _on_pre_connect(self, paho: Client, _user: Any) -> None:
        self.attempts += 1
        self._paho.turns += 1
        reload_credentials(paho, self._tls, self._endpoint)
        if self._announcement is not None:
            paho.will_set(
                self._announcement.topic,
                self._announcement.will(),
                qos=1,
                retain=True,
                properties=will_properties(self._endpoint.will_delay),
            )

    def _on_connect(
        self, paho: Client, _user: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._denied = True
            self._refused(f"refused by the broker: {reason}")
            return
        paho.drop_out_messages()
        with self._fence:
            self._generation += 1
            self._connected = True
        self._progress_s = time.monotonic()
        self.connections += 1
        self.attempts = 0
        self._resumed = flags.session_present
        self._last_refusal = ""
        self._denied = False
        if self._subscriptions:
            subscribe(self._paho, self._subscriptions, replay=True)
        if self._announcement is None:
            if not self._subscriptions:
                self._become_ready()
            return
        birth = self._announcement.birth()
        self._birth_mid = paho.publish(self._announcement.topic, birth, qos=1, retain=True).mid

    def _become_ready(self) -> None:
        self._births.said(time.monotonic())
        self._inbox.put(Ready(self._generation, self._resumed))
        self._ready = True

    def _on_connect_fail(self, _paho: Client, _user: Any) -> None:
        self._waits_since_s = time.monotonic()
        # paho calls from where it has caught the reason, and passes it to nobody.
        self._refused(f"the broker cannot be reached: {sys.exception()}")

    def _refused(self, reason: str) -> None:
        if reason != self._last_refusal:
            self._last_refusal = reason
            self._inbox.put(Lost(reason))
            _log.warning("%s:%s: %s", self._endpoint.host, self._endpoint.port, reason)

    def _on_disconnect(
        self, paho: Client, _user: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._fence:
            was_connected = self._connected
            self._waits_since_s = time.monotonic()
            self._generation += 1
            self._connected = False
            self._ready = False
        if was_connected:
            spread_reconnects(self._paho)
            self._inbox.put(Lost(f"connection lost: {reason}"))
        elif self._denied:
            paho.reconnect_delay_set(_REFUSED_RETRY_S, _REFUSED_RETRY_S)
        else:
            self._refused(_NO_ANSWER)

    def _on_message(self, _paho: Client, _user: Any, message: MQTTMessage) -> None:
        if self._inbox.qsize() >= self._session.inbox_limit:
            self.dropped += 1
            return
        self._inbox.put(
            Arrived(
                topic=message.topic,
                payload=bytes(message.payload),
                replayed=message.retain,
                at_s=time.monotonic(),
                generation=self._generation,
                mid=message.mid,
                qos=message.qos,
            )
        )

    def _on_publish(
        self, _paho: Client, _user: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        if mid == self._birth_mid:
            self._birth_mid = -1
            if not reason.is_failure:
                self._become_ready()
            else:
                self._refused(f"we may not publish our status: {reason}")
            return
        refusal = str(reason) if reason.is_failure else ""
        self._unanswered.answered(self._generation, mid, refusal)

    def _on_subscribe(
        self, _paho: Client, _user: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                _log.error("the broker refused a subscription: %s", reason)
        if self._announcement is None and not self._ready:
            # What is retained comes after this answer, and before the answer to the next question.
            self._paho.unsubscribe(_FENCE)

    def _on_unsubscribe(
        self, _paho: Client, _user: Any, _mid: int, _reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if not self._ready:
            self._become_ready()
