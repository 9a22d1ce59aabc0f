"""`rollcall broker`: make a broker of one's own, run it, see what is wrong with it."""

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from rollcall.broker import folder_setup
from rollcall.broker.acl import access_list
from rollcall.broker.broker_check import Finding, findings
from rollcall.broker.broker_folder import (
    SERVICES,
    BrokerFolder,
    BrokerFolderError,
    Plan,
)
from rollcall.broker.broker_reload import reload
from rollcall.broker.certificates import CredentialError
from rollcall.broker.existing_mosquitto import Existing, examine
from rollcall.broker.mosquitto import MosquittoError, find_mosquitto, require_supported
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.topics import TopicError, Topics
from rollcall.console.broker_names import this_machine
from rollcall.console.broker_place import folder_option
from rollcall.console.broker_run import run_broker
from rollcall.console.options import (
    EXIT_CRITICAL,
    EXIT_WARNINGS,
    CommandError,
    Options,
    shared,
)

_TLS_PORT: Final = 8883
_PLAIN_PORT: Final = 1883


@click.group()
@shared
def broker() -> None:
    """Make a broker of your own that is secure from the start, run it, check it."""


@broker.command()
@folder_option
@click.option(
    "--profile",
    type=click.Choice([str(profile) for profile in Profile]),
    help="tls: certificates (default); password: TLS and passwords; loopback: this machine alone.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A host name or address by which nodes reach this machine; may be repeated.",
)
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    help="One more service to let in, such as recorder-2; may be repeated.",
)
@click.option("--port", type=click.IntRange(1, 65_535), help="TCP port; default 8883.")
@click.option(
    "--conf-d",
    type=click.Path(file_okay=False, exists=True, path_type=Path, resolve_path=True),
    metavar="DIR",
    help="Add to the Mosquitto that reads this folder, such as /etc/mosquitto/conf.d.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@shared
@click.pass_obj
def init(
    options: Options,
    *,
    folder: Path,
    profile: str | None,
    names: tuple[str, ...],
    services: tuple[str, ...],
    port: int | None,
    conf_d: Path | None,
    dry_run: bool,
) -> None:
    """Make the broker's folder: authority, certificates, access list, configuration.

    A second run changes only what is missing, worn or asked for anew.
    """
    wished = Plan(
        profile=Profile(profile or Profile.TLS),
        port=port or (_PLAIN_PORT if profile == Profile.LOOPBACK else _TLS_PORT),
        prefix=options.settings().broker.prefix,
        hosts=(),
        addresses=(),
        names=names,
        services=services,
        drop_in=conf_d and conf_d / "rollcall.conf",
    )
    try:
        require_supported(find_mosquitto())
        plan = _settled(folder, wished, profile_given=profile is not None, port_given=bool(port))
        existing = _existing(plan)
        if existing:
            plan = plan.model_copy(update={"pid_file": existing.pid_file})
        made = BrokerFolder(folder, plan)
        done = _do(made, dry_run=dry_run, silent=options.json)
        reloaded = bool(done) and not dry_run and reload(made)
    except (MosquittoError, BrokerFolderError, CredentialError, TopicError, ValueError) as error:
        what, _, remedy = str(error).partition("; try: ")
        raise CommandError(what, remedy or "rollcall broker init --help") from error
    except OSError as error:
        raise CommandError(f"{folder}: {error}", "sudo rollcall broker init") from error
    _tell(options, made, done, existing, dry_run=dry_run, reloaded=reloaded)


def _settled(folder: Path, wished: Plan, *, profile_given: bool, port_given: bool) -> Plan:
    """Join what is asked for now with what the folder was made for."""
    for name in wished.services:
        access_list(Topics(wished.prefix), [name])
    try:
        was = BrokerFolder.open(folder).plan
    except BrokerFolderError:
        if (folder / "broker.json").exists():
            raise
        was = wished.model_copy(update={"services": SERVICES})
    names = tuple(dict.fromkeys((*was.names, *wished.names)))
    hosts, addresses = this_machine(names)
    return was.model_copy(
        update={
            "profile": wished.profile if profile_given else was.profile,
            "port": wished.port if port_given else was.port,
            "prefix": wished.prefix,
            "names": names,
            "hosts": hosts,
            "addresses": addresses,
            "services": tuple(dict.fromkeys((*was.services, *wished.services))),
            "drop_in": wished.drop_in or was.drop_in,
        }
    )


def _existing(plan: Plan) -> Existing | None:
    """Look at the Mosquitto that a drop-in is for. Raises BrokerFolderError where both clash."""
    drop_in = plan.drop_in
    if drop_in is None:
        return None
    paths = [drop_in.parent.parent / "mosquitto.conf", *sorted(drop_in.parent.glob("*.conf"))]
    files = {path: path.read_text("utf-8") for path in paths if path != drop_in and path.is_file()}
    found = examine(files, plan.port)
    if found.conflicts:
        clashes = "\n  ".join(found.conflicts)
        raise BrokerFolderError(
            f"this stands in the way of our own:\n  {clashes}\n; try: remove these lines"
        )
    return found


def _do(made: BrokerFolder, *, dry_run: bool, silent: bool) -> list[str]:
    """Make the changes, each said when it is done: a run that fails has told how far it got."""
    done = []
    for change in folder_setup.changes(made, dt.datetime.now(dt.UTC)):
        if not dry_run:
            change.do()
        if not silent:
            click.echo(f"would {change.text}" if dry_run else change.text)
        done.append(change.text)
    return done


def _tell(
    options: Options,
    made: BrokerFolder,
    done: list[str],
    existing: Existing | None,
    *,
    dry_run: bool,
    reloaded: bool,
) -> None:
    identities = {name: str(made.identity(name).configuration) for name in made.plan.services}
    if options.json:
        answer = {
            "schema": 1,
            "folder": str(made.folder),
            "profile": made.plan.profile,
            "dry_run": dry_run,
            "changes": done,
            "reloaded": reloaded,
            "identities": identities if made.plan.profile is not Profile.LOOPBACK else {},
        }
        click.echo(json.dumps(answer, indent=2))
        return
    if not done:
        click.echo(f"{made.folder} is as it should be; nothing was changed.")
    if dry_run:
        click.echo("Nothing was changed.")
        return
    if reloaded:
        click.echo("The running broker has read it; a change of mosquitto.conf needs a restart.")
    for listener in existing.listeners if existing else ():
        click.echo(f"Also restricted from now on: {listener}")
    _say_next(made, identities)


def _say_next(made: BrokerFolder, identities: dict[str, str]) -> None:
    if made.plan.drop_in:
        click.echo("Start it:     sudo systemctl restart mosquitto")
    else:
        click.echo(f"Start it:     rollcall broker run --folder {made.folder}")
    if made.plan.profile is Profile.LOOPBACK:
        click.echo(f"Settings:     [broker] port = {made.plan.port}")
        return
    click.echo("Settings of each service on this machine, for its rollcall.toml:")
    for name, path in identities.items():
        click.echo(f"  {name:<14}{path}")
    click.echo("Let a node in: rollcall node add NAME")


@broker.command()
@folder_option
@shared
@click.pass_context
def run(context: click.Context, folder: Path) -> None:
    """Run the broker of the folder in the foreground, as systemd does.

    Where there is no broker yet, the default folder is made first, as `init` makes it. The
    revocation list is signed anew every day: an expired one locks everybody out.
    """
    is_default = context.get_parameter_source("folder") is ParameterSource.DEFAULT
    if is_default and not folder.exists():
        unsaid = dict.fromkeys(("profile", "port", "conf_d"))
        context.invoke(init, folder=folder, names=(), services=(), dry_run=False, **unsaid)
    run_broker(folder)


@broker.command()
@folder_option
@shared
@click.pass_obj
def check(options: Options, folder: Path) -> int:
    """Look at the broker as each of its users would, and say what is wrong and what to try.

    Exit code 0: all well; 3: something to see to; 4: something does not work.
    """
    try:
        made = BrokerFolder.open(folder)
        version = require_supported(find_mosquitto())
    except (MosquittoError, BrokerFolderError) as error:
        what, _, remedy = str(error).partition("; try: ")
        raise CommandError(what, remedy or "rollcall broker init") from error
    keep_alive_s = options.settings().broker.keep_alive
    found = [Finding("mosquitto", f"version {version}")]
    found += findings(made, keep_alive_s=keep_alive_s, now=dt.datetime.now(dt.UTC))
    if options.json:
        answer = {"schema": 1, "folder": str(folder), "findings": [asdict(one) for one in found]}
        click.echo(json.dumps(answer, indent=2))
    else:
        for one in found:
            _say_finding(one)
    if any(one.is_fatal for one in found):
        return EXIT_CRITICAL
    return 0 if all(one.is_good for one in found) else EXIT_WARNINGS


def _say_finding(one: Finding) -> None:
    mark = "ok  " if one.is_good else "CRIT" if one.is_fatal else "WARN"
    click.echo(f" {mark} {one.subject:<14}{one.text}")
    if one.remedy:
        click.echo(f"      try: {one.remedy}")
