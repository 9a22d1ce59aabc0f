"""What a collector found, made fit for the contract."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.messages import REPORT, Report, encode
from rollcall.node_agent.collectors.declaration import Found, Number
from rollcall.node_agent.readings import MAX_INSTANCES, fit, instance_name


def fitted(found: Found, *, synchronized: bool = True) -> tuple[Report, int]:
    reading, dropped = fit(found, time_s=1.0, interval_s=10, synchronized=synchronized)
    whole = {"epoch": "0" * 16, "seq": 1, **reading.model_dump()}
    return REPORT.decode(encode(Report.model_validate(whole))), dropped


def test_a_clock_that_is_not_disciplined_is_said() -> None:
    assert fitted(Found({"x": 1}), synchronized=False)[0].clock == "unsynchronized"
    assert fitted(Found({"x": 1}))[0].clock is None


def test_numbers_that_are_none_are_dropped_and_counted() -> None:
    found: dict[str, Number] = {"a": math.nan, "b": math.inf, "c": 2**70, "d": 1.5, "e": 7}
    report, dropped = fitted(Found(found))
    assert report.fields == {"d": 1.5, "e": 7}
    assert dropped == 3


def test_instances_beyond_the_bound_are_dropped_and_counted() -> None:
    many: dict[str, dict[str, Number]] = {f"{n:04}": {"x": n, "y": n} for n in range(300)}
    report, dropped = fitted(Found(instances=many))
    assert len(report.instances or {}) == MAX_INSTANCES
    assert dropped == 2 * (300 - MAX_INSTANCES)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        pytest.param("/", "/", id="as it is"),
        pytest.param("/media/gr\u00fcn", "/media/gr\u00fcn", id="not only ASCII"),
        pytest.param("/a\nb", "/a\\x0ab", id="a line end"),
        pytest.param("/a\udcffb", "/a\\xffb", id="a byte that is not UTF-8"),
        pytest.param("", "-", id="nothing"),
    ],
)
def test_an_instance_is_named_as_the_contract_allows(raw: str, name: str) -> None:
    assert instance_name(raw) == name


def test_long_names_that_differ_only_at_the_end_stay_apart() -> None:
    one, two = instance_name("\u00e4" * 200 + "1"), instance_name("\u00e4" * 200 + "2")
    assert one != two
    assert max(len(one.encode()), len(two.encode())) <= 255


texts = st.text(alphabet=st.characters(), max_size=300)


@given(name=texts, error=texts)
def test_whatever_a_host_calls_things_the_report_can_be_read(name: str, error: str) -> None:
    report, _ = fitted(Found(instances={name: {"x": 1}}, error=f"failed: {error}"))
    assert len(report.instances or {}) == 1
