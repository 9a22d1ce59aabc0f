"""The Grafana dashboard: every query is asked as Grafana would, on both engines, as one who may
only read the views.
"""

import datetime as dt
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from deploy.grafana.generate import PANELS, TYPES, text
from rollcall.recorder.rollups import close_oldest
from rollcall.recorder.store import Store
from rollcall.recorder.views import PUBLIC
from tests.support.database import birth, end, message, report

FOLDER: Final = Path(__file__).parents[2] / "deploy/grafana"
HOUR_MS: Final = 3_600_000
NOW_MS: Final = int(time.time() * 1000) // HOUR_MS * HOUR_MS
FROM_MS: Final = NOW_MS - 50 * HOUR_MS
READER: Final = "rollcall_reader"
# What Grafana puts in the place of its variables.
VALUES: Final = {"__from": str(FROM_MS), "__to": str(NOW_MS), "node": "pi-3"}
RESOLUTIONS: Final = ("minutely", "hourly", "daily")

Asked = tuple[list[str], list[tuple[Any, ...]]]


def loaded(engine: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / engine / "dashboard.json").read_text("utf-8"))
    return found


def sql_of(panel: dict[str, Any]) -> str:
    (target,) = panel["targets"]
    return str(target.get("rawSql") or target["queryText"])


def replaced(query: str, resolution: str = "minutely") -> str:
    values = {**VALUES, "resolution": resolution}
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], query)


@pytest.fixture
def story(database_url: str) -> Iterator[str]:
    """A day and more of one node with everything that panels show, and a node that went away."""
    disks = {name: {"used_percent": 40.0} for name in ("/", "/boot")}
    wires = {
        "eth0": {"receive_bytes_per_second": 1000.0, "transmit_bytes_per_second": 10.0}
    }  # fmt: skip
    alert = {
        "state": "firing", "severity": "critical", "since": 5, "evaluated": NOW_MS / 1000 - 60,
        "summary": "disk / is 97 % full", "instances": {"/": {"state": "firing", "since": 5}},
    }  # fmt: skip
    messages = [message("node/pi-3/status", birth(FROM_MS), FROM_MS)]
    sequence = 0
    for hours in range(1, 49):
        at_ms = FROM_MS + hours * HOUR_MS
        for collector, fields, more in (
            ("cpu", {"percent": float(hours)}, {}),
            ("memory", {"used_percent": 50.0}, {}),
            ("temperature", {"hottest_celsius": 60.0}, {}),
            ("disk", {}, {"instances": disks}),
            ("network", {}, {"instances": wires}),
        ):
            sequence += 1
            said = report(sequence, at_ms, fields, **more)
            messages.append(message(f"node/pi-3/metrics/{collector}", said, at_ms))
    gone_ms = NOW_MS - HOUR_MS
    messages += [
        message("node/pi-4/status", birth(FROM_MS), FROM_MS),
        message("node/pi-4/status", end("stopped", since_ms=gone_ms), gone_ms),
        message("alert/pi-3/disk_full", alert, NOW_MS - 60_000),
        message(
            "node/pi-3/event",
            {"epoch": "9f3c21d07a5be4c8", "seq": 999, "time": gone_ms / 1000, "kind": "reboot"},
            gone_ms,
        ),
    ]
    with Store(database_url) as store:
        store.commit(messages)
        while store.apply(lambda connection: close_oldest(connection, NOW_MS)):
            pass
        yield database_url


@pytest.fixture
def reading(story: str) -> Iterator[Any]:
    """Asks as the data source does: read-only, on PostgreSQL as a role that has the views alone."""
    if story.startswith("sqlite"):
        path = story.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            yield lambda query: answer(connection.execute(query))
        return
    with psycopg.connect(story, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {READER} LOGIN")
        owner.execute(f"GRANT SELECT ON {', '.join(PUBLIC)} TO {READER}".encode())
    try:
        with psycopg.connect(story.replace("rollcall@", f"{READER}@"), autocommit=True) as reader:
            yield lambda query: answer(reader.execute(query.encode()))
    finally:
        with psycopg.connect(story, autocommit=True) as owner:
            owner.execute(f"DROP OWNED BY {READER}")
            owner.execute(f"DROP ROLE {READER}")


def answer(cursor: Any) -> Asked:
    return [column[0] for column in cursor.description], cursor.fetchall()


def test_every_panel_has_an_answer_from_the_views_alone(reading: Any, story: str) -> None:
    engine = "sqlite" if story.startswith("sqlite") else "postgresql"
    dashboard = loaded(engine)
    for panel in dashboard["panels"]:
        is_chart = panel["type"] == "timeseries"
        for resolution in RESOLUTIONS if is_chart else RESOLUTIONS[:1]:
            columns, rows = reading(replaced(sql_of(panel), resolution))
            assert rows, f"{panel['title']} has nothing to show"
            if is_chart:
                assert columns[0] == "time"
                assert [seconds(row[0]) for row in rows] == sorted(seconds(row[0]) for row in rows)
                assert all(FROM_MS <= seconds(row[0]) * 1000 <= NOW_MS for row in rows)
                assert all(isinstance(row[-1], float) for row in rows), panel["title"]
    variable, _ = dashboard["templating"]["list"]
    assert reading(variable["definition"])[1] == [("pi-3",), ("pi-4",)]


def seconds(value: Any) -> float:
    """Read a time as the data source does: a time with a zone, or Unix seconds."""
    if isinstance(value, dt.datetime):
        assert value.tzinfo is not None
        return value.timestamp()
    assert isinstance(value, float)
    return value


def test_who_may_read_the_views_may_read_no_table(reading: Any, story: str) -> None:
    if story.startswith("sqlite"):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reading("DELETE FROM node")
        return
    for statement in ("SELECT * FROM node", "DELETE FROM node"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reading(statement)


@pytest.mark.parametrize("engine", TYPES)
def test_data_source_and_dashboard_know_each_other(engine: str) -> None:
    (source,) = yaml.safe_load((FOLDER / engine / "datasource.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert (source["uid"], source["type"]) == ("rollcall", TYPES[engine])
    written = (FOLDER / engine / "dashboard.json").read_text("utf-8")
    assert written == text(engine), "python -m deploy.grafana.generate writes it anew"
    assert "${DS_" not in written
    dashboard = loaded(engine)
    assert dashboard["uid"] == "rollcall"
    assert len(dashboard["panels"]) == len(PANELS)
    for panel in dashboard["panels"]:
        assert panel["datasource"] == {"type": TYPES[engine], "uid": "rollcall"}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
