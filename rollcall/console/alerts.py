"""`rollcall alerts`: what is wrong, who was told, and what a rule would do."""

import click

from rollcall.console.alerts_ask import ack, list_alerts, silence, test
from rollcall.console.alerts_check import check
from rollcall.console.alerts_try import try_rule
from rollcall.console.options import shared


@click.group()
@shared
def alerts() -> None:
    """Look at alerts and at the rules that they come from."""


for _command in (list_alerts, ack, silence, test):
    alerts.add_command(_command)
alerts.add_command(check, "check")
alerts.add_command(try_rule, "try")
