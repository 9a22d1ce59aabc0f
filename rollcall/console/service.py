"""`rollcall service`: run the services under systemd."""

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from rollcall.broker.broker_folder import (
    SYSTEM_FOLDER,
    SYSTEM_STATE,
    BrokerFolder,
    BrokerFolderError,
)
from rollcall.console import systemd
from rollcall.console.options import EXIT_WARNINGS, CommandError, Options, shared
from rollcall.console.unit_credentials import credentials, unreachable, written
from rollcall.console.units import (
    ACCOUNT,
    BROKER,
    CONFIGURATION,
    HUB,
    ROLES,
    STATE,
    Installation,
    system_users,
    unit,
    unit_name,
)
from rollcall.service import config
from rollcall.service.settings import Settings

_UNITS: Final = Path("etc/systemd/system")
_ACCOUNTS: Final = Path("etc/sysusers.d")
_SYSTEM_CONFIGURATION: Final = Path("/etc/rollcall") / CONFIGURATION
# What a service of these units cannot see, or sees as empty.
_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - nothing is written there

_roles = click.argument("roles", nargs=-1, metavar="[ROLE]...", type=click.Choice(ROLES))
_root = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Another system's root, such as a package's DESTDIR: only files are written there.",
)


@dataclass(frozen=True, slots=True)
class _Target:
    """The system that is written to."""

    root: Path

    @property
    def is_this_system(self) -> bool:
        return self.root == Path("/")

    @property
    def runs_systemd(self) -> bool:
        return self.is_this_system and systemd.is_running()

    def unit_file(self, role: str) -> Path:
        return self.root / _UNITS / unit_name(role)

    def account_file(self, name: str) -> Path:
        return self.root / _ACCOUNTS / name

    def installed(self) -> list[str]:
        return [role for role in ROLES if self.unit_file(role).is_file()]


@click.group()
@shared
def service() -> None:
    """Run the services under systemd.

    Roles are agent, broker, recorder, alerts, dashboard and lcd.
    """


@service.command()
@_roles
@_root
@click.option("--dry-run", is_flag=True, help="Only print the files.")
@click.option(
    "--program",
    metavar="COMMAND",
    help="What the units start, such as /usr/bin/rollcall; default: this very program.",
)
@shared
@click.pass_obj
def install(
    options: Options, roles: tuple[str, ...], *, root: Path, dry_run: bool, program: str | None
) -> None:
    """Write hardened units and the accounts they need, and start them.

    Without a ROLE: the agent, the broker that `rollcall broker init` made here, and where the
    packages of the hub are installed the recorder, the alert service and the dashboard too. The
    display has to be named.
    """
    target = _Target(root.absolute())
    chosen = _each_once(roles) or _fitting_here()
    is_for_here = target.is_this_system and not dry_run
    texts = {
        role: _text(role, options, program or _this_program(check=is_for_here), check=is_for_here)
        for role in chosen
    }
    accounts = system_users(chosen)
    if dry_run:
        for path, text in _files(target, texts, accounts):
            click.echo(f"--- {path}\n{text}")
        return
    try:
        for path, text in _files(target, texts, accounts):
            _write(path, text)
    except OSError as error:
        raise _cannot(error) from error
    _make_accounts(target, accounts)
    _start(target, chosen)
    click.echo(f"To undo all of it: rollcall service uninstall {' '.join(chosen)}")


@service.command()
@_root
@shared
@click.pass_obj
def status(options: Options, *, root: Path) -> None:
    """Tell which services are installed, and how they fare.

    Exit code 3 when an installed one does not run.
    """
    target = _Target(root.absolute())
    told = {role: _state(target, role) for role in ROLES}
    if options.json:
        click.echo(json.dumps({"schema": 1, "systemd": target.runs_systemd, "services": told}))
    else:
        for role, state in told.items():
            click.echo(f"{role:10} {' '.join(map(str, filter(None, state.values())))}")
        if not target.runs_systemd:
            click.echo("systemd does not run this system; only files were looked at", err=True)
    active = [state.get("active") for state in told.values()]
    if any(state not in {None, "active"} for state in active):
        sys.exit(EXIT_WARNINGS)


@service.command()
@_roles
@_root
@shared
def uninstall(roles: tuple[str, ...], *, root: Path) -> None:
    """Stop services and remove their units; without a ROLE all. What they recorded stays."""
    target = _Target(root.absolute())
    gone = [role for role in _each_once(roles) or ROLES if role in target.installed()]
    if not gone:
        click.echo("nothing of it is installed")
        return
    if target.runs_systemd:
        systemd.systemctl("disable", "--now", *map(unit_name, gone))
    kept = [role for role in target.installed() if role not in gone]
    files = [target.unit_file(role) for role in gone]
    needless = system_users(gone).keys() - system_users(kept).keys()
    files += [path for name in sorted(needless) if (path := target.account_file(name)).is_file()]
    try:
        for path in files:
            path.unlink()
            click.echo(f"removed {path}")
    except OSError as error:
        raise _cannot(error) from error
    if target.runs_systemd:
        systemd.systemctl("daemon-reload")
    left = [STATE] if HUB & set(gone) else []
    left += [Path("/var/lib/rollcall-agent")] if "agent" in gone else []
    if left:
        click.echo(f"What they recorded stays in {' and '.join(map(str, left))}.")
    if HUB & set(gone) and not HUB & set(kept):
        click.echo(f"The account stays, as the files are its own: sudo userdel {ACCOUNT}")


def _each_once(roles: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(roles))


