"""`rollcall node join`: on the node, become a node of the cluster."""

import datetime as dt
import os
import shlex
import sys
from pathlib import Path
from typing import Final

import click

from rollcall.broker.certificates import CredentialError, Details, new_request
from rollcall.broker.enrolment import Bundle, EnrolmentError, Invitation, Welcome, decode_bundle
from rollcall.broker.enrolment_client import ask
from rollcall.console.node_files import NodeFiles, default_folder
from rollcall.console.options import CommandError, shared
from rollcall.console.run import PROGRAMS

_LONGEST_BUNDLE_BYTES: Final = 200_000


@click.command()
@click.argument("invitation", metavar="INVITATION|FILE")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the node's files go; default: where the agent looks by itself.",
)
@click.option("--run", is_flag=True, help="Then run the agent, in the foreground.")
@shared
def join(invitation: str, folder: Path | None, *, run: bool) -> None:
    """Join the cluster; run this on the node.

    INVITATION is what `rollcall node add` prints on the hub. The key is made here and never leaves
    this machine. From a FILE that `rollcall node add --bundle` wrote, no network is needed; the key
    is then the one in it, and FILE is removed.
    """
    files = NodeFiles((folder or default_folder()).absolute())
    try:
        if invitation.startswith("https:"):
            welcome, found = _by_network(Invitation.parse(invitation), files)
        else:
            welcome, found = _by_bundle(Path(invitation), files)
    except (EnrolmentError, CredentialError) as error:
        what, _, remedy = str(error).partition("; try on the hub: ")
        raise CommandError(what, remedy or "rollcall node join --help") from error
    except OSError as error:
        denied = isinstance(error, PermissionError)
        raise CommandError(
            f"{error.filename or files.folder}: {error.strerror}",
            "again with sudo, or another --folder" if denied else "rollcall node join --help",
        ) from error
    _tell(welcome, found, files)
    if run:
        sys.stdout.flush()
        agent = [sys.executable, "-m", PROGRAMS["agent"], "--config", str(files.configuration)]
        os.execv(sys.executable, agent)  # noqa: S606 - our own program
    _tell_how_to_start(files)


def _by_network(invitation: Invitation, files: NodeFiles) -> tuple[Welcome, Details | None]:
    # Before the token is used up.
    files.prepare(invitation.node)
    request_pem, key_pem = new_request(invitation.node)
    welcome = ask(invitation, request_pem)
    return welcome, files.install(welcome, key_pem)


def _by_bundle(path: Path, files: NodeFiles) -> tuple[Welcome, Details | None]:
    bundle = _read(path)
    found = files.install(bundle.welcome, bundle.key or "")
    try:
        path.unlink()
    except OSError as error:
        click.echo(f"{path} holds the node's key and cannot be removed ({error.strerror}): "
                   "destroy it", err=True)  # fmt: skip
    return bundle.welcome, found


def _read(path: Path) -> Bundle:
    with path.open("rb") as file:
        return decode_bundle(file.read(_LONGEST_BUNDLE_BYTES))


def _tell(welcome: Welcome, found: Details | None, files: NodeFiles) -> None:
    click.echo(f"{welcome.node} belongs to the cluster of {welcome.host}:{welcome.port}.")
    if found is not None:
        days = (found.not_after - dt.datetime.now(dt.UTC)).days
        click.echo(f"Its certificate is valid for {days} days, until {found.not_after:%d %b %Y}.")
    click.echo(f"Its files are in {files.folder}; only this user can read them.")


def _tell_how_to_start(files: NodeFiles) -> None:
    where = files.folder != default_folder()
    option = f" --config {shlex.quote(str(files.configuration))}" if where else ""
    click.echo("Start the agent, or, if it runs, let it go on: it takes a new certificate itself.")
    click.echo(f"  rollcall run agent{option}")
