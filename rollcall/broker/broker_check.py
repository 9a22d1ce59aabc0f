"""Look at a broker as each of its users would, and say what is wrong and what to do about it.

A user name is a client id there: whoever gets in as the recorder throws the recorder out. So a
service that is connected is left alone, and Home Assistant, of whom nobody knows, is too.
"""

import datetime as dt
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from rollcall.broker import certificates
from rollcall.broker.broker_folder import (
    OPERATOR,
    BrokerFolder,
    BrokerFolderError,
)
from rollcall.broker.broker_reload import is_restricting, operator_door
from rollcall.broker.certificates import CredentialError
from rollcall.broker.client.probe import NOT_AUTHORIZED, Door, Limits, Probe, RefusedError
from rollcall.broker.codec import DecodeError
from rollcall.broker.messages import SERVICE_STATUS, ServiceOnline
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.session import BrokerError
from rollcall.broker.topics import ANNOUNCED, Kind, Role, TopicError, Topics, role_of

_WARN_BEFORE: Final = dt.timedelta(days=30)
_WITHIN_S: Final = 3.0
# The largest payload, and room for its topic and properties.
_LEAST_PACKET_BYTES: Final = 262_144 + 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and for what is wrong one thing to try."""

    subject: str
    text: str
    remedy: str = ""
    is_fatal: bool = False

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy


def findings(broker: BrokerFolder, *, keep_alive_s: int, now: dt.datetime) -> Iterator[Finding]:
    """Look at everything in turn; `keep_alive_s` is what our clients ask for. Never raises."""
    yield from _files(broker, now)
    if broker.plan.profile is Profile.LOOPBACK:
        yield Finding(
            "listener",
            "only 127.0.0.1 listens; other machines cannot connect",
            "rollcall broker init --profile tls --port 8883",
        )
        yield from _visit("anybody", Door(port=broker.plan.port), broker, keep_alive_s)
        return
    yield from _configuration(broker)
    yield from _restriction(broker)
    yield from _listener(broker)
    connected = _connected(broker)
    for name in broker.plan.services:
        if connected is None and name != OPERATOR:
            continue
        if connected and name in connected:
            yield Finding(name, "is connected")
            continue
        try:
            door = service_door(broker, name)
        except OSError as error:
            yield _unreadable(broker, name, error)
            continue
        if role_of(name) is not Role.HOMEASSISTANT:
            yield from _visit(name, door, broker, keep_alive_s)


def service_door(broker: BrokerFolder, name: str) -> Door:
    """Give the way in of a service on this machine. Raises OSError, ssl.SSLError."""
    identity = broker.identity(name)
    context = ssl.create_default_context(cafile=str(identity.authority))
    door = Door(port=broker.plan.port, tls=context, client_id=name)
    if broker.plan.profile is Profile.TLS:
        context.load_cert_chain(identity.certificate, identity.key)
        return door
    password = identity.password.read_text("utf-8").rstrip("\n")
    return replace(door, username=name, password=password)


def explained(error: BrokerError, door: Door, *, init: str, start: str) -> Finding:
    """Turn a failure to get in into words and one thing to try.

    `init` is the command that mends the broker's files, `start` the one that starts it.
    """
    text = str(error)
    cause = error.__cause__
    if isinstance(error, RefusedError):
        return Finding("", f"the broker refuses its name: {text}", init, is_fatal=True)
    if isinstance(cause, ConnectionRefusedError):
        return Finding("", f"nobody listens on {door.host}:{door.port}", start, is_fatal=True)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _unverified(cause, door, init)
    if isinstance(cause, ssl.SSLError):
        why = f"{door.host}:{door.port} speaks no TLS: another program has the port"
        return Finding("", why, f"sudo ss -ltnp 'sport = :{door.port}'", is_fatal=True)
    why = f"the broker closed the connection, and its log may say why: {text}"
    return Finding("", why, init, is_fatal=True)


def start_of(broker: BrokerFolder) -> str:
    """Give the command that starts a broker of our own."""
    run = f"rollcall broker run --folder {broker.folder}"
    return "sudo systemctl restart mosquitto" if broker.plan.drop_in else run


def _unverified(cause: ssl.SSLCertVerificationError, door: Door, init: str) -> Finding:
    # The codes of X509_verify_cert(3).
    match cause.verify_code:
        case 9:
            why = "the broker's certificate is not valid yet: this clock is behind"
            return Finding("", why, "sudo timedatectl set-ntp true", is_fatal=True)
        case 10:
            why = "the broker's certificate has expired, or this clock is ahead"
            return Finding("", why, init, is_fatal=True)
        case 62 | 64:
            why = f"the broker's certificate does not name {door.host}"
            return Finding("", why, f"{init} --name {door.host}", is_fatal=True)
    why = f"the broker's certificate is not of our authority: {cause.verify_message}"
    return Finding("", why, f"sudo ss -ltnp 'sport = :{door.port}'", is_fatal=True)


def _files(broker: BrokerFolder, now: dt.datetime) -> Iterator[Finding]:
    if broker.plan.profile is Profile.LOOPBACK:
        return
    init = f"rollcall broker init --folder {broker.folder}"
    try:
        server = certificates.details(broker.authority.server_certificate_file.read_text("utf-8"))
        revocations = broker.authority.revocations_end()
    except (OSError, CredentialError) as error:
        yield Finding("files", f"{broker.folder}: {error}", f"sudo {init}", is_fatal=True)
        return
    yield _until("certificate", "the broker's certificate", server.not_after, now, init)
    if server.not_before > now:
        why = "the broker's certificate is not valid yet: this clock is behind"
        yield Finding("clock", why, "sudo timedatectl set-ntp true", is_fatal=True)
    yield _until("revocations", "the revocation list", revocations, now, init)


def _configuration(broker: BrokerFolder) -> Iterator[Finding]:
    """See whether limits and listeners are those that we wrote: clients cannot ask for them all."""
    init = f"rollcall broker init --folder {broker.folder}"
    try:
        found = broker.configuration_file.read_text("utf-8").splitlines()
    except OSError as error:
        yield Finding("configuration", f"{error.filename}: {error.strerror}", init, is_fatal=True)
        return
    lacks = [line for line in broker.configuration.splitlines() if line not in found]
    adds = [line for line in found if line not in broker.configuration.splitlines()]
    if lacks or adds:
        changes = "; ".join(
            [*(f"lacks {line}" for line in lacks), *(f"has {line}" for line in adds)]
        )
        yield Finding("configuration", f"{broker.configuration_file} was changed: {changes}", init)
    else:
        yield Finding("configuration", "limits and listeners are as they should be")


def _connected(broker: BrokerFolder) -> frozenset[str] | None:
    """Give the services that say they are there; None when the broker does not tell."""
    topics = Topics(broker.plan.prefix)
    try:
        with Probe(operator_door(broker), timeout_s=_WITHIN_S) as probe:
            probe.subscribe(topics.topic_filter(Kind.SERVICE_STATUS, "+"))
            heard = probe.heard()
    except (BrokerError, BrokerFolderError):
        return None
    online = [message.topic for message in heard if _is_online(message.payload)]
    return frozenset(_service(topics, topic) for topic in online)


def _service(topics: Topics, topic: str) -> str:
    try:
        return topics.parse(topic).name
    except TopicError:
        return ""


def _is_online(payload: bytes) -> bool:
    try:
        return isinstance(SERVICE_STATUS.decode(payload), ServiceOnline)
    except DecodeError:
        return False


def _until(subject: str, what: str, end: dt.datetime, now: dt.datetime, init: str) -> Finding:
    days = (end - now).days
    if end <= now:
        why = f"{what} has expired, {-days} days ago: nobody gets in"
        return Finding(subject, why, init, is_fatal=True)
    if end - now < _WARN_BEFORE:
        return Finding(subject, f"{what} is valid for {days} days only", init)
    return Finding(subject, f"{what} is valid for {days} days")


def _restriction(broker: BrokerFolder) -> Iterator[Finding]:
    try:
        if is_restricting(broker):
            yield Finding("access list", "what is forbidden is refused")
        else:
            why = "the broker refuses nothing, as it runs without its access list: stop it at once"
            yield Finding("access list", why, start_of(broker), is_fatal=True)
    except BrokerFolderError as error:
        what, _, remedy = str(error).partition("; try: ")
        run = f"rollcall broker run --folder {broker.folder}"
        own = remedy if "check" not in remedy or "sudo" in remedy else run
        yield Finding("access list", what, own, is_fatal=True)


def _listener(broker: BrokerFolder) -> Iterator[Finding]:
    """See whether the broker answers on an address that other machines can use."""
    init = f"rollcall broker init --folder {broker.folder}"
    for address in (one for one in broker.plan.addresses if not one.startswith(("127.", "::1"))):
        try:
            door = replace(service_door(broker, OPERATOR), host=address)
            with Probe(door, timeout_s=_WITHIN_S):
                pass
        except (BrokerError, OSError) as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError) or not isinstance(error, BrokerError):
                continue
            why = f"{address}:{broker.plan.port} does not answer; other machines cannot connect"
            yield Finding("listener", f"{why} ({error})", init)
        else:
            yield Finding("listener", f"{address}:{broker.plan.port} answers")


def _visit(name: str, door: Door, broker: BrokerFolder, keep_alive_s: int) -> Iterator[Finding]:
    try:
        with Probe(door, timeout_s=_WITHIN_S) as probe:
            yield from _limits(name, probe, broker, keep_alive_s)
    except BrokerError as error:
        init = f"rollcall broker init --folder {broker.folder}"
        found = explained(error, door, init=init, start=start_of(broker))
        yield replace(found, subject=name)


def _limits(name: str, probe: Probe, broker: BrokerFolder, keep_alive_s: int) -> Iterator[Finding]:
    short = too_small(probe.granted_limits, keep_alive_s)
    if short is not None:
        key, why = short
        explain = "rollcall config explain broker.keep_alive"
        is_packet = key == "max_packet_size"
        changed = f"{why}; it has to be started anew" if is_packet else why
        yield Finding(name, changed, start_of(broker) if is_packet else explain)
        return
    if role_of(name) in ANNOUNCED:
        reply = Topics(broker.plan.prefix).topic(Kind.SERVICE_REPLY, name, "check")
        if probe.publish(reply) == NOT_AUTHORIZED:
            why = "gets in, and may say nothing: the access list has no lines for it"
            init = f"rollcall broker init --folder {broker.folder}"
            yield Finding(name, why, init, is_fatal=True)
            return
    yield Finding(name, "gets in")


def too_small(limits: Limits, keep_alive_s: int) -> tuple[str, str] | None:
    """Say which limit of a broker is too small for our clients: its key, and why; None: none."""
    packet = limits.packet_bytes
    if packet is not None and packet < _LEAST_PACKET_BYTES:
        return "max_packet_size", f"packets end at {packet} bytes; batches need more"
    forced = limits.keep_alive_s
    if forced is not None and forced < keep_alive_s:
        why = f"the broker allows a keep alive of {forced} s; ours is {keep_alive_s} s"
        return "max_keepalive", why
    return None


def _unreadable(broker: BrokerFolder, name: str, error: OSError) -> Finding:
    why = f"its credentials cannot be read: {error}"
    return Finding(name, why, f"sudo rollcall broker init --folder {broker.folder}", is_fatal=True)
