"""What the recorder adds itself: collector errors, corrected clocks, fleet documents, groups."""

import json
from pathlib import Path
from typing import Any

import pytest

from rollcall.recorder.findings import Freshness, Intake
from rollcall.recorder.own_events import CollectorError, of_clock, of_collector
from rollcall.recorder.store import Store
from tests.support.database import EPOCH, ask, filled, message, report, url_of

NOW_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
DENIED = CollectorError("denied: /sys", 0)


@pytest.mark.parametrize(
    ("known", "error", "ts", "kind"),
    [
        pytest.param(None, None, 0, None, id="works as before"),
        pytest.param(None, "denied: /sys", 0, "collector_error", id="begins to fail"),
        pytest.param(DENIED, "denied: /sys", HOUR_MS * 9, None, id="fails as before"),
        pytest.param(DENIED, "denied: /dev", 5, None, id="words it differently"),
        pytest.param(DENIED, "denied: /dev", HOUR_MS, "collector_error", id="and does for long"),
        pytest.param(DENIED, "timeout: 3 s", 5, "collector_error", id="fails in another way"),
        pytest.param(DENIED, None, 5, "collector_recovered", id="works again"),
        pytest.param(DENIED, None, -5, None, id="worked before, as a late report says"),
    ],
)
def test_a_collector_s_errors_are_told_when_they_change(
    known: CollectorError | None, error: str | None, ts: int, kind: str | None
) -> None:
    event = of_collector("power", known, error, ts)
    assert (event and event.kind) == kind


def test_a_wrong_clock_is_told_once_an_hour() -> None:
    assert of_clock(None, None, 5) is None
    assert of_clock(-60_000, 5, 6) is None
    again = of_clock(-60_000, 5, HOUR_MS + 5)
    assert again is not None
    assert again.detail == {"off_seconds": -60.0}


def power(seq: int, at_s: int, **said: Any) -> Intake:
    at_ms = NOW_MS + at_s * 1000
    body = {"epoch": EPOCH, "seq": seq, "time": at_ms / 1000, "interval": 10, **said}
    return message("node/pi-3/metrics/power", body, at_ms)


def test_the_text_of_an_error_is_found_in_events(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.db"
    with filled(path, [power(1, 0, error="denied: no right to read"), power(2, 10, error="x")]):
        pass
    with Store(url_of(path)) as store:  # what was told is remembered
        store.commit([power(3, 20, error="denied: no right to read"), power(4, 30, fields={})])
    told = ask(path, "SELECT kind, source, detail, ts FROM events ORDER BY ts")
    error = '{"collector":"power","error":"denied: no right to read"}'
    assert told == [
        ("collector_error", "recorder", error, NOW_MS),
        ("collector_recovered", "recorder", '{"collector":"power"}', NOW_MS + 30_000),
    ]


def test_a_live_reading_of_a_wrong_clock_is_stored_when_it_came_with_an_event(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rollcall.db"
    wrong = report(1, 5_000, {"percent": 1.0}, clock="unsynchronized")
    with filled(path, [message("node/pi-3/metrics/cpu", wrong, NOW_MS)]):
        assert ask(path, "SELECT ts, value FROM samples") == [(NOW_MS, 1.0)]
        ((kind, detail),) = ask(path, "SELECT kind, detail FROM events")
        assert kind == "clock_corrected"
        assert json.loads(detail) == {"off_seconds": (5_000 - NOW_MS) / 1000}


def test_a_report_of_the_year_2099_harms_nothing(database_url: str) -> None:
    path = database_url
    far = [report(n, 4_070_908_800_000 + n, {"percent": 1.0}) for n in (1, 2)]
    event = {"epoch": EPOCH, "seq": 3, "time": 4_070_908_800, "kind": "reboot"}
    late = {"collector": "cpu", **report(5, 4_070_908_800_000, {"percent": 3.0})}
    del late["epoch"]
    story = [
        *(message("node/pi-3/metrics/cpu", body, NOW_MS, how)
          for body, how in zip(far, (Freshness.LIVE, Freshness.REPLAYED), strict=True)),
        message("node/pi-3/event", event, NOW_MS),
        message("node/pi-3/metrics/cpu", report(4, NOW_MS, {"percent": 2.0}), NOW_MS),
        message("node/pi-3/backlog", {"epoch": EPOCH, "reports": [late]}, NOW_MS),
    ]  # fmt: skip
    with filled(path, story):
        assert ask(path, "SELECT ts, value FROM latest") == [(NOW_MS, 2.0)]
        assert ask(path, "SELECT sum(times) FROM rejected WHERE reason = 'clock_ahead'") == [(4,)]
        assert ask(path, "SELECT first_seq, last_seq FROM ledger") == [(1, 5)]
        assert ask(path, "SELECT count(*) FROM rollup_due") == [(1,)]
        assert ask(path, "SELECT count(*) FROM events") == [(0,)]


def fleet(revision: int, document: Any, at_ms: int = NOW_MS) -> Intake:
    said = {"revision": revision, "digest": f"sha256:{revision}", "document": document}
    return message("control/fleet", said, at_ms)


def info(node: str, **labels: str) -> Intake:
    said = {"hostname": node, "agent": "1.0.0", "interval": 10, "labels": labels}
    return message(f"node/{node}/info", said, NOW_MS)


GROUPS = {"web": ["label:role=web"], "all": ["*"]}


def test_fleet_documents_are_kept_as_they_came_and_put_nodes_into_groups(tmp_path: Path) -> None:
    path = tmp_path / "rollcall.db"
    groups = "SELECT node, groups FROM nodes ORDER BY node"
    with filled(path, [info("pi-3", role="web"), fleet(1, {"groups": GROUPS})]) as store:
        ((node, named),) = ask(path, groups)
        assert (node, sorted(json.loads(named))) == ("pi-3", ["all", "web"])
        store.commit([info("pi-4")])
        assert ask(path, groups)[1] == ("pi-4", '["all"]')
        store.commit([fleet(1, {"groups": GROUPS}, NOW_MS + 5), fleet(2, {"no": 1}, NOW_MS + 9)])
        assert ask(path, "SELECT revision, digest, ts, document FROM fleet_history") == [
            (1, "sha256:1", NOW_MS, '{"groups":{"web":["label:role=web"],"all":["*"]}}'),
            (2, "sha256:2", NOW_MS + 9, '{"no":1}'),
        ]
    with Store(url_of(path)) as store:
        store.commit([fleet(3, {"groups": {"pis": ["pi-*"]}}, NOW_MS + 20)])
    with Store(url_of(path)) as store:
        store.commit([info("pi-5")])
        assert ask(path, groups) == [(f"pi-{n}", '["pis"]') for n in (3, 4, 5)]
        store.commit([message("control/fleet", b"", NOW_MS + 30)])
        assert ask(path, groups) == [(f"pi-{n}", None) for n in (3, 4, 5)]
