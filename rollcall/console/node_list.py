"""`rollcall node list`: which nodes may come, and which have."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from rollcall.broker.cluster import Cluster
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.node_view import Now
from rollcall.console import words
from rollcall.console.broker_place import folder_option
from rollcall.console.gather import gather
from rollcall.console.gather import now as clocks
from rollcall.console.hub import Hub, now, told
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared

_HEADINGS: Final = ("NODE", "STATE", "LAST SEEN", "CREDENTIAL", "AGENT")
_REVOKED: Final = "revoked"


@dataclass(frozen=True, slots=True)
class Listed:
    """One node: what the broker retains of it, and what lets it in.

    `age_s` is None when nobody knows, `days_left` None without a valid certificate.
    """

    node: str
    state: str
    age_s: float | None
    agent: str | None
    credential: str
    days_left: int | None

    def cells(self) -> tuple[str, ...]:
        """Give its line of the table."""
        age = "-" if self.age_s is None else f"{words.age(self.age_s)} ago"
        days = f" for {self.days_left} days" if self.days_left is not None else ""
        return (self.node, self.state, age, f"{self.credential}{days}", self.agent or "-")


@click.command("list")
@folder_option
@shared
@click.pass_obj
def list_nodes(options: Options, folder: Path) -> int:
    """List the nodes: last seen, days left, agent."""
    with told():
        hub = Hub.open(folder)
        cluster, failure = _cluster(hub)
        listed = rows(hub, cluster, now(), clocks())
    if options.json:
        click.echo(json.dumps(document(listed, clocks()), indent=2))
    else:
        _print(listed)
    if failure is not None:
        raise failure
    return 0


def rows(hub: Hub, cluster: Cluster | None, today: dt.datetime, moment: Now) -> list[Listed]:
    """Join what the broker retains with who is let in, by name."""
    views = {view.name: view for view in cluster.nodes(moment)} if cluster else {}
    listed = []
    for name in sorted(views.keys() | hub.members.names()):
        view = views.get(name)
        credential, days_left = _credential(hub, name, today)
        if view is None and credential == _REVOKED:
            continue  # it was removed
        listed.append(
            Listed(
                node=name,
                state=str(view.state) if view else "never seen" if cluster else "unknown",
                age_s=view.age_s if view else None,
                agent=view.info.agent if view and view.info else None,
                credential=credential,
                days_left=days_left,
            )
        )
    return listed


def _credential(hub: Hub, name: str, today: dt.datetime) -> tuple[str, int | None]:
    members = hub.members
    until = members.valid_until(name, today)
    if hub.broker.plan.profile is Profile.PASSWORD:
        return ("password" if members.has(name, today) else "none"), None
    if until is not None:
        return "certificate", (until - today).days
    newest = members.newest(name)
    if newest is None:
        return "none", None
    return (_REVOKED if newest.revoked else "expired"), None


def document(listed: list[Listed], moment: Now) -> dict[str, object]:
    """Give the list as JSON."""
    return {
        "schema": 1,
        "nodes": [
            {
                "node": one.node,
                "state": one.state,
                "last_seen": None if one.age_s is None else words.iso(moment.wall_s - one.age_s),
                "credential": one.credential,
                "certificate_days_left": one.days_left,
                "agent": one.agent,
            }
            for one in listed
        ],
    }


def _cluster(hub: Hub) -> tuple[Cluster | None, CommandError | None]:
    try:
        hub.require_running()
        return gather(hub.operator)[0], None
    except CommandError as error:
        if error.code != EXIT_OUT_OF_REACH:
            raise
        return None, error


def _print(listed: list[Listed]) -> None:
    if not listed:
        click.echo("No node yet. Let one in: rollcall node add NAME")
        return
    table = [_HEADINGS, *(one.cells() for one in listed)]
    widths = [max(len(row[i]) for row in table) for i in range(len(_HEADINGS))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
