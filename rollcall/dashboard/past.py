"""What was recorded, as the dashboard's answers: one series, a comparison, a moment, a night.

Questions to the database are functions over a connection; `ask` opens it to read. Times in
milliseconds since 1970 inside, Unix seconds in the answers.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from pydantic import JsonValue

from rollcall.dashboard.cards import known
from rollcall.dashboard.columns import Point, Span, gridded, holes, share, silence_after, single
from rollcall.dashboard.processes import EVENT, NoListError, listed
from rollcall.dashboard.trend import MINUTES, TREND, Trend
from rollcall.dashboard.unrecorded import Gap, Stay, gaps, without
from rollcall.recorder import overviews, queries, raw
from rollcall.recorder.overviews import HistoryAwayError, ask
from rollcall.recorder.rollups import HOUR_MS, MINUTE_MS
from rollcall.recorder.silences import silences

__all__ = [
    "HistoryAwayError",
    "Window",
    "ask",
    "cluster_at",
    "compared",
    "night",
    "processes",
    "series",
    "trends",
]

Answer = dict[str, JsonValue]

_MS: Final = 1000
_ABSENT: Final = frozenset({"offline", "stale"})
_MOST_CHANGES: Final = 10
_CARD_METRICS: Final = {
    "cpu.percent": "cpu",
    "memory.used_percent": "memory",
    "load.load1": "load",
    "temperature.cpu_celsius": "temperature",
    "disk.used_percent": "disk",
}
_RANKS: Final = {"critical": 0, "warning": 3}
# What a chart marks; and what is no news of a night.
_MARKED: Final = frozenset({"reboot", "clock_step", "clock_corrected"})
_UNSUPPORTED: Final = '"error":"unsupported:'
_UNTOLD: Final = frozenset({EVENT, "collector_recovered"})
# Identities and times that say to people nothing which the event's own time does not.
_UNREADABLE: Final = frozenset({"boot", "previous_boot", "boot_time"})
Connection = Any  # of the recorder's engine; its library stays behind its door


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to `stop`; what lies after `now` is not missing, it has not been yet."""

    start: int
    stop: int
    now: int

    @property
    def known_stop(self) -> int:
        """The end of what can have been recorded."""
        return max(self.start, min(self.stop, self.now))

    def told(self) -> Answer:
        """Give its ends as JSON."""
        return {"since": self.start / _MS, "until": self.stop / _MS}


def series(connection: Connection, node: str, metric: str, instance: str, window: Window) -> Answer:
    """Give a series as columns, with why there is nothing where there is nothing."""
    found = queries.curve(connection, node, metric, instance, window.start, window.stop)
    points = [Point(each.ts, each.min, each.avg, each.max, each.samples) for each in found.points]
    width = queries.RESOLUTIONS[found.resolution]
    raw = found.resolution == "raw"
    columns = single(points) if raw else gridded(points, window.start, window.known_stop, width)
    absent = [
        Span(state.state, state.ts, window.known_stop if state.until_ts is None else state.until_ts)
        for state in queries.states(connection, window.start, window.known_stop, node)
        if state.state in _ABSENT
    ]
    longest = max(silence_after(points) if raw and len(points) > 1 else 2 * width, 2 * width)
    empty = holes(points, window.start, window.known_stop, longest, absent)
    happened = queries.events(connection, window.start, window.stop, node)
    return {
        **window.told(),
        "level": "samples" if raw else found.resolution,
        "bucket": width / _MS,
        **columns.told(),
        "reasons": [span.told() for span in (*absent, *empty)],
        "recorded": share([*absent, *empty], window.start, window.known_stop),
        "events": [
            {"time": each.ts / _MS, "kind": each.kind}
            for each in reversed(happened)
            if each.kind in _MARKED
        ],
    }


def compared(connection: Connection, metric: str, window: Window, points: int) -> Answer:
    """Give one metric over all nodes, each as a row of means on one common grid."""
    width, found = overviews.compared(connection, metric, window.start, window.stop, points)
    first = window.start - window.start % width
    times = list(range(first, window.known_stop, width))
    rows: dict[tuple[str, str], dict[int, overviews.Bucket]] = defaultdict(dict)
    for bucket in found:
        rows[bucket.node, bucket.instance][bucket.ts] = bucket
    return {
        **window.told(),
        "metric": metric,
        "metrics": list(overviews.metrics(connection)),
        "bucket": width / _MS,
        "times": [ts / _MS for ts in times],
        "rows": [_compared_row(name, buckets, times) for name, buckets in sorted(rows.items())],
    }


