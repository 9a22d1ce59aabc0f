"""`rollcall node add` and `rollcall node renew`: let a node in, and see it come."""

import time
from pathlib import Path
from typing import Final

import click

from rollcall.broker import farewell
from rollcall.broker.broker_reload import reload
from rollcall.broker.client import BrokerClient
from rollcall.broker.enrolment import VALID_S, Admission, Invitation, Welcome, new_token
from rollcall.broker.enrolment_server import EnrolmentServer
from rollcall.broker.private_files import write_private
from rollcall.broker.session import Arrived
from rollcall.broker.topics import Kind
from rollcall.console.broker_place import folder_option
from rollcall.console.hub import Hub, now, require_node_name, told
from rollcall.console.options import EXIT_WARNINGS, CommandError, shared

_JOIN_PORT: Final = 8443
_LOOK_EVERY_S: Final = 0.2
_TOLD_REFUSALS: Final = 10
_ANY: Final = "+"


def _options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        shared,
        click.option(
            "--bundle",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="No network there: write everything into FILE, for a USB stick.",
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65_535),
            default=_JOIN_PORT,
            show_default=True,
            help="Where the node asks to be let in; 0: any.",
        ),
        click.option(
            "--host",
            metavar="NAME",
            help="The name or address by which the node reaches this machine.",
        ),
        folder_option,
        click.argument("name"),
    ):
        command = option(command)
    return command


@click.command()
@_options
def add(name: str, folder: Path, host: str | None, port: int, bundle: Path | None) -> int:
    """Let a node in, and wait for its first report.

    Prints the one command to run on the node NAME. The invitation is good once and for 15
    minutes, and only while this command waits.
    """
    require_node_name(name)
    with told():
        hub = Hub.open(folder)
        if hub.members.has(name, now()):
            raise CommandError(f"{name} is let in already", f"rollcall node renew {name}")
        return _let_in(hub, name, host, port, bundle, then=" --run")


@click.command()
@_options
def renew(name: str, folder: Path, host: str | None, port: int, bundle: Path | None) -> int:
    """Give a node that is known a new certificate.

    Its name and its history stay. The old certificate is revoked when the node has been given the
    new one, with --bundle at once.
    """
    require_node_name(name)
    with told():
        hub = Hub.open(folder)
        if name not in hub.members.names():
            raise CommandError(f"there is no node {name}", f"rollcall node add {name}")
        return _let_in(hub, name, host, port, bundle)


def _let_in(
    hub: Hub, name: str, host: str | None, port: int, bundle: Path | None, *, then: str = ""
) -> int:
    """Invite or write the bundle; `then` is what the node's command is to do besides."""
    address = hub.members.address(host)
    if bundle is not None:
        _write_bundle(hub, name, address, bundle, then)
        return 0
    hub.require_running()
    token = new_token()
    admission = Admission.of(name, token, time.monotonic(), VALID_S)

    def welcome(request_pem: str) -> Welcome:
        return hub.members.welcome(name, address, request_pem, now())

    with EnrolmentServer(admission, welcome, port=port, now=now()) as server:
        invitation = Invitation(address, server.port, name, server.pin, token)
        _invite(invitation, then)
        given = _wait_for_join(server, admission)
        click.echo(f"{name} joined from {server.joined_from}.", err=True)
        with _listening(hub, name) as reports:
            _put_in_force(hub, given)
            # The door stays open: whoever comes with the same token hears that it was used.
            return _wait_for_report(reports, name, admission)


def _invite(invitation: Invitation, then: str) -> None:
    minutes = int(VALID_S // 60)
    click.echo(f"Run this on {invitation.node} (valid {minutes} minutes, once):", err=True)
    click.echo(f"  rollcall node join '{invitation}'{then}")
    click.echo("No network there: --bundle FILE. Waiting; Ctrl-C ends the invitation.", err=True)


def _write_bundle(hub: Hub, name: str, address: str, path: Path, then: str) -> None:
    if path.exists():
        raise CommandError(f"{path} is there already", "another FILE")
    # Tried before anything is issued: a stick that is full or read-only leaves no trace.
    write_private(path, "")
    bundle = hub.members.bundle(name, address, now())
    write_private(path, bundle.model_dump_json())
    _put_in_force(hub, bundle.welcome)
    click.echo(f"Wrote {path}. It holds the key of {name}, which was made here: whoever has the "
               "file is that node.")  # fmt: skip
    click.echo(f"Carry it to {name} and run there (it removes the file):")
    click.echo(f"  rollcall node join {path.name}{then}")


def _put_in_force(hub: Hub, welcome: Welcome) -> None:
    """Let the broker know the new credential, and no older one of that node."""
    if hub.members.supersede(welcome, now()) and reload(hub.broker):
        # Connected with the old credential it would stay so; it comes back with the new one.
        farewell.end_session(hub.operator, welcome.node)


def _listening(hub: Hub, name: str) -> BrokerClient:
    topic = hub.topics.topic_filter(Kind.METRICS, name, _ANY)
    return BrokerClient(hub.operator, client_id="", subscriptions=[(topic, 1)])


def _wait_for_join(server: EnrolmentServer, admission: Admission) -> Welcome:
    told_refusals = 0
    while not server.joined.wait(_LOOK_EVERY_S):
        if server.refusals > told_refusals and told_refusals < _TOLD_REFUSALS:
            told_refusals = server.refusals
            click.echo(f"refused {server.last_refusal}", err=True)
        if time.monotonic() > admission.ends_s:
            node = admission.node
            raise CommandError(f"nobody joined as {node} in time", f"rollcall node add {node}")
    assert server.welcome is not None
    return server.welcome


def _wait_for_report(reports: BrokerClient, name: str, admission: Admission) -> int:
    began_s = time.monotonic()
    while time.monotonic() < admission.ends_s:
        match reports.receive(_LOOK_EVERY_S):
            case Arrived(replayed=False, at_s=at_s) if at_s >= began_s:
                click.echo(f"{name}: first report after {at_s - began_s:.0f} s. Done.")
                return 0
    click.echo(f"{name} is let in, and has not reported yet. Is its agent running?", err=True)
    return EXIT_WARNINGS
