"""`rollcall node`: who belongs to the cluster."""

import click

from rollcall.console.join import join
from rollcall.console.node_add import add, renew
from rollcall.console.node_list import list_nodes
from rollcall.console.node_remove import remove
from rollcall.console.options import shared


@click.group()
@shared
def node() -> None:
    """Let nodes in, list, renew and remove them."""


for _command in (add, join, list_nodes, renew, remove):
    node.add_command(_command)
