"""The tree of commands."""

import click

from rollcall import __version__
from rollcall.console.later import LaterGroup
from rollcall.console.options import shared
from rollcall.console.run import run
from rollcall.console.status import status
from rollcall.console.up import up


@click.group(
    cls=LaterGroup,
    later={
        "alerts": ("rollcall.console.alerts", "alerts"),
        "backup": ("rollcall.console.backup", "recorder"),
        "broker": ("rollcall.console.broker", "broker"),
        "command": ("rollcall.console.command", "console"),
        "completion": ("rollcall.console.completion", "console"),
        "config": ("rollcall.console.config", "console"),
        "dashboard": ("rollcall.console.dashboard", "dashboard"),
        "db": ("rollcall.console.db", "recorder"),
        "doctor": ("rollcall.console.doctor.command", "console"),
        "export": ("rollcall.console.export", "recorder"),
        "fleet": ("rollcall.console.fleet", "console"),
        "history": ("rollcall.console.history", "recorder"),
        "lcd": ("rollcall.console.lcd", "lcd"),
        "man": ("rollcall.console.man", "console"),
        "node": ("rollcall.console.node", "broker"),
        "prune": ("rollcall.console.prune", "console"),
        "restore": ("rollcall.console.restore", "recorder"),
        "service": ("rollcall.console.service", "console"),
        "show": ("rollcall.console.show", "console"),
        "top": ("rollcall.console.top", "console"),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rollcall")
@shared
def rollcall() -> None:
    """Tell whether the machines of a cluster are alive, and how they fare, over MQTT."""


for _command in (up, status, run):
    rollcall.add_command(_command)
