"""Does the broker answer, to the right machines, with valid certificates and room? Pure."""

import datetime as dt
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollcall.broker import broker_check
from rollcall.broker.topics import Role, role_of
from rollcall.console.doctor.findings import Finding, bounded
from rollcall.console.options import EXIT_OUT_OF_REACH

_OLDEST: Final = (2, 0, 11)
_WARN_BEFORE: Final = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nobody gets in, what to try, and whether the broker is away or only refuses us."""

    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Validity:
    """Until when a certificate is valid, and for whom."""

    name: str
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """The way to the broker at `where` (host:port), as it was tried.

    `only_here`: it listens on loopback alone; `by_up`: as `rollcall up` means it. `is_open`: it let
    us in without any name. `server` and `own` are the certificates in use. `too_small` is a limit,
    in words. `unasked` is the identity in whose name nothing was asked, as whoever is connected
    under it would be thrown out. `folder` is what `rollcall broker check` finds, where the broker
    is ours; `admin` is the administrator's configuration there.
    """

    where: str
    now: dt.datetime
    failure: Failure | None = None
    version: tuple[int, ...] | None = None
    only_here: bool = False
    by_up: bool = False
    is_open: bool = False
    server: Validity | None = None
    own: Validity | None = None
    too_small: tuple[str, str] | None = None
    unasked: str = ""
    init: str = "rollcall broker init"
    admin: Path | None = None
    folder: Sequence[broker_check.Finding] = ()


@dataclass(frozen=True, slots=True)
class Junk:
    """A retained message that nobody can use, why, and the command that empties its topic."""

    topic: str
    why: str
    remedy: str


def broker(seen: BrokerSeen) -> Iterator[Finding]:
    """Judge the way to the broker, and the broker."""
    yield from _own_certificate(seen)
    if seen.failure is not None:
        why = "agents keep their reports until they reach it; nothing of the cluster can be seen"
        text, remedy = seen.failure.text, seen.failure.remedy
        yield Finding("broker", "critical", text, why=why, remedy=remedy, code=EXIT_OUT_OF_REACH)
    else:
        yield from _reached(seen)
        yield from _listener(seen)
    yield from _of_folder(seen)


def junk(found: Sequence[Junk]) -> list[Finding]:
    """Say what is retained and of no use."""
    told = [Finding("junk", "warning", f"{one.topic}: {one.why}", remedy=one.remedy)
            for one in found]  # fmt: skip
    return bounded(told, "retained messages are of no use", found[-1].remedy if found else "")


def _reached(seen: BrokerSeen) -> Iterator[Finding]:
    version = ".".join(map(str, seen.version)) if seen.version else "of unknown version"
    told = f"mosquitto {version} at {seen.where}"
    if seen.version is not None and seen.version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        yield Finding(
            "broker",
            "critical",
            f"{told} is too old; {oldest} or newer is needed",
            remedy="sudo apt-get install mosquitto",
        )
    elif seen.too_small is not None:
        key, why = seen.too_small
        yield Finding("broker", "critical", f"{told}: {why}", why=f"{key} is set too low",
                      remedy=seen.init)  # fmt: skip
    elif seen.unasked:
        yield Finding(
            "broker",
            "unknown",
            f"{seen.where} answers; it was asked nothing in the name of {seen.unasked}",
            why="whoever is connected under that name would have been thrown out for it",
            remedy=_with_admin(seen),
        )
    else:
        yield Finding("broker", "ok", ", ".join([told, *_certificate_told(seen)]))
    if seen.server is not None and seen.server.end - seen.now < _WARN_BEFORE:
        days = (seen.server.end - seen.now).days
        text = f"the broker's certificate is valid for {days} days only"
        yield Finding("certificate", "warning", text, remedy=seen.init)


def _with_admin(seen: BrokerSeen) -> str:
    if role_of(seen.unasked) is Role.NODE:
        return f"ssh {seen.where.rpartition(':')[0]} rollcall doctor"
    return f"rollcall doctor --config {shlex.quote(str(seen.admin))}"


def _certificate_told(seen: BrokerSeen) -> list[str]:
    if seen.server is None:
        return []
    return ["TLS", f"certificate valid {(seen.server.end - seen.now).days} days"]


def _listener(seen: BrokerSeen) -> Iterator[Finding]:
    if seen.only_here and seen.by_up:
        yield Finding("listener", "ok", "only this machine can connect, as rollcall up means it")
    elif seen.only_here:
        yield Finding(
            "listener",
            "critical",
            "only 127.0.0.1 listens; other machines cannot connect",
            why="Mosquitto 2 listens on loopback until a listener is configured",
            remedy="rollcall broker init",
        )
    elif seen.is_open:
        yield Finding(
            "listener",
            "warning",
            "the broker lets anybody in, without name or password",
            why="whoever reaches it can read all, and say anything in the name of any node",
            remedy="rollcall broker init",
        )


def _own_certificate(seen: BrokerSeen) -> Iterator[Finding]:
    own = seen.own
    if own is None or own.end - seen.now >= _WARN_BEFORE:
        return
    is_node = role_of(own.name) is Role.NODE
    remedy = f"rollcall node renew {own.name}" if is_node else seen.init
    if own.end <= seen.now:
        days = (seen.now - own.end).days
        text = f"the certificate of {own.name} has expired, {days} days ago: it is refused"
        yield Finding("certificate", "critical", text, remedy=remedy)
    else:
        days = (own.end - seen.now).days
        text = f"the certificate of {own.name} is valid for {days} days only"
        yield Finding("certificate", "warning", text, remedy=remedy)


def _of_folder(seen: BrokerSeen) -> Iterator[Finding]:
    """Take over what `rollcall broker check` finds wrong, where it is not said already."""
    for one in seen.folder:
        said = seen.failure is not None and one.is_fatal and "nobody listens" in one.text
        said |= one.subject == "listener" and seen.only_here
        if not one.is_good and not said:
            verdict = "critical" if one.is_fatal else "warning"
            yield Finding(one.subject, verdict, one.text, remedy=one.remedy)  # type: ignore[arg-type]
