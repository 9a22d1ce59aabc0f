"""How far an incident went: the extreme of its metric, by the rule of then."""

import pytest

from rollcall.console.peaks import Peak, peaks
from rollcall.recorder.findings import Intake
from rollcall.recorder.overviews import ask
from rollcall.recorder.rollups import HOUR_MS, MINUTE_MS
from rollcall.recorder.store import Store
from tests.support.database import EPOCH, message
from tests.support.recorded_story import T0, recorded

END = T0 + 3 * HOUR_MS
DISK_FULL = ("A7F3K2", "pi-3", "disk_full")
# By minute; the incident lasts from the 60th to the 120th.
VALUES = {40: 99.9, 61: 97.0, 70: 98.5, 90: 96.0, 130: 99.0}


def reading(minute: int, collector: str, field: str, value: float) -> Intake:
    at_ms = T0 + minute * MINUTE_MS
    report = {
        "epoch": EPOCH, "seq": 500 + minute, "time": at_ms / 1000, "interval": 60,
        "instances": {"/": {field: value}},
    }  # fmt: skip
    return message(f"node/pi-3/metrics/{collector}", report, at_ms)


@pytest.mark.parametrize(
    ("document", "metric", "peak"),
    [
        pytest.param({}, "disk.used_percent", (98.5, 70), id="the built-in rule"),
        pytest.param(
            {"metric": "own.level", "op": "<", "threshold": 99, "clear": 99},
            "own.level",
            (96.0, 90),
            id="a rule of the document, downward",
        ),
        pytest.param(
            {"metric": "own.other", "op": ">", "threshold": 9}, "own.level", None,
            id="a metric that was not recorded",
        ),
    ],
)  # fmt: skip
def test_the_peak_is_the_worst_of_the_incident_and_of_nothing_else(
    database_url: str,
    document: dict[str, object],
    metric: str,
    peak: tuple[float, int] | None,
) -> None:
    rule = {"kind": "threshold", "for": "1m", **document}
    fleet = {"revision": 1, "digest": "sha256:1", "document": {"rules": {"disk_full": rule}}}
    collector, _, field = metric.partition(".")
    with Store(database_url) as store:
        if document:
            store.commit([message("control/fleet", fleet, T0)])
        recorded(store)
        store.commit([reading(minute, collector, field, n) for minute, n in VALUES.items()])
        found = ask(database_url, lambda asked: peaks(asked, T0, END))
    expected = {DISK_FULL: Peak(metric, peak[0], T0 + peak[1] * MINUTE_MS)} if peak else {}
    assert found == expected
