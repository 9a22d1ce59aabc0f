"""`rollcall show NODE`: everything one node last said."""

import json
from collections.abc import Iterator
from typing import Any

import click

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import Fields
from rollcall.broker.node_view import HeldReport, NodeView, Now, stale_after_s
from rollcall.console.fallback import dated, from_database
from rollcall.console.gather import gather, now
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.recording import recording_of
from rollcall.console.words import age, iso
from rollcall.service.settings import Settings


@click.command()
@click.argument("node", shell_complete=complete_nodes)
@shared
@click.pass_obj
def show(options: Options, node: str) -> None:
    """Show all that NODE last said: its facts, its alerts, every value with its age.

    While the broker is out of reach it shows what is in the database, and says so; exit code 5.
    """
    settings = options.settings()
    try:
        cluster, _ = gather(settings.broker)
    except CommandError as away:
        if away.code != EXIT_OUT_OF_REACH:
            raise
        _show_recorded(options, settings, node, away)
        raise
    moment = now()
    view = cluster.node(node, moment)
    if view is None:
        raise CommandError(f"no such node: {node}", "rollcall status")
    if options.json:
        click.echo(json.dumps(node_document(view, moment, cluster), indent=2))
        return
    remark = dated(recording_of(cluster.services), settings).remark(moment.wall_s)
    for line in (*filter(None, [remark]), *node_lines(view, moment, cluster)):
        click.echo(line)


def _show_recorded(options: Options, settings: Settings, node: str, away: CommandError) -> None:
    def known() -> tuple[list[str], dict[str, Any]] | None:
        from rollcall.console import from_database as database  # noqa: PLC0415 - as in `fallback`
        from rollcall.console import show_recorded  # noqa: PLC0415 - likewise

        found = database.of_node(settings.recorder.database, node)
        moment_s = now().wall_s
        if found is None:
            return None
        return show_recorded.lines(*found, moment_s), show_recorded.document(*found, moment_s)

    told = from_database(away, known)
    if told is None:
        raise CommandError(
            f"{away}\n  and the database knows nothing of {node}", away.remedy, away.code
        )
    if options.json:
        click.echo(json.dumps(told[1] | {"broker": str(away)}, indent=2))
        return
    for line in told[0]:
        click.echo(line)


def node_lines(view: NodeView, now: Now, cluster: Cluster) -> list[str]:
    """Say all of it as lines."""
    return [
        *_heading(view),
        *_alerts(view, cluster),
        *_facts(view),
        *(line for name in sorted(view.reports) for line in _collector(name, view, now)),
    ]


def node_document(view: NodeView, now: Now, cluster: Cluster) -> dict[str, Any]:
    """Give all of it as the document of `--json`."""
    return {
        "schema": 1,
        "time": iso(now.wall_s),
        "ts": round(now.wall_s * 1000),
        "source": "broker",
        "recorded": recording_of(cluster.services).ok,
        "node": view.name,
        "state": str(view.state),
        "reason": view.reason,
        "since": None if view.since is None else iso(view.since),
        "age_seconds": None if view.age_s is None else round(view.age_s, 1),
        "info": view.info.model_dump(exclude_none=True) if view.info else None,
        "alerts": {
            rule: alert.model_dump(exclude_none=True)
            for (name, rule), alert in sorted(cluster.alerts.items())
            if name == view.name
        },
        "collectors": {
            name: {
                "time": iso(held.report.time),
                "age_seconds": held.age_s(now),
                "interval": held.report.interval,
                "fields": held.report.fields,
                "instances": held.report.instances,
                "error": held.report.error,
            }
            for name, held in sorted(view.reports.items())
        },
    }


def _heading(view: NodeView) -> Iterator[str]:
    reason = f" ({view.reason})" if view.reason else ""
    since = f" since {iso(view.since)}" if view.since else ""
    yield f"{view.name}: {view.state}{reason}{since}, heard {age(view.age_s)} ago"


def _alerts(view: NodeView, cluster: Cluster) -> Iterator[str]:
    for (node, rule), alert in sorted(cluster.alerts.items()):
        if node == view.name:
            flags = f" ({', '.join(alert.flags)})" if alert.flags else ""
            yield f"  {alert.severity} {alert.state} {rule}: {alert.summary}{flags}"


def _facts(view: NodeView) -> Iterator[str]:
    info = view.info
    if info is None:
        return
    told = {
        "description": info.description,
        "model": info.model,
        "system": info.os,
        "kernel": info.kernel,
        "addresses": ", ".join(info.addresses) or None,
        "labels": ", ".join(f"{key}={value}" for key, value in info.labels.items()) or None,
        "agent": info.agent,
    }
    for name, text in told.items():
        if text is not None:
            yield f"  {name:12} {text}"


def _collector(name: str, view: NodeView, now: Now) -> Iterator[str]:
    held = view.reports[name]
    yield ""
    yield f"{name}, {_timing(held, now)}"
    if held.report.error:
        yield f"  {held.report.error}"
    yield from _values(held.report.fields or {})
    for instance, fields in sorted((held.report.instances or {}).items()):
        yield f"  {instance}"
        yield from (f"  {line}" for line in _values(fields))


def _timing(held: HeldReport, now: Now) -> str:
    age_s = held.age_s(now)
    old = age_s is None or age_s > stale_after_s(held.report.interval)
    return f"{'OLD: ' if old else ''}{age(age_s)} ago, every {held.report.interval} s"


def _values(fields: Fields) -> Iterator[str]:
    width = max((len(field) for field in fields), default=0)
    for field, number in fields.items():
        told = "-" if number is None else f"{number:g}" if isinstance(number, float) else number
        yield f"  {field:{width}}  {told}"