def _fitting_here() -> list[str]:
    fitting = {"agent"}
    if importlib.util.find_spec("sqlalchemy") is not None:
        fitting |= HUB
    with contextlib.suppress(BrokerFolderError):
        if BrokerFolder.open(SYSTEM_FOLDER).plan.drop_in is None:
            fitting.add(BROKER)
    return [role for role in ROLES if role in fitting]


def _text(role: str, options: Options, program: str, *, check: bool) -> str:
    """Write the unit of a role. Raises ConfigError, and CommandError for what it could not see."""
    if role == BROKER:
        return _broker_text(program, check=check)
    file = _configuration(role, options)
    if not file.is_file() and (check or options.config):
        raise CommandError(
            f"there is no {file}",
            "on the hub `rollcall broker init`, on a node `rollcall node join`, or --config FILE",
        )
    settings = config.load(file, {}) if file.is_file() else Settings()
    folders = written(role, settings)
    for key, folder in folders if check else ():
        if _is_hidden(folder):
            raise CommandError(
                f"{key} lies in {folder}, which the service cannot see", f"leave it out, or {STATE}"
            )
    for key, path in unreachable(role, settings):
        note = (
            f"note: {key}: {ACCOUNT} has to be able to read {path}; or put it into /etc/credstore"
        )
        click.echo(f"{note}, and name it ${{CREDENTIALS_DIRECTORY}}/NAME", err=True)
    outside = [folder for _, folder in folders if not folder.is_relative_to(STATE)]
    found = credentials(role, settings)
    return unit(role, Installation(program, file, found, outside, settings.lcd.bus))


def _broker_text(program: str, *, check: bool) -> str:
    try:
        drop_in = BrokerFolder.open(SYSTEM_FOLDER).plan.drop_in
    except BrokerFolderError as error:
        if check:
            what, _, remedy = str(error).partition("; try: ")
            raise CommandError(what, remedy or "sudo rollcall broker check") from error
        drop_in = None
    if drop_in:
        raise CommandError(
            f"this broker is the Mosquitto that reads {drop_in}, and has its unit",
            "sudo systemctl restart mosquitto",
        )
    places = (SYSTEM_FOLDER, SYSTEM_STATE)
    return unit(BROKER, Installation(program, SYSTEM_FOLDER, writable=places))


def _configuration(role: str, options: Options) -> Path:
    """Give the file named, the system's, or that of the role's identity at a broker here.

    A system's file by which this machine is a node is for its agent alone.
    """
    if options.config:
        return options.config.absolute()
    identity = SYSTEM_FOLDER / "identities" / role / CONFIGURATION
    theirs = _SYSTEM_CONFIGURATION
    if identity.is_file() and (not theirs.is_file() or _is_of_a_node(theirs)):
        return identity
    return theirs


def _is_of_a_node(file: Path) -> bool:
    found = config.load(file, {})
    return found.agent.node is not None and found.broker.ca_file == file.with_name("ca.crt")


def _this_program(*, check: bool) -> str:
    script = Path(sys.executable).with_name("rollcall")
    if check and _is_hidden(script):
        raise CommandError(
            f"this rollcall lies in {script.parent}, which services cannot see",
            "install it elsewhere: sudo python3 -m venv /opt/rollcall; sudo /opt/rollcall/bin/pip "
            "install 'rollcall-mqtt[hub]'; sudo /opt/rollcall/bin/rollcall service install",
        )
    return str(script) if script.is_file() else f"{sys.executable} -m rollcall.console"


def _is_hidden(path: Path) -> bool:
    return any(path.absolute().is_relative_to(hidden) for hidden in _HIDDEN)


def _files(
    target: _Target, texts: dict[str, str], accounts: dict[str, str]
) -> Iterator[tuple[Path, str]]:
    for name, text in accounts.items():
        yield target.account_file(name), text
    for role, text in texts.items():
        yield target.unit_file(role), text


def _write(path: Path, text: str) -> None:
    before = path.read_text("utf-8") if path.is_file() else None
    if before == text:
        click.echo(f"unchanged {path}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o644)
    click.echo(f"{'wrote' if before is None else 'replaced'} {path}")


def _make_accounts(target: _Target, accounts: dict[str, str]) -> None:
    if not target.is_this_system:
        return
    for name in accounts:
        if systemd.make_accounts(target.account_file(name)):
            click.echo(f"made the accounts of {target.account_file(name)}, where they were missing")
        else:
            click.echo(f"make the accounts of {target.account_file(name)}: there is no "
                       "systemd-sysusers here", err=True)  # fmt: skip


def _start(target: _Target, roles: Sequence[str]) -> None:
    units = [unit_name(role) for role in roles]
    if target.runs_systemd:
        systemd.systemctl("daemon-reload")
        systemd.systemctl("enable", *units)
        systemd.systemctl("restart", *units)
        click.echo(f"started, and will be at every boot: {' '.join(units)}")
    else:
        click.echo("systemd does not run this system, so nothing was started; there:")
        click.echo(f"  systemctl daemon-reload && systemctl enable --now {' '.join(units)}")


def _state(target: _Target, role: str) -> dict[str, str | None]:
    if not target.unit_file(role).is_file():
        return {"unit": "not installed"}
    told: dict[str, str | None] = {"unit": str(target.unit_file(role))}
    if target.runs_systemd:
        state = systemd.state_of(unit_name(role))
        told["active"] = state.get("ActiveState", "unknown")
        told["text"] = state.get("StatusText") or None
    return told


def _cannot(error: OSError) -> CommandError:
    denied = isinstance(error, PermissionError)
    remedy = f"sudo {' '.join(sys.argv)}" if denied and os.geteuid() else "rollcall service -h"
    return CommandError(f"{error.filename}: {error.strerror}", remedy)
