"""`rollcall node remove`: a node that is to be no more, and what exactly that means."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from rollcall.broker import farewell
from rollcall.broker.broker_reload import reload
from rollcall.broker.farewell import Left
from rollcall.broker.topics import Kind
from rollcall.console.broker_place import folder_option
from rollcall.console.consent import NOBODY, confirm
from rollcall.console.hub import Hub, now, require_node_name, told
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared


@dataclass(frozen=True, slots=True)
class Consequences:
    """What removing a node changes; `running` says whether the broker can be told."""

    node: str
    let_in: bool
    running: bool
    left: Sequence[Left] = ()

    @property
    def alerts(self) -> int:
        """How many alerts end."""
        return sum(one.kind is Kind.ALERT for one in self.left)

    def lines(self, *, done: bool) -> list[str]:
        """Say it, before or after."""
        will = "" if done else "will be "
        credential = f"{will}revoked" if self.let_in else "none is valid"
        if not self.running:
            rest = "the broker does not run: its session and topics stay until this is done again"
            return [f"credential  {credential}", f"topics      {rest}", _HISTORY]
        topics = f"{len(self.left) - self.alerts} {will}cleared"
        return [
            f"credential  {credential}",
            "session     ended" if done else "session     will be ended, if it is connected",
            f"topics      {topics}",
            *(f"            {one.topic}" for one in self.left if one.kind is not Kind.ALERT),
            f"alerts      {self.alerts} {will}ended",
            *(f"            {one.topic}" for one in self.left if one.kind is Kind.ALERT),
            _HISTORY,
        ]

    def document(self, *, done: bool) -> dict[str, object]:
        """Give it as JSON."""
        return {
            "schema": 1,
            "node": self.node,
            "done": done,
            "credential": self.let_in,
            "broker_running": self.running,
            "topics": [one.topic for one in self.left],
        }


_HISTORY = "history     stays in the database"


@click.command()
@click.argument("name", shell_complete=complete_nodes)
@folder_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared
@click.pass_obj
def remove(options: Options, name: str, folder: Path, *, dry_run: bool, yes: bool) -> int:
    """Let a node in no more.

    Revokes its credential, ends its session, clears its topics. Its history stays.
    """
    require_node_name(name)
    with told():
        hub = Hub.open(folder)
        before = _look(hub, name)
        if not (before.let_in or before.left or name in hub.members.names()):
            raise CommandError(f"there is no node {name}", "rollcall node list")
        if dry_run:
            _say(options, before, done=False)
            click.echo("Nothing was changed.", err=True)
            return 0
        if not yes:
            _ask(before)
        after = _remove(hub, before)
    _say(options, after, done=True)
    return 0 if after.running else EXIT_OUT_OF_REACH


def _look(hub: Hub, name: str) -> Consequences:
    running = hub.broker.running() is not None
    left = farewell.retained_topics(hub.operator, hub.topics, name) if running else ()
    return Consequences(name, hub.members.has(name, now()), running, left)


def _remove(hub: Hub, before: Consequences) -> Consequences:
    hub.members.remove(before.node, now())
    if not reload(hub.broker):
        return Consequences(before.node, before.let_in, running=False)
    farewell.end_session(hub.operator, before.node)
    cleared = farewell.clear(hub.operator, hub.topics, before.node)
    return Consequences(before.node, before.let_in, running=True, left=cleared)


def _ask(before: Consequences) -> None:
    for line in before.lines(done=False):
        click.echo(f" {line}", err=True)
    confirm(f"Remove {before.node}?", unasked=NOBODY, remedy="--yes, or --dry-run")


def _say(options: Options, what: Consequences, *, done: bool) -> None:
    if options.json:
        click.echo(json.dumps(what.document(done=done), indent=2))
        return
    for line in what.lines(done=done):
        click.echo(f" {line}")
