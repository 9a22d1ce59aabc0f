"""Do our own services fare well, by what they say on their status topics? Pure."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rollcall.broker.messages import ServiceOffline, ServiceOnline
from rollcall.broker.topics import Role, role_of
from rollcall.console.doctor.findings import Finding, Verdict
from rollcall.console.words import age, moment
from rollcall.service.settings import Mail

_NOT_STORED_S: Final = 120.0
_LAG_S: Final = 30.0
_MIB: Final = 1024 * 1024
_SCARCE_BYTES: Final = 1024 * _MIB
_NEARLY_FULL_BYTES: Final = 100 * _MIB
_FULL_SOON_DAYS: Final = 14
_PROBE: Final = "rollcall lcd probe"
_TRY_MAIL: Final = "rollcall alerts test"
_DISPLAYS: Final[Mapping[str, tuple[Verdict, str]]] = {
    "absent": ("critical", "no display answers"),
    "lost": ("critical", "the display does not answer any more"),
    "stuck": ("critical", "the bus is stuck"),
    "refused": ("critical", "the bus cannot be used"),
}


@dataclass(frozen=True, slots=True)
class ServicesSeen:
    """Our services as the broker retains them, at `wall_s` (Unix seconds).

    `online_nodes`: how many nodes say that they live. `units`: roles with a unit here. `by_up`:
    `rollcall up` runs them. `mail`: the mail settings, where they are those of the alert service.
    `identities`: the folder with a configuration for each service, where a broker of ours made one.
    `logs`: the folder of the logs of a `rollcall up` that runs, and starts again what ends.
    `database_folder`: where the recorder's file of SQLite lies.
    """

    statuses: Mapping[str, ServiceOnline | ServiceOffline]
    wall_s: float
    version: str
    online_nodes: int = 0
    units: frozenset[str] = field(default_factory=frozenset)
    by_up: bool = False
    mail: Mail | None = None
    identities: Path | None = None
    logs: Path | None = None
    database_folder: Path | None = None

    def start(self, role: str) -> str:
        """Give the command that starts the service of a role, or says why it does not start."""
        if role in self.units:
            return f"sudo systemctl restart rollcall-{role}"
        if self.logs is not None:
            return f"tail -n 30 {shlex.quote(str(self.logs / f'{role}.log'))}"
        if self.by_up:
            return "rollcall up"
        if self.identities is None:
            return f"rollcall run {role}"
        own = self.identities / role / "rollcall.toml"
        return f"rollcall run {role} --config {shlex.quote(str(own))}"


def services(seen: ServicesSeen) -> Iterator[Finding]:
    """Judge recorder, alert service with its mails, displays and dashboard."""
    yield from _recorders(seen)
    yield from _alert_services(seen)
    yield from _mail_settings(seen)
    for name, status in _of(seen, Role.LCD).items():
        yield from _display(seen, name, status)
    for name, status in _of(seen, Role.DASHBOARD).items():
        if isinstance(status, ServiceOnline):
            yield from _well(seen, name, status, "online")
        else:
            yield _offline(seen, name, status, "warning", "nobody can look at it")


def _of(seen: ServicesSeen, role: Role) -> dict[str, ServiceOnline | ServiceOffline]:
    return {name: status for name, status in seen.statuses.items() if role_of(name) is role}


def _offline(
    seen: ServicesSeen, name: str, status: ServiceOffline, verdict: Verdict, why: str
) -> Finding:
    since = f" since {moment(status.since, seen.wall_s)}" if status.since else ""
    remedy = seen.start(str(role_of(name)))
    return Finding(name, verdict, f"offline{since}: {status.reason}", why=why, remedy=remedy)


def _well(seen: ServicesSeen, name: str, status: ServiceOnline, text: str) -> Iterator[Finding]:
    if status.version == seen.version:
        yield Finding(name, "ok", f"{text}, version {status.version}")
        return
    yield Finding(
        name,
        "warning",
        f"{text}, runs version {status.version}; this is {seen.version}",
        why="after an upgrade services have to be started again",
        remedy=seen.start(str(role_of(name))),
    )


def _recorders(seen: ServicesSeen) -> Iterator[Finding]:
    found = _of(seen, Role.RECORDER)
    if not found:
        yield Finding(
            "recorder",
            "critical",
            "never seen on this broker: nothing is stored",
            why="agents keep their reports until a recorder has them",
            remedy=seen.start("recorder"),
        )
    for name, status in found.items():
        if isinstance(status, ServiceOffline):
            why = "nothing is stored; agents keep their reports until it is back"
            yield _offline(seen, name, status, "critical", why)
        else:
            wrong = list(_recording(seen, name, status))
            yield from wrong or _well(seen, name, status, _told(status.health))


def _told(health: Mapping[str, Any]) -> str:
    rate, lag_s = _number(health, "reports_per_second"), _number(health, "lag_seconds")
    if rate and lag_s is not None:
        return f"stores {rate:g} reports/s, lag {lag_s:.1f} s"
    return "stores" if health.get("reports") else "is there, and has stored nothing yet"


def _recording(seen: ServicesSeen, name: str, status: ServiceOnline) -> Iterator[Finding]:
    health = status.health
    state = health.get("database", "ok")
    if state != "ok":
        why = "nothing is stored; agents keep their reports until it can be written again"
        text = f"cannot write its database: {state}"
        yield Finding(name, "critical", text, why=why, remedy=_unwritable(seen, str(state)))
    else:
        yield from _stalled(seen, name, status)
    yield from _room(name, health)
    lag_s = _number(health, "lag_seconds")
    if lag_s is not None and lag_s > _LAG_S:
        text = f"is {age(lag_s)} behind, {health.get('queue')} messages wait"
        why = "the disk is too slow for what comes: longer intervals, or a faster disk"
        yield Finding(name, "warning", text, why=why, remedy="rollcall fleet show")
    if _number(health, "faults"):
        text = f"{health['faults']} messages tripped it up since its start"
        yield Finding(name, "warning", text, remedy=_log(seen, "recorder"))


def _unwritable(seen: ServicesSeen, state: str) -> str:
    """Give what to try for a database in this state, a word of the recorder's engines."""
    folder = shlex.quote(str(seen.database_folder)) if seen.database_folder else ""
    if state == "full":
        return "rollcall prune --dry-run"
    if state in {"locked", "claimed"}:
        return "rollcall service status"
    if folder and state in {"read_only", "cannot_open"}:
        # A file system on a failing memory card is mounted anew, read-only.
        return f"findmnt --target {folder}" if state == "read_only" else f"ls -ld {folder}"
    if state == "input_output_error":
        return "sudo dmesg --level err"
    return "rollcall config explain recorder.database"


