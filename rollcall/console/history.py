"""`rollcall history`: what went wrong while nobody looked, and what changed most."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from rollcall.alerts.wording import quantity
from rollcall.console.marks import MARKS
from rollcall.console.moments import Moment, milliseconds
from rollcall.console.node_names import complete_nodes
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.peaks import Peak, peaks
from rollcall.console.terminal import console, has_shapes
from rollcall.console.words import age, iso, printable
from rollcall.dashboard.past import Window, night
from rollcall.recorder import queries
from rollcall.recorder.overviews import HistoryAwayError, ask

_USAGE: Final = 2
_DAY: Final = dt.timedelta(days=1)
_EVENING: Final = dt.time(20)
_MORNING: Final = dt.time(8)
_MOST_CHANGES: Final = 3
# Less than this is no news: points of a share, and how many times of anything else.
_LEAST_POINTS: Final = 10
_LEAST_RATIO: Final = 1.5
_OTHER_MARKS: Final = MappingProxyType(
    {"info": ("i", "info", ""), "event": ("·", "-", "dim"), "gap": ("?", "??", "magenta")}
)
_Night = Mapping[str, Any]


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE...]", shell_complete=complete_nodes)
@click.option("--last-night", is_flag=True, help="From 20:00 yesterday to 08:00 today.")
@click.option("--since", type=Moment(), help="From when on: 2026-11-20T18:00, or 24h (default).")
@click.option("--until", type=Moment(), help="Up to when; default: now.")
@shared
@click.pass_obj
def history(
    options: Options,
    nodes: tuple[str, ...],
    *,
    last_night: bool,
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> None:
    """Tell what was recorded of a night, or of any time: alerts, absences, events, changes.

    NODE may be a pattern, in quotes. The broker is not needed for it.
    """
    if last_night and (since or until):
        raise CommandError("--last-night is a time of its own", "without --since, --until", _USAGE)
    now = dt.datetime.now().astimezone()
    start, stop = last(now) if last_night else (since or now - _DAY, until or now)
    if start >= stop:
        raise CommandError("nothing lies between --since and --until", "an earlier --since", _USAGE)
    window = Window(*map(milliseconds, (start, stop, now)))
    apart_ms = round(_DAY.total_seconds() * 1000) if last_night else None
    try:
        found = ask(
            options.settings().recorder.database,
            lambda connection: _nights(connection, window, nodes, apart_ms),
        )
    except HistoryAwayError as error:
        remedy = "look at [recorder] database: rollcall config show --origin"
        raise CommandError(str(error), remedy, EXIT_OUT_OF_REACH) from error
    if nodes and not found:
        raise CommandError(f"nothing is recorded then of {' '.join(nodes)}", "rollcall history")
    told = joined(found)
    if options.json:
        click.echo(json.dumps(document(told, start, stop), indent=2))
        return
    length = age((stop - start).total_seconds())
    _show(told, start, stop, "the night before" if last_night else f"the {length} before")


def last(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Give the last night: from the evening of yesterday to this morning, or now before that."""
    evening = dt.datetime.combine(now.date() - _DAY, _EVENING).astimezone()
    morning = dt.datetime.combine(now.date(), _MORNING).astimezone()
    return evening, min(morning, now)


def joined(nights: Sequence[_Night]) -> dict[str, Any]:
    """Make one of the nights of several nodes."""
    story = [entry for each in nights for entry in each["story"]]
    return {
        "nodes": sum(each["nodes"] for each in nights),
        "recorded": fmean(each["recorded"] for each in nights) if nights else 0.0,
        "story": sorted(story, key=lambda entry: (entry["since"], entry["node"])),
        "changes": [change for each in nights for change in each["changes"]],
    }


def document(told: _Night, start: dt.datetime, stop: dt.datetime) -> dict[str, Any]:
    """Give it as the document of `--json`."""
    story = [
        {
            "node": entry["node"] or None,
            "kind": entry["kind"],
            "time": iso(entry["since"]),
            "ts": round(entry["since"] * 1000),
            "until": None if _lasts(entry, stop) else iso(entry["until"]),
            "until_ts": None if _lasts(entry, stop) else round(entry["until"] * 1000),
            "words": entry["words"],
            "peak": _peak_document(entry.get("peak")),
        }
        for entry in told["story"]
    ]
    return {
        "schema": 1,
        "since": iso(start.timestamp()),
        "since_ts": milliseconds(start),
        "until": iso(stop.timestamp()),
        "until_ts": milliseconds(stop),
        "nodes": told["nodes"],
        "recorded_percent": round(100 * told["recorded"], 2),
        "story": story,
        "changes": told["changes"],
    }


