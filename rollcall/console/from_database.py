"""Ask the recorder's database for the cluster: as it is known last, or as it was at a moment."""

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from rollcall.console.known_rows import METRICS, RecordedAlert, RecordedNode, fullest
from rollcall.recorder import last_known, overviews, queries
from rollcall.recorder.overviews import AlertThen, HistoryAwayError, ask

__all__ = ["HistoryAwayError", "known_last", "newest_sign", "of_node", "then"]

_MS: Final = 1000


def known_last(url: str) -> list[RecordedNode]:
    """Give every node as it is known last. Raises HistoryAwayError."""
    now = round(time.time() * _MS)
    nodes, values, alerts = ask(
        url,
        lambda asked: (
            last_known.nodes(asked),
            last_known.values(asked, METRICS),
            overviews.alerts_at(asked, now),
        ),
    )
    last = fullest((each.node, each.metric, each.ts, each.value) for each in values)
    told = _by_node(alerts)
    return [
        RecordedNode(
            node=each.node,
            state=each.state,
            reason=each.reason,
            since=_seconds(each.since_ts),
            seen=_seconds(each.last_seen_ts),
            last=last.get(each.node, {}),
            alerts=told[each.node],
        )
        for each in nodes
    ]


def then(url: str, at: float) -> list[RecordedNode]:
    """Give every node as it was at a moment (Unix seconds). Raises HistoryAwayError.

    Of numbers that are more than a day older than it nothing is told.
    """
    moment = round(at * _MS)
    states, values, alerts = ask(
        url,
        lambda asked: (
            queries.cluster_at(asked, moment),
            overviews.values_at(asked, METRICS, moment),
            overviews.alerts_at(asked, moment),
        ),
    )
    last = fullest((each.node, each.metric, each.ts, each.value) for each in values)
    told = _by_node(alerts)
    return [
        RecordedNode(
            node=each.node,
            state=each.state,
            reason=each.reason,
            since=_seconds(each.ts),
            seen=max((value.at for value in last.get(each.node, {}).values()), default=None),
            last=last.get(each.node, {}),
            alerts=told[each.node],
        )
        for each in states
    ]


def of_node(
    url: str, node: str
) -> tuple[last_known.KnownNode, list[queries.Reading], dict[str, RecordedAlert]] | None:
    """Give all that is known last of one node: facts, values, alerts by rule; None: nothing.

    Raises HistoryAwayError.
    """
    now = round(time.time() * _MS)
    nodes, values, alerts = ask(
        url,
        lambda asked: (
            last_known.nodes(asked),
            queries.latest(asked, node),
            overviews.alerts_at(asked, now),
        ),
    )
    facts = next((each for each in nodes if each.node == node), None)
    return None if facts is None else (facts, values, _by_node(alerts)[node])


def newest_sign(url: str) -> float | None:
    """Give when anything was recorded last, in Unix seconds; None: never, or nobody knows."""
    try:
        return _seconds(ask(url, last_known.newest_sign))
    except HistoryAwayError:
        return None


def _by_node(alerts: Iterable[AlertThen]) -> dict[str, dict[str, RecordedAlert]]:
    """Put alerts under node and rule; of several instances the one that fires, else the first."""
    found: dict[str, dict[str, RecordedAlert]] = defaultdict(dict)
    for each in sorted(alerts, key=lambda alert: (alert.state != "firing", alert.ts)):
        severity, summary = each.severity or "warning", each.summary or each.rule
        told = RecordedAlert(each.state, severity, each.ts / _MS, summary, each.incident)
        found[each.node].setdefault(each.rule, told)
    return found


def _seconds(ts: int | None) -> float | None:
    return None if ts is None else ts / _MS