def _stalled(seen: ServicesSeen, name: str, status: ServiceOnline) -> Iterator[Finding]:
    committed = _number(status.health, "last_commit")
    if seen.online_nodes and seen.wall_s - (committed or status.since) > _NOT_STORED_S:
        since = f"not recorded since {moment(committed, seen.wall_s)}" if committed else ""
        text = since or "has stored nothing yet"
        yield Finding(
            name,
            "critical",
            f"{text}, while {seen.online_nodes} nodes report",
            remedy=seen.start("recorder"),
        )


def _room(name: str, health: Mapping[str, Any]) -> Iterator[Finding]:
    free = _number(health, "free_bytes")
    days = _number(health, "days_until_full")
    scarce = free is not None and free < _SCARCE_BYTES
    if not scarce and (days is None or days >= _FULL_SOON_DAYS):
        return
    full = free is not None and free < _NEARLY_FULL_BYTES
    told = f"{free / _MIB:,.0f} MiB are free" if free is not None else "the disk fills up"
    soon = f", full in {days:.0f} days" if days is not None else ""
    yield Finding(
        f"{name} disk",
        "critical" if full else "warning",
        f"{told} where its database lies{soon}",
        why="keeping less frees room in the database that is used again",
        remedy="rollcall prune --dry-run",
    )


def _alert_services(seen: ServicesSeen) -> Iterator[Finding]:
    found = _of(seen, Role.ALERTS)
    if not found:
        yield Finding(
            "alerts",
            "critical",
            "never seen on this broker: nobody is told of anything",
            remedy=seen.start("alerts"),
        )
    for name, status in found.items():
        if isinstance(status, ServiceOffline):
            yield _offline(seen, name, status, "critical", "nobody is told of anything")
            continue
        health = status.health
        if health.get("blind"):
            yield Finding(
                name,
                "critical",
                "is blind: it cannot see the cluster, and judges nothing",
                remedy="rollcall broker check",
            )
        else:
            firing = _number(health, "firing") or 0
            told = {0: "nothing fires", 1: "1 alert fires"}.get(int(firing), f"{firing:.0f} fire")
            yield from _well(seen, name, status, told)
        yield from _mail(seen, health)


def _mail(seen: ServicesSeen, health: Mapping[str, Any]) -> Iterator[Finding]:
    problems = [str(problem) for problem in health.get("problems") or []]
    waits = f"{health.get('queued')} wait, the oldest for {age(_number(health, 'oldest_s'))}"
    why = problems[0] if problems else ""
    if health.get("mail") == "paused":
        text = f"mails do not go out until its configuration is mended; {waits}"
        yield Finding("mail", "critical", text, why=why, remedy=_TRY_MAIL)
    elif health.get("mail") == "waiting":
        text = f"the mail server is away or puts us off; {waits}"
        yield Finding("mail", "warning", text, why=why, remedy=_TRY_MAIL)
    elif problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Finding("alerts", "warning", why + more, remedy="rollcall fleet show")
    elif health.get("mail"):
        folder = seen.mail.folder if seen.mail and not seen.mail.host else None
        where = f"become files in {folder}" if folder else "go out"
        yield Finding("mail", "ok", f"mails {where}, none waits")
    if _number(health, "dead"):
        text = f"{health['dead']} mails were given up"
        yield Finding("mail", "warning", text, remedy="rollcall alerts list")


def _mail_settings(seen: ServicesSeen) -> Iterator[Finding]:
    mail = seen.mail
    if mail is None or seen.by_up:
        return
    if not mail.host:
        yield Finding(
            "mail",
            "warning",
            f"no SMTP server is set: mails become files in {mail.folder}",
            remedy="rollcall config explain mail.host",
        )
    elif "to" not in mail.model_fields_set:
        yield Finding(
            "mail",
            "warning",
            "no address is set: mails go to the administrator's account of the mail server",
            remedy="rollcall config explain mail.to",
        )


def _display(
    seen: ServicesSeen, name: str, status: ServiceOnline | ServiceOffline
) -> Iterator[Finding]:
    if isinstance(status, ServiceOffline):
        yield _offline(seen, name, status, "warning", "the glass shows nothing, or a goodbye")
        return
    standing = str(status.health.get("display", "ok"))
    if standing in _DISPLAYS:
        verdict, text = _DISPLAYS[standing]
        yield Finding(name, verdict, text, why=str(status.health.get("error") or ""), remedy=_PROBE)
    else:
        yield from _well(seen, name, status, "shows the cluster")


def _log(seen: ServicesSeen, role: str) -> str:
    if role in seen.units:
        return f"journalctl --unit rollcall-{role} --lines 50"
    return "rollcall doctor --report report.txt"


def _number(health: Mapping[str, Any], key: str) -> float | None:
    found = health.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found)
