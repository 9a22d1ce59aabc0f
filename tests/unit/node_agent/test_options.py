"""What people set for collectors, read key by key."""

from typing import Any

import pytest

from rollcall.node_agent.options import (
    BlockingOptions,
    Options,
    Patterns,
    SampledOptions,
    read,
)


class Network(SampledOptions):
    exclude: Patterns = ("lo",)


KINDS: dict[str, type[Options]] = {"network": Network, "disk": BlockingOptions, "load": Options}
INTERVALS = {"network": 10, "disk": 60, "load": 10}


def network(in_force: Options | None = None, /, **table: Any) -> tuple[Network, list[str]]:
    before = {} if in_force is None else {"network": in_force}
    options, problems = read(KINDS, {"network": table}, intervals=INTERVALS, in_force=before)
    found = options["network"]
    assert isinstance(found, Network)
    return found, problems


def test_without_tables_everything_runs_at_its_own_interval() -> None:
    options, problems = read(KINDS, {}, intervals=INTERVALS)
    assert {name: each.interval for name, each in options.items()} == INTERVALS
    assert all(each.enabled and each.sample_s is None for each in options.values())
    assert problems == []


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        pytest.param(5, 5, id="number"),
        pytest.param("5s", 5, id="seconds"),
        pytest.param("2m", 120, id="minutes"),
        pytest.param("6h", 21_600, id="longest"),
        pytest.param("2000ms", 2, id="milliseconds"),
    ],
)
def test_an_interval_is_written_as_seconds_or_with_a_unit(written: object, seconds: int) -> None:
    assert network(interval=written) == (Network(interval=seconds), [])


@pytest.mark.parametrize(
    "table",
    [
        pytest.param({"interval": 0}, id="no interval"),
        pytest.param({"interval": "7h"}, id="longer than a retained report lives"),
        pytest.param({"interval": "1.5s"}, id="half seconds"),
        pytest.param({"interval": "soon"}, id="no duration"),
        pytest.param({"interval": None}, id="null"),
        pytest.param({"interval": "\u0661s"}, id="digits of another script"),
        pytest.param({"enabled": "perhaps"}, id="neither on nor off"),
        pytest.param({"exclude": [1]}, id="no pattern"),
        pytest.param({"exclude": "lo"}, id="no list"),
        pytest.param({"sample": "0.4s"}, id="sampled too often"),
        pytest.param({"sample": "6s"}, id="sampled too seldom"),
        pytest.param({"sample": float("nan")}, id="sampled never"),
    ],
)
def test_a_wrong_key_is_named_and_stays_as_it_was(table: dict[str, Any]) -> None:
    (key,) = table
    in_force = Network(interval=30, exclude=("eth9",), sample=2)
    fresh = network(**table)
    assert fresh[0] == Network(interval=10)
    options, (problem,) = network(in_force, **table)
    assert getattr(options, key) == getattr(in_force, key)
    assert problem.startswith(f"collectors.network.{key}")


def test_the_rest_of_a_table_with_a_mistake_applies() -> None:
    options, problems = network(interval="4s", exlude=["a"], exclude=["b"])
    assert options == Network(interval=4, exclude=("b",))
    assert problems == ['collectors.network.exlude: unknown option; did you mean "exclude"?']


def test_what_a_table_no_longer_says_falls_back_to_its_default() -> None:
    assert network(Network(interval=3, exclude=("a",)))[0] == Network(interval=10)


def test_a_value_in_force_that_fits_no_more_is_given_up() -> None:
    options, problems = network(Network(interval=10, sample=5), interval=2, sample="wrong")
    assert options == Network(interval=2)
    assert len(problems) == 1


def test_an_unknown_collector_is_a_problem_and_the_others_apply() -> None:
    tables: dict[str, Any] = {"netwrok": {}, "load": {"interval": 1}}
    options, problems = read(KINDS, tables, intervals=INTERVALS)
    assert options["load"].interval == 1
    assert problems == ['collectors.netwrok: unknown collector; did you mean "network"?']


def test_a_hostile_key_is_shown_harmlessly() -> None:
    _, (problem,) = network(**{"a\x1b[2Jb\udcff" * 50: 1})
    assert problem.isprintable()
    assert problem.isascii()


def test_a_timeout_is_the_interval_at_most_ten_seconds_unless_set() -> None:
    assert BlockingOptions(interval=60).timeout_s == 10
    assert BlockingOptions(interval=3).timeout_s == 3
    assert BlockingOptions(interval=60, timeout=30).timeout_s == 30


def test_only_options_of_its_own_make_a_collector_another_one() -> None:
    one = Network(interval=10)
    assert one.makes_same_as(Network(interval=5, enabled=False, sample=1))
    assert not one.makes_same_as(Network(interval=10, exclude=("a",)))
