"""Alerts and silences as tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from rollcall.console import words
from rollcall.console.terminal import console

_STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def print_alerts(result: Mapping[str, Any], now_s: float) -> None:
    """Print the alerts of the service's answer."""
    screen = console()
    alerts: Sequence[Mapping[str, Any]] = result["alerts"]
    if not alerts:
        screen.print("Nothing fires.")
    else:
        screen.print(_alerts(alerts, now_s))
    if result.get("more"):
        screen.print(f"and {result['more']} more")
    pending = result.get("pending", 0)
    if pending and not any(alert["state"] == "pending" for alert in alerts):
        screen.print(f"{pending} pending: rollcall alerts list --all")


def print_silences(silences: Sequence[Mapping[str, Any]], now_s: float) -> None:
    """Print the silences of the service's answer."""
    table = _table("ID", "NODES", "RULE", "INSTANCE", "STATE", "")
    for silence in silences:
        begins_in_s = silence["starts"] - now_s
        left = words.age(silence["ends"] - now_s)
        state = f"begins in {words.age(begins_in_s)}" if begins_in_s > 0 else f"{left} left"
        cells = (silence["id"], " ".join(silence["nodes"]), silence["rule"], silence["instance"])
        table.add_row(*(Text(str(cell)) for cell in (*cells, state, silence["comment"])))
    console().print(table if silences else "Nothing is silenced.")


def _alerts(alerts: Sequence[Mapping[str, Any]], now_s: float) -> Table:
    table = _table("STATE", "RULE", "NODE", "VALUE", "LIMIT", "SINCE", "INCIDENT", "TOLD")
    for alert in alerts:
        node = f"{alert['node']} {alert['instance']}".rstrip()
        limit = "" if alert["threshold"] is None else f"{alert['op'] or ''} {alert['threshold']:g}"
        table.add_row(
            Text(alert["state"], style=_STYLES.get(alert["severity"], "")),
            Text(alert["rule"]),
            Text(node),
            "-" if alert["value"] is None else f"{alert['value']:g}",
            limit.strip() or "-",
            words.age(now_s - alert["since"]),
            alert["incident"] or "-",
            Text(_told(alert, now_s)),
        )
    return table


def _told(alert: Mapping[str, Any], now_s: float) -> str:
    if alert["undelivered"]:
        return f"{', '.join(alert['told'])}: {alert['undelivered']}"
    if alert["told"]:
        ago = words.age(now_s - alert["told_at"]) if alert["told_at"] is not None else "?"
        mails = "1 mail" if alert["mails"] == 1 else f"{alert['mails']} mails"
        told = f"{', '.join(alert['told'])}: {mails}, {ago} ago"
        held = alert["acknowledged"]
        return f"{told}; taken on by {held}" if held else f"{told}; {alert['why']}"
    return f"nobody: {alert['why']}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        right = name in {"VALUE", "LIMIT", "SINCE"}
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table
