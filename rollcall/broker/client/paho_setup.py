"""What paho needs to be told: credentials, properties, and how its callbacks are wrapped."""

import logging
import random
import socket
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, ParamSpec

from paho.mqtt.client import PUBACK, Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from rollcall.broker.client.turning import TurningClient
from rollcall.broker.session import BrokerError, Endpoint, Session

if TYPE_CHECKING:
    from ssl import SSLContext

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_MARGIN_S: Final = 1
_ACKNOWLEDGED_AT_ONCE: Final = 500


def make(client_id: str, endpoint: Endpoint, session: Session) -> TurningClient:
    """Make paho's client; a host that is a path is a UNIX socket."""
    paho = TurningClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        transport="unix" if endpoint.host.startswith("/") else "tcp",
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=session.manual_acknowledgement,
    )
    paho.suppress_exceptions = True
    paho.gather_s = session.gather_s
    return paho


def load_credentials(paho: Client, endpoint: Endpoint) -> "SSLContext | None":
    """Give `paho` the user name, password and certificates of `endpoint`. Raises BrokerError.

    Gives the context of TLS, where there is one, for `reload_credentials`.
    """
    context = None
    try:
        _load_password(paho, endpoint)
        if endpoint.ca_file:
            # Imported where there is TLS: OpenSSL takes 5 MiB.
            import ssl  # noqa: PLC0415 - see above

            context = ssl.create_default_context(cafile=str(endpoint.ca_file))
            if endpoint.certificate_file:
                context.load_cert_chain(endpoint.certificate_file, endpoint.key_file)
            paho.tls_set_context(context)
    except OSError as error:
        raise BrokerError(
            f"the credentials for {endpoint.host}:{endpoint.port} cannot be read: {error}; "
            "check the *_file keys in [broker]"
        ) from error
    return context


def reload_credentials(paho: Client, context: "SSLContext | None", endpoint: Endpoint) -> None:
    """Take a renewed password or certificate from its file for the next connection.

    What cannot be read stays as it was.
    """
    try:
        _load_password(paho, endpoint)
        if context is not None and endpoint.certificate_file:
            context.load_cert_chain(endpoint.certificate_file, endpoint.key_file)
    except OSError as error:
        _log.warning("the credentials cannot be read again: %s", error)


def _load_password(paho: Client, endpoint: Endpoint) -> None:
    if endpoint.username:
        password = endpoint.password_file and endpoint.password_file.read_text("utf-8")
        paho.username_pw_set(endpoint.username, password.rstrip("\r\n") if password else None)


def connect_properties(session: Session, *, will_delay_s: int | None) -> Properties:
    """Give the properties of CONNECT; `will_delay_s` is None without a will."""
    properties = _properties(PacketTypes.CONNECT)
    if not session.ends_at_once and (session.expiry_s or will_delay_s is not None):
        # The will comes early when the session ends before the will delay is over.
        properties.SessionExpiryInterval = max(session.expiry_s, (will_delay_s or 0) + _MARGIN_S)
    if session.receive_maximum:
        properties.ReceiveMaximum = session.receive_maximum
    return properties


def will_properties(delay_s: int) -> Properties:
    """Give the properties of a last will that waits `delay_s` after the connection broke."""
    properties = _properties(PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = delay_s
    return properties


@cache
def publish_properties(expiry_s: int | None) -> Properties | None:
    """Give the properties of a message that the broker drops after `expiry_s`, None: never.

    Made once for each, as paho only reads them and most messages have the same.
    """
    if expiry_s is None:
        return None
    properties = _properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = expiry_s
    # Paho packs them anew for every message, which would be most of the work of sending it; it
    # lets nobody set an attribute in the ordinary way.
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    object.__setattr__(properties, "pack", lambda: packed)
    return properties


def acknowledge(paho: Client, mids: Sequence[int]) -> bool:
    """Acknowledge messages of QoS 1; say whether there were any.

    All in a few packets: paho wakes its thread for each, which costs more than all the rest of a
    message.
    """
    for first in range(0, len(mids), _ACKNOWLEDGED_AT_ONCE):
        some = mids[first : first + _ACKNOWLEDGED_AT_ONCE]
        packet = b"".join(struct.pack("!BBH", PUBACK, 2, mid) for mid in some)
        paho._packet_queue(PUBACK, packet, 0, 1)  # noqa: SLF001 - it has no way for several
    return bool(mids)


def guarded(callback: Callable[_P, None]) -> Callable[_P, None]:
    """Keep exceptions in: one that escapes a callback ends paho's network thread silently."""

    def call(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001 - see the docstring
            _log.exception("fault in a callback of the MQTT client")

    return call


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped


def without_delay(_paho: Client, _user: Any, opened: Any) -> None:
    """Switch Nagle's algorithm off: a QoS 1 round trip takes 0.6 ms instead of 88."""
    if isinstance(opened, socket.socket) and opened.family != socket.AF_UNIX:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def spread_reconnects(paho: Client) -> None:
    """Let clients that lost one broker come back at different times, after 1 to 30 s."""
    spread = random.uniform(1.0, 2.0)  # noqa: S311 - spreads load, protects no secret
    paho.reconnect_delay_set(spread, 15 * spread)  # type: ignore[arg-type]


def subscribe(paho: Client, subscriptions: Sequence[tuple[str, int]], *, replay: bool) -> None:
    """Subscribe; with `replay`, what is retained comes now."""
    retained = (
        SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if replay else SubscribeOptions.RETAIN_DO_NOT_SEND
    )
    paho.subscribe(
        [(name, SubscribeOptions(qos=qos, retainHandling=retained)) for name, qos in subscriptions]
    )