def _compared_row(
    name: tuple[str, str], buckets: Mapping[int, overviews.Bucket], times: Iterable[int]
) -> Answer:
    return {
        "node": name[0],
        "instance": name[1],
        "avg": [buckets[ts].mean if ts in buckets else None for ts in times],
        "highest": max(bucket.high for bucket in buckets.values()),
        "mean": fmean(
            (bucket.mean for bucket in buckets.values()),
            [bucket.samples for bucket in buckets.values()],
        ),
    }


def processes(connection: Connection, node: str, until: int) -> Answer:
    """Give the list of processes of a node that was recorded last, with its time; or neither."""
    found = queries.newest_event(connection, node, EVENT, until)
    try:
        return {} if found is None else {"time": found.ts / _MS, **listed(json.loads(found.detail))}
    except NoListError:
        return {}


def trends(connection: Connection, metric: str, until: int) -> dict[str, dict[int, float]]:
    """Give the hour before `until` for sparklines: by node, means by minute since 1970."""
    stop = until - until % MINUTE_MS
    _, found = overviews.compared(connection, metric, stop - HOUR_MS, stop, MINUTES)
    means: dict[str, dict[int, float]] = defaultdict(dict)
    for bucket in found:
        if not bucket.instance:
            means[bucket.node][bucket.ts // MINUTE_MS] = bucket.mean
    return dict(means)


def cluster_at(connection: Connection, at: int) -> Answer:
    """Give the whole cluster as it was recorded at a moment, in the shape of a live frame."""
    alerts: dict[str, list[JsonValue]] = defaultdict(list)
    worst: dict[str, int] = {}
    for alert in overviews.alerts_at(connection, at):
        alerts[alert.node].append(_alert_row(alert))
        if alert.state == "firing":
            rank = _RANKS.get(alert.severity or "", 5)
            worst[alert.node] = min(rank, worst.get(alert.node, 5))
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    for was in overviews.values_at(connection, list(_CARD_METRICS), at):
        _put(values[was.node], was)
    states = queries.cluster_at(connection, at)
    nodes = []
    for state in states:
        heard = [each["at"] for each in values[state.node].values()]
        node: Answer = {
            "name": state.node,
            "state": state.state,
            "reason": state.reason,
            "since": state.ts / _MS,
            "seen": max(heard, default=None),
            "rank": _rank(state, worst.get(state.node, 5)),
            "values": values[state.node],
            "alerts": alerts[state.node],
        }
        nodes.append(known(node))
    lines: Answer = {
        name: _line(means, at) for name, means in trends(connection, TREND, at).items()
    }
    return {"time": at / _MS, "nodes": list(nodes), "trends": lines}


def _line(means: Mapping[int, float], at: int) -> JsonValue:
    trend = Trend()
    trend.seed(means)
    return list(trend.points(at / _MS))


def _put(card: dict[str, Any], was: overviews.Was) -> None:
    """Put a value into a node's card; of several disks the fullest."""
    name = _CARD_METRICS[was.metric]
    told = {"value": was.value, "at": was.ts / _MS, "interval": queries.RESOLUTIONS["raw"] / _MS}
    if name not in card or card[name]["value"] < was.value:
        card[name] = told | ({"instance": was.instance} if was.instance else {})


def _rank(state: queries.State, worst: int) -> int:
    if state.state == "offline":
        return 1 if state.reason == "lost" else 4
    return worst if state.state == "online" else 2


def _alert_row(alert: overviews.AlertThen) -> Answer:
    return {
        "rule": alert.rule,
        "state": alert.state,
        "severity": alert.severity or "warning",
        "summary": alert.summary or alert.rule,
        "since": alert.ts / _MS,
        "incident": alert.incident,
        "flags": [],
    }


def night(
    connection: Connection,
    window: Window,
    node: str | None = None,
    *,
    apart_ms: int | None = None,
) -> Answer:
    """Give what went wrong in a window, and what changed most against the one before.

    That one begins `apart_ms` earlier; None: it ends where this one begins. Of one node or of all;
    of one also which reports are missing. A gap in the recording is an entry of kind `gap`,
    of all nodes where its `node` is empty.
    """
    stop = window.known_stop
    states = queries.states(connection, window.start, stop, node)
    unrecorded = _gaps(connection, window, states)
    story = _story(connection, window, states, unrecorded, node)
    changed = overviews.changes(connection, window.start, stop, _MOST_CHANGES, apart_ms)
    missing = [each for each in queries.gaps(connection) if node in {None, each.node}]
    return {
        **window.told(),
        "nodes": len({state.node for state in states}),
        "recorded": _recorded(states, unrecorded, window),
        "story": list(story),
        "changes": [dict(each._asdict()) for each in changed if node in {None, each.node}],
        "gaps": [
            {"first": each.first_seq, "last": each.last_seq, "state": each.state}
            for each in (missing if node else ())
        ],
        "missing": _counted(missing),
    }


def _gaps(connection: Connection, window: Window, states: Iterable[queries.State]) -> list[Gap]:
    """Give what was not recorded of the nodes of `states`, and of any node meanwhile."""
    stop = window.known_stop
    parts: dict[str, list[tuple[int, int]]] = {name: [] for name in raw.nodes(connection)}
    for name, start, end in silences(connection, window.start, stop):
        parts.setdefault(name, []).append((start, end))
    return gaps(parts, (_stay(state, stop) for state in states))


def _stay(state: queries.State, stop: int) -> Stay:
    return Stay(
        state.node, state.state, state.ts, stop if state.until_ts is None else state.until_ts
    )


def _recorded(states: Sequence[queries.State], unrecorded: Sequence[Gap], window: Window) -> float:
    """Give the share, 0 to 1, of the time since the nodes were first heard that is no gap."""
    whole = left = 0
    for state in states:
        stay = _stay(state, window.known_stop)
        lost = [(gap.ts, gap.until_ts) for gap in unrecorded if gap.node in {None, state.node}]
        parts = without([(stay.ts, stay.until_ts)], lost)
        whole += stay.until_ts - stay.ts
        left += sum(end - start for start, end in parts)
    return left / whole if whole else 0.0


def _counted(missing: Iterable[queries.Gap]) -> list[JsonValue]:
    """Count the missing reports of each node, by why they are."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for each in missing:
        counts[each.node, each.state] += each.last_seq - each.first_seq + 1
    return [
        {"node": node, "state": state, "reports": count}
        for (node, state), count in sorted(counts.items())
    ]


def _story(
    connection: Connection,
    window: Window,
    states: Sequence[queries.State],
    unrecorded: Sequence[Gap],
    node: str | None,
) -> list[dict[str, Any]]:
    """Give incidents, absences, gaps and events in order of time."""
    of_all = [(gap.ts, gap.until_ts) for gap in unrecorded if gap.node is None]
    story: list[dict[str, Any]] = [
        *_incidents(connection, window),
        *(
            _absence(state)
            for state in states
            if state.state in _ABSENT and not _is_ours(_stay(state, window.known_stop), of_all)
        ),
        *(_unrecorded(gap, window, node) for gap in unrecorded),
        *(
            _event(each)
            for each in queries.events(connection, window.start, window.known_stop, node)
            if each.kind not in _UNTOLD and _UNSUPPORTED not in each.detail
        ),
    ]
    wanted = [entry for entry in story if node in {None, entry["node"]}]
    return sorted(wanted, key=lambda entry: (entry["since"], entry["node"]))


def _is_ours(stay: Stay, of_all: Sequence[tuple[int, int]]) -> bool:
    """Say whether a node seemed silent because nobody listened."""
    left = without([(stay.ts, stay.until_ts)], of_all)
    return stay.state == "stale" and sum(end - start for start, end in left) < MINUTE_MS


def _unrecorded(gap: Gap, window: Window, node: str | None) -> dict[str, Any]:
    lasts = gap.until_ts >= window.known_stop == window.now
    words = "nothing was recorded of any node"
    return {
        "kind": "gap",
        "node": gap.node or node or "",
        "since": gap.ts / _MS,
        "until": None if lasts else gap.until_ts / _MS,
        "words": words if gap.node is None else "online, but nothing was recorded",
    }


def _event(happened: queries.Happened) -> dict[str, Any]:
    words = happened.kind.replace("_", " ")
    detail = json.loads(happened.detail)
    told = ", ".join(
        f"{key.replace('_', ' ')} {text}"
        for key, text in detail.items()
        if text is not None and key not in _UNREADABLE
    )
    return {
        "kind": "event",
        "node": happened.node,
        "since": happened.ts / _MS,
        "until": None,
        "words": f"{words}: {told}" if told else words,
    }


def _incidents(connection: Connection, window: Window) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.severity or "warning",
            "node": each.node,
            "since": each.began_ts / _MS,
            "until": None if each.ended_ts is None else each.ended_ts / _MS,
            "rule": each.rule,
            "incident": each.incident,
            "words": f"{each.rule}: {each.summary or 'no summary'}",
        }
        for each in queries.incidents(connection, window.start, window.known_stop)
    ]


def _absence(state: queries.State) -> dict[str, Any]:
    return {
        "kind": state.state,
        "node": state.node,
        "since": state.ts / _MS,
        "until": None if state.until_ts is None else state.until_ts / _MS,
        "words": state.reason or "silent",
    }