def heading(told: _Night, start: dt.datetime, stop: dt.datetime) -> str:
    """Say of when this is, of how many nodes, and how much of it was recorded."""
    nodes = "1 node" if told["nodes"] == 1 else f"{told['nodes']} nodes"
    recorded = f"recorded {100 * told['recorded']:.1f} %"
    return f"{start:%a %-d %b %H:%M} to {stop:%a %-d %b %H:%M %Z}    {nodes}    {recorded}"


def row(entry: Mapping[str, Any], start: dt.datetime, stop: dt.datetime) -> tuple[str, ...]:
    """Say one thing that happened: when, to whom, what, how long, in words."""
    at = dt.datetime.fromtimestamp(entry["since"], start.tzinfo)
    clock = "%H:%M" if stop - start <= _DAY else "%a %-d %b %H:%M"
    lasts = _lasts(entry, stop)
    span = "" if lasts else age(entry["until"] - entry["since"])
    words = printable(entry["words"]).replace("\n", " ")
    if entry["kind"] in {"offline", "stale"}:
        back = dt.datetime.fromtimestamp(entry["until"] or 0, start.tzinfo)
        words += "; not back" if lasts else f"; back {back:{clock}}"
    elif entry["kind"] != "event":
        peak: Peak | None = entry.get("peak")
        words += f"; peak {quantity(peak.value, peak.metric)}" if peak else ""
        words += "; not over" if lasts else ""
    return f"{at:{clock}}", entry["node"], entry["kind"], span, words


def change_words(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say what changed enough to be told, the strongest first."""
    for change in changes:
        before, after = float(change["before"]), float(change["after"])
        name = " ".join(filter(None, (change["node"], change["metric"], change["instance"])))
        if change["metric"].endswith(("_percent", ".percent")):
            if abs(after - before) >= _LEAST_POINTS:
                yield printable(f"{name} {before:.0f} % to {after:.0f} %")
        elif min(before, after) > 0 and max(before, after) / min(before, after) >= _LEAST_RATIO:
            more = f"x{after / before:.2g}" if after > before else f"to 1/{before / after:.2g}"
            yield printable(f"{name} {more}")


def _nights(
    connection: Any, window: Window, patterns: Sequence[str], apart_ms: int | None
) -> list[_Night]:
    found = _of_nodes(connection, window, patterns, apart_ms)
    reached = peaks(connection, window.start, window.known_stop)
    for entry in (entry for each in found for entry in each["story"] if "rule" in entry):
        entry["peak"] = reached.get((entry["incident"], entry["node"], entry["rule"]))
    return found


def _of_nodes(
    connection: Any, window: Window, patterns: Sequence[str], apart_ms: int | None
) -> list[Any]:
    if not patterns:
        return [night(connection, window, apart_ms=apart_ms)]
    states = queries.states(connection, window.start, window.known_stop)
    names = sorted({state.node for state in states})
    chosen = [name for name in names if any(fnmatchcase(name, each) for each in patterns)]
    return [night(connection, window, name, apart_ms=apart_ms) for name in chosen]


def _peak_document(peak: Peak | None) -> dict[str, Any] | None:
    if peak is None:
        return None
    at = {"time": iso(peak.ts / 1000), "ts": peak.ts}
    return {"metric": peak.metric, "value": peak.value, **at}


def _lasts(entry: Mapping[str, Any], stop: dt.datetime) -> bool:
    """Say whether it was not over at the end of the window, or has no end."""
    return entry["until"] is None or entry["until"] >= stop.timestamp()


def _show(told: _Night, start: dt.datetime, stop: dt.datetime, before: str) -> None:
    screen, shapes = console(), has_shapes()
    screen.print(heading(told, start, stop), soft_wrap=True, markup=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    for entry in told["story"]:
        shape, word, style = {**MARKS, **_OTHER_MARKS}.get(entry["kind"], MARKS["unknown"])
        at, node, kind, span, words = row(entry, start, stop)
        mark = Text(shape if shapes else word, style)
        table.add_row(f" {at}", mark, Text(node or "all"), kind, span, Text(words))
    screen.print(table if told["story"] else "Nothing went wrong, as far as it was recorded.")
    changed = list(change_words(told["changes"]))[:_MOST_CHANGES]
    if changed:
        words = f"Most changed against {before}: {'; '.join(changed)}"
        screen.print(words, soft_wrap=True, markup=False)
