"""Rows: what a column holds, and under which time a reading is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.messages import REPORT, Report
from rollcall.recorder import rows
from rollcall.recorder.findings import Arrival, Freshness
from rollcall.recorder.rows import RowError
from rollcall.recorder.units import derived

NOW_MS = 1_767_225_600_000
NOW_S = NOW_MS / 1000


def arrival(freshness: Freshness = Freshness.LIVE) -> Arrival:
    return Arrival(NOW_MS, freshness)


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", "x" * 5000], ids=["nul", "lone surrogate", "endless"]
)
def test_a_text_that_no_column_holds_is_refused(value: str) -> None:
    with pytest.raises(RowError) as caught:
        rows.text_of(value)
    assert caught.value.reason == "text"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2**63, -(2**70)])
def test_a_number_that_no_column_holds_is_refused(value: float) -> None:
    with pytest.raises(RowError) as caught:
        rows.number_of(value)
    assert caught.value.reason == "number"


@given(st.floats() | st.integers())
def test_a_number_is_stored_as_it_is_or_refused(value: float) -> None:
    try:
        stored = rows.number_of(value)
    except RowError:
        return
    assert isinstance(stored, float)
    assert stored == float(value)


@given(st.text(st.characters(exclude_characters="\0"), max_size=300))
def test_a_text_is_stored_as_it_is_or_refused(value: str) -> None:
    try:
        assert rows.text_of(value).encode() == value.encode()
    except RowError:
        with pytest.raises(UnicodeEncodeError):
            value.encode()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e12])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(RowError):
        rows.milliseconds(seconds)


TIMES = [
    pytest.param(-3600, "good", Freshness.LIVE, -3600, id="an old reading is data"),
    pytest.param(119, "good", Freshness.LIVE, 119, id="a clock that is a little ahead is believed"),
    pytest.param(121, "good", Freshness.LIVE, None, id="a time of the future is refused"),
    pytest.param(-299, "bad", Freshness.LIVE, -299, id="a doubted clock nearly right is used"),
    pytest.param(-301, "bad", Freshness.LIVE, 0, id="a doubted clock far behind is put right"),
    pytest.param(9999, "bad", Freshness.LIVE, 0, id="a doubted clock far ahead is corrected"),
    pytest.param(-301, "bad", Freshness.REPLAYED, -301, id="a replay is data anyway"),
    pytest.param(121, "bad", Freshness.REPLAYED, None, id="a replay of the future is refused"),
    pytest.param(-301, "bad", Freshness.QUEUED, -301, id="what waited at the broker is data"),
]


@pytest.mark.parametrize(("off_s", "clock", "freshness", "stored_s"), TIMES)
def test_the_time_of_a_reading(
    off_s: int, clock: str, freshness: Freshness, stored_s: int | None
) -> None:
    def stored() -> int:
        return rows.time_of(NOW_S + off_s, synchronized=clock == "good", arrival=arrival(freshness))

    if stored_s is None:
        with pytest.raises(RowError) as caught:
            stored()
        assert caught.value.reason == "clock_ahead"
    else:
        assert stored() == NOW_MS + stored_s * 1000


SIGNS = [
    pytest.param(-86_400, Freshness.LIVE, 0, id="a live report proves life whatever its clock"),
    pytest.param(-12, Freshness.QUEUED, 0, id="a queued report of just now proves life"),
    pytest.param(-600, Freshness.QUEUED, -600, id="a queued report of then proves life then"),
    pytest.param(-5, Freshness.REPLAYED, -5, id="a replay proves life at its own time"),
    pytest.param(60, Freshness.REPLAYED, 0, id="never later than the arrival"),
]


@pytest.mark.parametrize(("off_s", "freshness", "seen_s"), SIGNS)
def test_when_a_report_proves_life(off_s: int, freshness: Freshness, seen_s: int) -> None:
    assert rows.seen_at(NOW_S + off_s, 10, arrival(freshness)) == NOW_MS + seen_s * 1000


def test_a_report_becomes_one_sample_for_each_number_that_is_known() -> None:
    report: Report = REPORT.decode(
        b'{"epoch":"9f3c21d07a5be4c8","seq":1,"time":5,"interval":10,"fields":{"a":1,"b":null},'
        b'"instances":{"/":{"used_percent":61.5},"/home":{"used_percent":null}}}'
    )
    assert rows.samples_of("disk", report) == (
        ("disk.a", "", 1.0),
        ("disk.used_percent", "/", 61.5),
    )


def test_the_detail_of_an_event_is_json_in_ascii() -> None:
    assert rows.json_of({"said": "grüße\0"}) == '{"said":"gr\\u00fc\\u00dfe\\u0000"}'


UNITS = [
    ("cpu.percent", "percent", "gauge"),
    ("memory.used_bytes", "bytes", "gauge"),
    ("network.receive_bytes_per_second", "bytes_per_second", "gauge"),
    ("network.receive_bytes_total", "bytes", "counter"),
    ("load.load1", None, "gauge"),
    ("process.count", None, "gauge"),
]


@pytest.mark.parametrize(("metric", "unit", "kind"), UNITS)
def test_a_unit_is_read_off_the_end_of_a_name(metric: str, unit: str | None, kind: str) -> None:
    assert derived(metric) == (unit, kind)
