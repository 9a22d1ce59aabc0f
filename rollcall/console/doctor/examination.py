"""Look at everything in turn, each within its time, and judge it."""

import contextlib
import datetime as dt
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from rollcall import __version__
from rollcall.broker import broker_check
from rollcall.broker.certificates import CredentialError, details
from rollcall.broker.messages import ServiceOnline
from rollcall.broker.node_view import NodeState
from rollcall.broker.topics import Role, Topics, role_of
from rollcall.console import systemd
from rollcall.console.doctor import (
    broker_checks,
    configuration_checks,
    database_checks,
    hearing,
    host_checks,
    looking,
    node_checks,
    service_checks,
    stored,
)
from rollcall.console.doctor.broker_checks import BrokerSeen, Failure, Validity
from rollcall.console.doctor.configuration_checks import FileSeen
from rollcall.console.doctor.findings import Finding, worst_first
from rollcall.console.doctor.hearing import Listened
from rollcall.console.doctor.node_checks import NodesSeen
from rollcall.console.doctor.place import Place
from rollcall.console.doctor.service_checks import ServicesSeen
from rollcall.console.doctor.within import within
from rollcall.console.identity import identity_of
from rollcall.console.options import CommandError, Options
from rollcall.service.config import ConfigError

T = TypeVar("T")
Wait = Callable[[str], contextlib.AbstractContextManager[object]]
_BROKER_WITHIN_S: Final = 4 * hearing.ANSWERS_WITHIN_S + hearing.LISTENS_S
_FOLDER_WITHIN_S: Final = 60.0
_HOST_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, the worst first; and what it was found from, as far as there is any."""

    findings: list[Finding]
    place: Place | None = None
    listened: Listened | None = None
    services: dict[str, ServiceOnline] = field(default_factory=dict)


def examine(
    options: Options,
    *,
    wait: Wait = contextlib.nullcontext,
    root: Path = Path("/"),
) -> Examined:
    """Look at everything; never raises for what is wrong. `wait`: see `hearing.hear`.

    Without a configuration that can be read there is only the machine to look at.
    """
    try:
        place = Place.of(options, root)
    except ConfigError as error:
        found = [*configuration_checks.mistakes(error.faults), *_host(root)]
        return Examined(worst_first(found))
    findings = _of_files(place)
    seen, listened = go_to_broker(place, only=None, wait=wait)
    findings += broker_checks.broker(replace(seen, folder=_of_folder(place)))
    services = _online(listened)
    recorder = next((s for name, s in services.items() if role_of(name) is Role.RECORDER), None)
    if listened is not None:
        findings += _of_cluster(place, listened)
    database = stored.look(
        place.settings.recorder,
        by_unit="recorder" in place.roles,
        is_expected_here=place.has_broker,
        health=recorder.health if recorder else None,
        root=Topics(place.settings.broker.prefix).root,
    )
    findings += database_checks.database(database)
    findings += _host(root)
    return Examined(worst_first(pasted(findings, options)), place, listened, services)


def _of_files(place: Place) -> list[Finding]:
    def look() -> list[FileSeen]:
        found = looking.configuration_files(place.file, place.settings)
        return found + (looking.folder_files(place.folder) if place.folder else [])

    try:
        files = within(_HOST_WITHIN_S, look)
    except TimeoutError as error:
        text = f"the files that it names: {error}"
        return [Finding("configuration", "unknown", text, remedy="rollcall config check")]
    return list(configuration_checks.configuration(place.file, files))


def pasted(findings: Iterable[Finding], options: Options) -> Iterator[Finding]:
    """Let commands of ours mean the same configuration when they are pasted."""
    for finding in findings:
        ours = finding.remedy.startswith("rollcall ") and "--config" not in finding.remedy
        file = options.config
        again = f" --config {shlex.quote(str(file))}" if ours and file else ""
        yield replace(finding, remedy=finding.remedy + again)


def go_to_broker(
    place: Place, *, only: str | None, wait: Wait
) -> tuple[BrokerSeen, Listened | None]:
    """Give what is seen of the broker, and what was heard there; see `hearing.hear`."""
    way = hearing.way_of(place.settings.broker, place.operator, place.node)
    seen = BrokerSeen(
        place.where,
        dt.datetime.now(dt.UTC),
        only_here=looking.only_loopback_listens(place.settings.broker.host, place.port),
        by_up=place.by_up,
        own=_own_certificate(place),
        init=place.init,
        admin=place.admin,
    )
    try:
        seen, listened = within(
            _BROKER_WITHIN_S,
            lambda: hearing.hear(way, seen, place.start, only=only, wait=wait),
        )
    except TimeoutError as error:
        seen, listened = replace(seen, failure=Failure(f"{seen.where}: {error}", place.start)), None
    return seen, listened


def _of_folder(place: Place) -> list[broker_check.Finding]:
    folder = place.folder
    if folder is None:
        return []
    now, keep_alive_s = dt.datetime.now(dt.UTC), place.settings.broker.keep_alive
    check = f"rollcall broker check --folder {folder.folder}"
    try:
        return within(
            _FOLDER_WITHIN_S,
            lambda: list(broker_check.findings(folder, keep_alive_s=keep_alive_s, now=now)),
        )
    except TimeoutError as error:
        return [broker_check.Finding("broker", f"its folder: {error}", check)]


def _own_certificate(place: Place) -> Validity | None:
    file = place.settings.broker.certificate_file
    if file is None:
        return None
    try:
        found = details(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, CredentialError):
        # That it cannot be read is said where files are looked at, and where it is used.
        return None
    return Validity(found.name, found.not_after)


def _of_cluster(place: Place, listened: Listened) -> Iterator[Finding]:
    cluster, now = listened.cluster, listened.now
    online = sum(view.state is NodeState.ONLINE for view in cluster.nodes(now))
    services = replace(starting(place), statuses=cluster.services, online_nodes=online)
    yield from service_checks.services(services)
    here = NodesSeen(cluster, now, __version__, place.admin, place.node)
    yield from node_checks.nodes(here)
    yield from broker_checks.junk(listened.junk)


def starting(place: Place) -> ServicesSeen:
    """Give what is known of our services without the broker: how to start them, their mails."""
    identity = identity_of(place.settings.broker)
    role = None if identity in {None, place.node} else role_of(identity or "")
    # A name of no role of ours is one that all services share.
    theirs = identity is None or role in {Role.ALERTS, Role.NODE}
    return ServicesSeen(
        {},
        time.time(),
        __version__,
        units=place.roles,
        by_up=place.by_up,
        mail=place.settings.mail if theirs and place.identities is None else None,
        identities=place.identities,
        logs=place.logs,
        database_folder=stored.folder_of(
            place.settings.recorder, by_unit="recorder" in place.roles
        ),
    )


def _online(listened: Listened | None) -> dict[str, ServiceOnline]:
    statuses = listened.cluster.services.items() if listened else ()
    return {name: one for name, one in statuses if isinstance(one, ServiceOnline)}


def _host(root: Path) -> list[Finding]:
    state_of = systemd.state_of if root == Path("/") and systemd.is_running() else None
    try:
        return list(host_checks.host(within(_HOST_WITHIN_S, lambda: looking.host(root, state_of))))
    except (TimeoutError, CommandError) as error:
        return [Finding("unit", "unknown", f"systemd: {error}", remedy="systemctl status")]
