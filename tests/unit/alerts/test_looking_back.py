"""Forecast and anomaly: what is fitted, what is usual, what fires and what does not."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rollcall.alerts import anomaly
from rollcall.alerts.anomaly import Usual
from rollcall.alerts.evaluation import Observation
from rollcall.alerts.forecast import fitted, outlook
from rollcall.alerts.lookback import Lookback, Sample
from rollcall.alerts.means import Mean, Means
from rollcall.alerts.rehearsal import Rehearsal
from rollcall.alerts.rules import Anomaly, Forecast, Rule, rule_from
from rollcall.alerts.state import AlertState, Key
from rollcall.broker import fleet
from rollcall.broker.node_view import Now

BEGIN = 1_767_571_200.0
HOUR_S = 3600
DAY_S = 86_400
WAVE = [float(10 * (number % 5)) for number in range(10)]


def test_a_line_is_fitted_as_by_the_reference() -> None:
    values = [0, 10, 20, 30, 40, 0, 10, 20, 30, 40, 50]
    line = fitted([300.0 * number for number in range(11)], values, 3000)
    assert line.slope == pytest.approx(0.01060606, abs=1e-8)
    assert line.at(3600) == pytest.approx(76.818182, abs=1e-6)
    assert line.r2 == pytest.approx(0.395161, abs=1e-6)


def test_a_step_reaches_an_r2_of_three_quarters_and_a_flat_line_none() -> None:
    times = [float(number) for number in range(1000)]
    step = fitted(times, [0.0] * 500 + [1.0] * 500, 1000)
    assert step.r2 == pytest.approx(0.75, abs=0.001)
    assert fitted(times, [5.0] * 1000, 1000).r2 == 0


@pytest.mark.parametrize(
    ("hours_to_go", "breached", "cleared"),
    [
        pytest.param(9, True, False, id="soon"),
        pytest.param(24, True, False, id="at the horizon"),
        pytest.param(28, False, False, id="between horizon and the limit of the clear"),
        pytest.param(31, False, True, id="later"),
        pytest.param(-9, False, True, id="it goes away from the target"),
    ],
)
def test_the_outlook_follows_the_time_that_is_left(
    hours_to_go: float, breached: object, cleared: object
) -> None:
    means, slope = Means(300, 6 * HOUR_S), -1 / (hours_to_go * HOUR_S)
    for second in range(0, 6 * HOUR_S + 1, 60):
        means.add(1 + slope * (second - 6 * HOUR_S), BEGIN + second)
    seen = outlook(Forecast(target=0), means, BEGIN + 6 * HOUR_S)
    assert seen is not None
    assert (seen.breached, seen.cleared) == (breached, cleared)
    assert seen.eta_s == pytest.approx(hours_to_go * HOUR_S, rel=1e-6)


def filled(value_at: Callable[[float], float], hours: float) -> list[tuple[float, AlertState]]:
    """Play a disk to the built-in forecast; give the states it was in, and since when."""
    rehearsal = Rehearsal(fleet.built_in().only("disk_forecast"), BEGIN, tick_s=60)
    rehearsal.node("nas-1", {}, 60)
    for second in range(0, int(hours * HOUR_S), 60):
        rehearsal.advance(BEGIN + second)
        free = value_at(second)
        rehearsal.report(
            "nas-1",
            "disk",
            60,
            instances={"/": {"free_bytes": free, "used_percent": 100 - 100 * free}},
        )
        rehearsal.settle()
    return [(turn.at - BEGIN, turn.after) for turn in rehearsal.turns]


def states(turns: list[tuple[float, AlertState]]) -> list[AlertState]:
    return [state for _, state in turns]


def test_a_disk_that_fills_fires_half_an_hour_after_two_hours_of_data() -> None:
    turns = filled(lambda second: 0.25 - second / (20 * HOUR_S), hours=4)
    assert states(turns) == [AlertState.PENDING, AlertState.FIRING]
    assert turns[1][0] == pytest.approx(2.5 * HOUR_S, abs=600)


@pytest.mark.parametrize(
    "value_at",
    [
        pytest.param(lambda second: 0.2 - (second % HOUR_S) / (8 * HOUR_S), id="a sawtooth"),
        pytest.param(lambda second: 0.25 if second < 3 * HOUR_S else 0.2, id="a step"),
        pytest.param(lambda _second: 0.1, id="flat"),
        pytest.param(lambda second: 0.9 - second / (20 * HOUR_S), id="not full enough to matter"),
        pytest.param(lambda second: 0.05 + second / (20 * HOUR_S), id="it empties"),
    ],
)
def test_a_disk_that_does_not_fill_does_not_fire(value_at: Callable[[float], float]) -> None:
    assert AlertState.FIRING not in states(filled(value_at, hours=6))


def test_an_hour_of_data_is_not_enough() -> None:
    assert filled(lambda second: 0.25 - second / (20 * HOUR_S), hours=1) == []


def wavy(days: float, value_at: Callable[[float], float]) -> Means:
    means = Means(anomaly.SPAN_S, 7 * DAY_S)
    for second in range(0, int(days * DAY_S), 300):
        means.add(value_at(second), BEGIN + second)
    return means


def noise(second: float) -> float:
    return 50 + WAVE[int(second // 300) % len(WAVE)] / 10


def test_the_usual_is_the_median_of_this_time_of_the_day() -> None:
    def by_day(second: float) -> float:
        return 90.0 if second % DAY_S // HOUR_S == 12 else 10.0

    asked = Anomaly(threshold=6, min_delta=5)
    means = wavy(4, by_day)
    at_noon = anomaly.usual(asked, means, BEGIN + 4 * DAY_S + 12.5 * HOUR_S)
    at_night = anomaly.usual(asked, means, BEGIN + 4 * DAY_S + 3 * HOUR_S)
    assert at_noon == Usual(90.0, 5)
    assert at_night == Usual(10.0, 5)


def test_the_usual_of_a_week_is_of_this_hour_of_the_week() -> None:
    def by_week(second: float) -> float:
        return 90.0 if second % (7 * DAY_S) // HOUR_S == 12 else 10.0

    means = Means(anomaly.SPAN_S, 35 * DAY_S)
    for second in range(0, 28 * DAY_S, 300):
        means.add(by_week(second), BEGIN + second)
    asked = Anomaly(threshold=6, min_delta=5, window_s=35 * DAY_S, season="week")
    on_monday = anomaly.usual(asked, means, BEGIN + 28 * DAY_S + 12.5 * HOUR_S)
    on_tuesday = anomaly.usual(asked, means, BEGIN + 29 * DAY_S + 12.5 * HOUR_S)
    assert (on_monday, on_tuesday) == (Usual(90.0, 5), Usual(10.0, 5))


def test_the_limit_is_made_of_the_median_absolute_deviation() -> None:
    means = wavy(4, noise)
    found = anomaly.usual(Anomaly(threshold=6, min_delta=0), means, BEGIN + 4 * DAY_S)
    assert found is not None
    assert found.median == 52
    assert found.limit == pytest.approx(6 * 1.4826 * 1)


def test_before_enough_is_known_nothing_is_usual() -> None:
    asked = Anomaly(threshold=6, min_delta=1)
    assert anomaly.usual(asked, wavy(2.9, noise), BEGIN + 2.9 * DAY_S) is None
    assert anomaly.usual(asked, Means(300, DAY_S), BEGIN) is None


def of_days(*days: int, hours: int = 24, odd_from: int = 99) -> Means:
    """Means of some whole days; the last one begins `hours` before its end."""
    means = Means(anomaly.SPAN_S, 35 * DAY_S)
    for day in days:
        first = (24 - hours) * HOUR_S if day == days[-1] else 0
        for second in range(first, DAY_S, 300):
            means.put(Mean(BEGIN + day * DAY_S + second, 10.0, 1, day >= odd_from))
    return means


def test_neither_the_newest_hour_nor_what_is_in_breach_counts_as_a_value() -> None:
    asked = Anomaly(threshold=6, min_delta=1)
    now = BEGIN + 3 * DAY_S
    assert anomaly.usual(asked, of_days(0, 1, 2), now) == Usual(10.0, 1)
    assert anomaly.usual(asked, of_days(0, 1, 2, odd_from=2), now) is None
    assert anomaly.usual(asked, of_days(0, 1, 2, hours=1), now) is None


def test_few_samples_say_nothing_however_long_they_reach() -> None:
    means = Means(300, 6 * HOUR_S)
    for second in range(0, 3 * HOUR_S, 300):
        means.add(1 - second / (9 * HOUR_S), BEGIN + second)
    asked = Forecast(target=0)
    assert outlook(asked, means, BEGIN + 3 * HOUR_S) is None
    assert outlook(replace(asked, min_samples=30), means, BEGIN + 3 * HOUR_S) is not None


def anomaly_rule() -> Rule:
    document: dict[str, Any] = {"kind": "anomaly", "metric": "load.load1", "min_delta": 5}
    return rule_from("odd", fleet.read({"rules": {"odd": document}}).rules["odd"])


def test_what_is_in_breach_is_stored_as_odd_and_a_restart_knows_what_is_usual() -> None:
    key, rule = Key("odd", "web-1"), anomaly_rule()

    def sample(lookback: Lookback, second: float, value: float) -> Observation | None:
        now = Now(BEGIN + second, second)
        return lookback.observe(rule, Sample(key, value, 300, also=True), now)

    before = Lookback()
    for second in range(0, 4 * DAY_S, 300):
        sample(before, second, 10)
    assert not any(mean.odd for _, mean in before.closed())
    for second in range(4 * DAY_S, 4 * DAY_S + 900, 300):
        seen = sample(before, second, 99)
        assert seen is not None
        assert seen.breached
    assert [mean.odd for _, mean in before.closed()] == [False, True, True]
    means = of_days(0, 1, 2, 3)
    after = Lookback()
    after.restore({key: [Mean(at, 10.0, 1) for at in means.times]})
    seen = sample(after, 4 * DAY_S, 99)
    assert seen is not None
    assert seen.breached


def test_what_was_in_breach_is_usual_only_a_day_later() -> None:
    def after(days: int) -> Usual | None:
        means = Means(anomaly.SPAN_S, 35 * DAY_S)
        for second in range(0, days * DAY_S, 300):
            odd = second >= 3 * DAY_S
            means.put(Mean(BEGIN + second, 500.0 if odd else 10.0, 1, odd))
        return anomaly.usual(Anomaly(threshold=6, min_delta=1), means, BEGIN + days * DAY_S)

    assert after(4) == Usual(10.0, 1)
    assert after(8) == Usual(500.0, 1)


@pytest.mark.parametrize(
    ("direction", "value", "breached", "cleared"),
    [
        ("both", 61, True, False),
        ("both", 39, True, False),
        ("both", 59, False, False),
        ("both", 58, False, True),
        ("above", 39, False, True),
        ("below", 61, False, True),
        ("below", 39, True, False),
    ],
)
def test_a_distance_counts_on_its_side(
    direction: str, value: float, breached: object, cleared: object
) -> None:
    usual = Usual(50, 10)
    assert usual.is_breached_by(value, direction) is breached
    assert usual.is_cleared_by(value, direction) is cleared


def unusual(last_hours: Callable[[float], float], **keys: Any) -> list[AlertState]:
    """Play four days of the same, then something else, to an anomaly rule."""
    rule: dict[str, Any] = {"kind": "anomaly", "metric": "load.load1", "min_delta": 5}
    document = fleet.read({"rules": {"odd": rule | keys}}, everywhere=True).only("odd")
    rehearsal = Rehearsal(document, BEGIN, tick_s=60)
    rehearsal.node("web-1", {}, 300)
    for second in range(0, 4 * DAY_S + 2 * HOUR_S, 300):
        rehearsal.advance(BEGIN + second)
        value = noise(second) if second < 4 * DAY_S else last_hours(second - 4 * DAY_S)
        rehearsal.report("web-1", "load", 300, fields={"load1": value})
        rehearsal.settle()
    found = rehearsal.alert(Key("odd", "web-1"))
    if found is not None:
        assert "usual now is" in found.summary
    return [turn.after for turn in rehearsal.turns]


def test_what_is_far_above_fires_and_ends_when_it_is_usual_again() -> None:
    firing = [AlertState.PENDING, AlertState.FIRING]
    assert unusual(lambda _: 95.0) == firing
    assert unusual(lambda at: 95.0 if at < HOUR_S else 52.0) == [*firing, AlertState.INACTIVE]


@pytest.mark.parametrize(
    ("value_at", "keys"),
    [
        pytest.param(noise, {}, id="the same"),
        pytest.param(lambda _: 63.0, {"min_delta": 20}, id="less than min_delta"),
        pytest.param(lambda _: 5.0, {"direction": "above"}, id="on the other side"),
        pytest.param(lambda at: 95.0 if at < 300 else 52.0, {}, id="shorter than for"),
    ],
)
def test_what_is_near_the_usual_does_not_fire(
    value_at: Callable[[float], float], keys: dict[str, Any]
) -> None:
    assert AlertState.FIRING not in unusual(value_at, **keys)


def test_means_of_before_a_restart_go_on() -> None:
    means = Means(300, DAY_S)
    for second in range(0, 3000, 100):
        means.add(float(second), BEGIN + second)
    stored = means.closed_since_stored()
    assert len(stored) == 9
    assert means.closed_since_stored() == []
    assert stored[0] == Mean(BEGIN + 100, 100.0, 3)
    again = Means(300, DAY_S)
    for mean in stored:
        again.put(mean)
    again.add(2700.0, BEGIN + 2700)
    assert list(again.times)[:9] == list(means.times)[:9]


def test_means_forget_what_is_old_and_what_is_of_the_future() -> None:
    means = Means(300, HOUR_S)
    for second in range(0, 3 * HOUR_S, 300):
        means.add(1.0, BEGIN + second)
    assert means.times[0] >= BEGIN + 2 * HOUR_S - 300
    means.add(2.0, BEGIN + 2 * HOUR_S)
    assert list(means.values)[-1] == pytest.approx(1.5)
    assert means.times[-1] <= BEGIN + 2 * HOUR_S
    assert math.isfinite(sum(means.values))
