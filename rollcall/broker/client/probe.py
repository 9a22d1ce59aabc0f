"""A short conversation with a broker, to find out what it allows: connect, ask, hear, leave.

Unlike `BrokerClient` it tries once, waits for every answer, and gives the broker's reason.
"""

import queue
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from rollcall.broker.client.paho_setup import guarded, will_properties, without_delay
from rollcall.broker.session import BrokerError

NOT_AUTHORIZED: Final = 0x87
_FENCE: Final = "rollcall/nobody/subscribes/to/this"


@dataclass(frozen=True, slots=True)
class Door:
    """Where and as whom to knock: a host and port, with or without TLS, or a UNIX socket."""

    host: str = "127.0.0.1"
    port: int = 0
    socket: Path | None = None
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = None
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that reached us."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What a broker grants a connection; None: no limit is named."""

    packet_bytes: int | None = None
    keep_alive_s: int | None = None


class RefusedError(BrokerError):
    """The broker answered, and did not let us in; `code` is MQTT's reason."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Probe:
    """A connected client for a moment; a context manager.

    Entering raises BrokerError when there is no connection within `timeout_s`: RefusedError when
    the broker says so itself. `will` is a topic and payload, published when we vanish.
    """

    def __init__(
        self, door: Door, *, timeout_s: float = 5.0, will: tuple[str, bytes] | None = None
    ) -> None:
        self._door = door
        self._timeout_s = timeout_s
        self._answer: queue.SimpleQueue[ReasonCode | str] = queue.SimpleQueue()
        self._reasons: dict[int, int] = {}
        self._changed = threading.Condition()
        self._fences = 0
        self._heard: list[Heard] = []
        self.lost = threading.Event()
        self.granted: Properties | None = None
        self._paho = self._make(will)

    def __enter__(self) -> Self:
        door = self._door
        host, port = (str(door.socket), 1) if door.socket else (door.host, door.port)
        self._paho.connect_timeout = self._timeout_s
        try:
            knock(door, self._timeout_s)
            self._paho.connect(host, port, keepalive=30, clean_start=True)
        except (OSError, ValueError) as error:
            raise BrokerError(f"{self._where}: {error}") from error
        self._paho.loop_start()
        try:
            answer = self._answer.get(timeout=self._timeout_s)
        except queue.Empty:
            answer = f"no answer within {self._timeout_s:g} s"
        if isinstance(answer, str) or answer.is_failure:
            self._paho.loop_stop()
            if isinstance(answer, str):
                raise BrokerError(f"{self._where}: {answer}")
            raise RefusedError(f"{self._where}: refused: {answer}", answer.value)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()

    def publish(self, topic: str, payload: bytes = b"", *, retain: bool = False) -> int:
        """Publish with QoS 1 and give MQTT's reason: 0 taken, 0x87 denied. Raises BrokerError."""
        return self.publish_all([(topic, payload)], retain=retain)[0]

    def publish_all(
        self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False
    ) -> list[int]:
        """Publish all at once and give the reasons in their order. Raises BrokerError."""
        mids = []
        for topic, payload in messages:
            info = self._paho.publish(topic, payload, qos=1, retain=retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise BrokerError(f"{self._where}: the connection is lost")
            mids.append(info.mid)
        self._wait(lambda: all(mid in self._reasons for mid in mids), "acknowledgement")
        return [self._reasons.pop(mid) for mid in mids]

    def subscribe(self, *filters: str) -> None:
        """Subscribe; what is retained has arrived when this returns. Raises BrokerError."""
        # At QoS 0 the broker holds nothing back for want of our acknowledgements.
        self._paho.subscribe([(name, SubscribeOptions(qos=0)) for name in filters])
        self.settle()

    def settle(self) -> None:
        """Wait until the broker has answered all that was asked before. Raises BrokerError."""
        before = self._fences
        self._paho.unsubscribe(_FENCE)
        self._wait(lambda: self._fences > before, "answer")

    def heard(self) -> list[Heard]:
        """Give what has arrived since the last call."""
        with self._changed:
            found, self._heard = self._heard, []
        return found

    @property
    def granted_limits(self) -> Limits:
        """Give the limits that the broker named when it let us in."""
        packet_bytes = getattr(self.granted, "MaximumPacketSize", None)
        return Limits(packet_bytes, getattr(self.granted, "ServerKeepAlive", None))

    @property
    def _where(self) -> str:
        return str(self._door.socket or f"{self._door.host}:{self._door.port}")

    def _wait(self, condition: Any, what: str) -> None:
        with self._changed:
            is_there = self._changed.wait_for(
                lambda: condition() or self.lost.is_set(), self._timeout_s
            )
        if not is_there or not condition():
            raise BrokerError(f"{self._where}: no {what} came")

    # Making the paho client, and its callbacks; on the network thread

    def _make(self, will: tuple[str, bytes] | None) -> Client:
        paho = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._door.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            transport="unix" if self._door.socket else "tcp",
            reconnect_on_failure=False,
        )
        if self._door.username:
            paho.username_pw_set(self._door.username, self._door.password)
        if self._door.tls:
            paho.tls_set_context(self._door.tls)
        if will:
            paho.will_set(*will, qos=1, retain=True, properties=will_properties(0))
        paho.suppress_exceptions = True
        paho.on_connect = guarded(self._on_connect)
        paho.on_disconnect = guarded(self._on_disconnect)
        paho.on_message = guarded(self._on_message)
        paho.on_publish = guarded(self._on_publish)
        paho.on_unsubscribe = guarded(self._on_unsubscribe)
        paho.on_socket_open = guarded(without_delay)
        return paho

    def _on_connect(
        self, _paho: Client, _user: Any, _flags: ConnectFlags, reason: ReasonCode, granted: Any
    ) -> None:
        self.granted = granted
        self._answer.put(reason)

    def _on_disconnect(
        self, _paho: Client, _user: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._answer.put(f"the connection was closed: {reason}")
        with self._changed:
            self.lost.set()
            self._changed.notify_all()

    def _on_message(self, _paho: Client, _user: Any, message: MQTTMessage) -> None:
        with self._changed:
            self._heard.append(Heard(message.topic, bytes(message.payload), message.retain))

    def _on_publish(
        self, _paho: Client, _user: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            self._reasons[mid] = reason.value
            self._changed.notify_all()

    def _on_unsubscribe(self, *_: Any) -> None:
        with self._changed:
            self._fences += 1
            self._changed.notify_all()


def knock(door: Door, timeout_s: float) -> Mapping[str, Any]:
    """Open the door once and close it: paho leaves a socket open when that fails.

    Gives the broker's certificate as `ssl.SSLSocket.getpeercert` does, empty without TLS. Raises
    OSError; ssl.SSLError with the reason when the certificate is not the right one.
    """
    if door.socket:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.connect(str(door.socket))
        return {}
    with socket.create_connection((door.host, door.port), timeout_s) as plain:
        if not door.tls:
            return {}
        with door.tls.wrap_socket(plain, server_hostname=door.host) as secured:
            return secured.getpeercert() or {}
