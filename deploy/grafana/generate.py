"""Write the Grafana dashboard for each engine, from one list of panels over the public views.

    .venv/bin/python -m deploy.grafana.generate

The engines differ in how a target names its query, and in how a time is told: PostgreSQL's plug-in
takes the column `time`, SQLite's Unix seconds in a column that the target names.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
UID: Final = "rollcall"
TYPES: Final = {
    "postgresql": "grafana-postgresql-datasource",
    "sqlite": "frser-sqlite-datasource",
}
# Milliseconds: they use the index, which a filter on `time` does not.
_WINDOW: Final = "ts BETWEEN $__from AND $__to"
_WIDTH: Final = 24


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time; `metric` names a series, and an instance or a column names each line."""

    title: str
    metric: str
    unit: str
    columns: str
    bounds: tuple[int, int] | None = None
    width: int = 12

    def query(self, engine: str) -> str:
        """Write its query; `$resolution` is a view, `$node` a node."""
        time = "time" if engine == "postgresql" else "ts / 1000.0 AS time"
        return (
            f"SELECT {time}, {self.columns} FROM $resolution WHERE node = '$node' "
            f"AND metric = '{self.metric}' AND {_WINDOW} ORDER BY ts"
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as the view has them."""

    title: str
    text: str
    width: int = _WIDTH

    def query(self, _engine: str) -> str:
        """Write its query, which is the same for both engines."""
        return self.text


_RANGE: Final = "min, avg, max"
_EACH: Final = "instance AS metric, avg AS value"
_WORST: Final = (
    "CASE state WHEN 'offline' THEN 0 WHEN 'stale' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END"
)
PANELS: Final[tuple[Chart | Table, ...]] = (
    Table(
        "Nodes",
        "SELECT node, state, reason, since, silent_seconds, address, model, agent FROM nodes "
        f"ORDER BY {_WORST}, node",
        16,
    ),
    Table(
        "How many", "SELECT state, count(*) AS nodes FROM nodes GROUP BY state ORDER BY state", 8
    ),
    Chart("CPU of $node", "cpu.percent", "percent", _RANGE, (0, 100)),
    Chart("Memory of $node", "memory.used_percent", "percent", _RANGE, (0, 100)),
    Chart("Disks of $node", "disk.used_percent", "percent", _EACH, (0, 100)),
    Chart("Hottest part of $node", "temperature.hottest_celsius", "celsius", _RANGE),
    Chart("Network of $node: coming in", "network.receive_bytes_per_second", "Bps", _EACH),
    Chart("Network of $node: going out", "network.transmit_bytes_per_second", "Bps", _EACH),
    Table(
        "Fullest disks, now",
        "SELECT node, instance, value, age_seconds, state FROM latest "
        "WHERE metric = 'disk.used_percent' ORDER BY value DESC LIMIT 20",
        12,
    ),
    Table(
        "Missing reports",
        "SELECT node, first_seq, last_seq, reports, state FROM gaps ORDER BY node, first_seq "
        "LIMIT 100",
        12,
    ),
    Table(
        "Alerts",
        "SELECT time, node, rule, instance, state, severity, value, summary FROM alert_history "
        f"WHERE {_WINDOW} ORDER BY ts DESC LIMIT 200",
    ),
    Table(
        "Who was away",
        "SELECT node, state, reason, time, seconds FROM availability WHERE state <> 'online' "
        "AND ts <= $__to AND (until_ts IS NULL OR until_ts >= $__from) ORDER BY ts DESC LIMIT 200",
        12,
    ),
    Table(
        "What happened",
        f"SELECT time, node, kind, source, detail FROM events WHERE {_WINDOW} "
        "ORDER BY ts DESC LIMIT 200",
        12,
    ),
)
NODES: Final = "SELECT node FROM nodes ORDER BY node"


def dashboard(engine: str) -> dict[str, Any]:
    """Make the dashboard of an engine, as Grafana reads it."""
    source = {"type": TYPES[engine], "uid": UID}
    panels, left, top = [], 0, 0
    for number, panel in enumerate(PANELS, 1):
        if left + panel.width > _WIDTH:
            left, top = 0, top + 8
        place = {"x": left, "y": top, "w": panel.width, "h": 8}
        left += panel.width
        panels.append(_panel(number, panel, engine, source, place))
    return {
        "uid": UID,
        "title": "Rollcall",
        "tags": ["rollcall"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_node(engine, source), _resolution()]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(
    number: int, panel: Chart | Table, engine: str, source: dict[str, str], place: dict[str, int]
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": number,
        "title": panel.title,
        "type": "timeseries" if isinstance(panel, Chart) else "table",
        "datasource": source,
        "gridPos": place,
        "targets": [_target(panel, engine, source)],
        "fieldConfig": {"defaults": {}, "overrides": []},
    }
    if isinstance(panel, Chart):
        defaults: dict[str, Any] = {"unit": panel.unit, "custom": {"spanNulls": False}}
        if panel.bounds:
            defaults |= {"min": panel.bounds[0], "max": panel.bounds[1]}
        made["fieldConfig"]["defaults"] = defaults
    return made


def _target(panel: Chart | Table, engine: str, source: dict[str, str]) -> dict[str, Any]:
    query, is_chart = panel.query(engine), isinstance(panel, Chart)
    target: dict[str, Any] = {"refId": "A", "datasource": source}
    if engine == "postgresql":
        shape = "time_series" if is_chart else "table"
        return target | {"rawQuery": True, "editorMode": "code", "format": shape, "rawSql": query}
    shape = "time series" if is_chart else "table"
    columns = ["time"] if is_chart else []
    return target | {
        "queryType": shape,
        "timeColumns": columns,
        "rawQueryText": query,
        "queryText": query,
    }


def _node(engine: str, source: dict[str, str]) -> dict[str, Any]:
    query = NODES if engine == "postgresql" else {"rawQueryText": NODES, "queryText": NODES}
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": source,
        "query": query,
        "definition": NODES,
        "refresh": 2,
    }


def _resolution() -> dict[str, Any]:
    views = ("minutely", "hourly", "daily")
    options = [{"text": view, "value": view, "selected": view == views[0]} for view in views]
    return {
        "name": "resolution",
        "label": "Resolution",
        "type": "custom",
        "query": ",".join(views),
        "options": options,
        "current": options[0],
    }


def text(engine: str) -> str:
    """Write the dashboard of an engine."""
    return json.dumps(dashboard(engine), indent=2) + "\n"


def main() -> None:
    """Write both files."""
    for engine in TYPES:
        (HERE / engine / "dashboard.json").write_text(text(engine), "utf-8")


if __name__ == "__main__":
    main()
