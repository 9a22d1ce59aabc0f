"""How far the metric of an incident went: its extreme while the incident lasted."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from rollcall.broker import fleet
from rollcall.broker.fleet import Fleet, FleetError
from rollcall.recorder import alert_spans, queries
from rollcall.recorder.alert_spans import AlertSpan
from rollcall.recorder.queries import Point

_BEFORE_MS: Final = 60_000
_UPWARD: Final = frozenset({">", ">="})
_DOWNWARD: Final = frozenset({"<", "<="})
Connection = Any  # of the recorder's engine; its library stays behind its door


class Peak(NamedTuple):
    """The extreme of an incident's metric, and when its sample or bucket begins, in ms."""

    metric: str
    value: float
    ts: int


def peaks(connection: Connection, start: int, stop: int) -> dict[tuple[str, str, str], Peak]:
    """Give by (incident, node, rule) how far it went, of several instances the furthest.

    Only rules that have a limit go anywhere; their metric is that of the document of then.
    """
    found: dict[tuple[str, str, str], Peak] = {}
    documents: dict[int, Fleet] = {}
    for span in alert_spans.spans(connection, start, stop):
        rule = _document(connection, span.began_ts, documents).rules.get(span.rule)
        if rule is None or rule.kind != "threshold" or rule.op not in _UPWARD | _DOWNWARD:
            continue
        furthest = max if rule.op in _UPWARD else min
        peak = _of_span(connection, span, rule.metric, furthest, stop)
        key = (span.incident, span.node, span.rule)
        if peak is not None:
            before = found.get(key, peak)
            found[key] = furthest(before, peak, key=lambda each: each.value)
    return found


def _of_span(
    connection: Connection,
    span: AlertSpan,
    metric: str,
    furthest: Callable[..., Any],
    stop: int,
) -> Peak | None:
    until = span.ended_ts or stop
    names = (span.node, metric, span.instance)
    # What set it off was measured a little before it was judged.
    began = span.began_ts - _BEFORE_MS
    points: Sequence[Point] = queries.curve(connection, *names, began, until).points
    upward = furthest is max
    reached = [Peak(metric, each.max if upward else each.min, each.ts) for each in points]
    return furthest(reached, key=lambda each: each.value) if reached else None


def _document(connection: Connection, at: int, known: dict[int, Fleet]) -> Fleet:
    if at not in known:
        try:
            document = alert_spans.document_at(connection, at)
            known[at] = fleet.read(document) if document else fleet.built_in()
        except FleetError:
            known[at] = fleet.built_in()
    return known[at]
