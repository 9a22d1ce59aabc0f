"""What a number was between two reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.node_agent.collectors.declaration import (
    OF_LAST,
    OF_MEAN,
    Declaration,
    Found,
    counter,
    gauge,
)
from rollcall.node_agent.peaks import Peaks, with_peaks

DECLARED = Declaration(
    "test",
    "a test",
    fields=(
        gauge("percent", "a share", peaks=OF_MEAN),
        gauge("celsius", "a level", peaks=OF_LAST),
        counter("errors", "without peaks"),
    ),
    instance="thing",
    instance_fields=(gauge("resident_bytes", "a level", peaks=OF_LAST),),
)


def test_a_rate_has_extremes_and_a_level_its_mean_too() -> None:
    peaks = Peaks(DECLARED)
    for percent, celsius in ((1.0, 40), (99.0, 60), (2.0, 50)):
        peaks.add(Found({"percent": percent, "celsius": celsius, "errors": 7}))
    assert peaks.close(Found({"percent": 34.0, "celsius": 50, "errors": 7})).fields == {
        "percent": 34.0,
        "min_percent": 1.0,
        "max_percent": 99.0,
        "celsius": 50,
        "min_celsius": 40,
        "avg_celsius": 50,
        "max_celsius": 60,
        "errors": 7,
    }


def test_an_interval_begins_with_nothing() -> None:
    peaks = Peaks(DECLARED)
    peaks.add(Found({"celsius": 90}))
    peaks.close(Found({"celsius": 50}))
    assert peaks.close(Found({"celsius": 50})).fields == {"celsius": 50}


def test_an_instance_that_left_has_no_peaks_and_a_new_one_has_its_own() -> None:
    peaks = Peaks(DECLARED)
    peaks.add(Found(instances={"old": {"resident_bytes": 5}}))
    peaks.add(Found(instances={"new": {"resident_bytes": 7}}))
    found = peaks.close(Found(instances={"new": {"resident_bytes": 6}}))
    assert found.instances == {
        "new": {
            "resident_bytes": 6,
            "min_resident_bytes": 6,
            "avg_resident_bytes": 7,
            "max_resident_bytes": 7,
        }
    }


def test_a_rate_that_started_over_at_the_end_keeps_the_peaks_it_had() -> None:
    peaks = Peaks(DECLARED)
    peaks.add(Found({"percent": 99.0}))
    assert peaks.close(Found({})).fields == {"min_percent": 99.0, "max_percent": 99.0}


def test_a_report_that_failed_stays_as_it_is() -> None:
    peaks = Peaks(DECLARED)
    peaks.add(Found({"percent": 99.0}))
    assert peaks.close(Found(error="failed: x")) == Found(error="failed: x")


def test_what_is_declared_with_peaks_is_what_is_found_with_peaks() -> None:
    declared = with_peaks(DECLARED)
    peaks = Peaks(DECLARED)
    peaks.add(Found({"percent": 1.0, "celsius": 2}, {"a": {"resident_bytes": 1}}))
    found = peaks.close(
        Found({"percent": 1.0, "celsius": 2, "errors": 0}, {"a": {"resident_bytes": 1}})
    )
    assert set(found.fields or {}) == {field.name for field in declared.fields}
    assert set((found.instances or {})["a"]) == {each.name for each in declared.instance_fields}
    assert {field.unit for field in declared.instance_fields} == {"bytes"}


@given(samples=st.lists(st.floats(-1e6, 1e6), min_size=1), last=st.floats(-1e6, 1e6))
def test_the_plain_value_never_lies_outside_of_its_peaks(samples: list[float], last: float) -> None:
    peaks = Peaks(DECLARED)
    for sample in samples:
        peaks.add(Found({"celsius": sample}))
    fields = peaks.close(Found({"celsius": last})).fields or {}
    assert fields["min_celsius"] <= last <= fields["max_celsius"]
    assert fields["avg_celsius"] == pytest.approx(sum(samples) / len(samples))
